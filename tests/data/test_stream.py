"""One long text is read once an epoch, piece after piece in every row, in an order that can be resumed."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt.data.batches import Batch, StreamState
from nmt.data.encoded import EncodedSplit
from nmt.data.stream import StreamBatches, Windows
from nmt.tokenization.vocabulary import EOS, PAD


def split_of(*lines: list[int]) -> EncodedSplit:
    return EncodedSplit.of([[]] * len(lines), lines)


SPLIT = split_of([4, 5, 6], [], [7], [8, 9, 10, 11, 12], [13, 14])  # 16 pieces


def read(batch: Batch) -> None:
    """Let every row count the windows it has read, and keep the last token of this one."""
    assert batch.recurrent is not None
    before = batch.recurrent.enter(batch.indices)
    count = torch.zeros(len(batch)) if before is None else before[:, 0]
    batch.recurrent.leave(batch.indices, torch.stack([count + 1, batch.trg_out[:, -1].float()], dim=1))


def test_the_lines_of_a_split_end_in_the_last_piece() -> None:
    assert SPLIT.targets(EOS).tolist() == [4, 5, 6, 3, 3, 7, 3, 8, 9, 10, 11, 12, 3, 13, 14, 3]
    assert split_of([], []).targets(EOS).tolist() == [3, 3]


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 9))
def test_windows_hold_every_piece_once_beside_the_one_before_it(length: int, rows: int, width: int) -> None:
    text = np.arange(length) + 4
    windows = list(Windows(text, rows, width))
    assert all(window.trg_in.shape == window.trg_out.shape for window in windows)
    assert all(window.trg_out.shape[1] <= width for window in windows)
    out = torch.cat([window.trg_out for window in windows], dim=1).flatten()
    before = torch.cat([window.trg_in for window in windows], dim=1).flatten()
    assert out[:length].tolist() == text.tolist()
    assert (out[length:] == PAD).all()
    assert before[:length].tolist() == [EOS, *text[:-1]]
    assert all(w.trg_len.tolist() == w.trg_mask.sum(1).tolist() for w in windows)


def test_an_epoch_is_the_text_in_equal_rows() -> None:
    batches = StreamBatches(SPLIT, 9, 2)  # 4 rows of 4 pieces, windows of 2
    assert (batches.per_epoch, batches.padding_share) == (2, 0.0)
    first, second, again = islice(batches, 3)
    assert first.trg_out.tolist() == [[4, 5], [3, 7], [9, 10], [3, 13]]
    assert second.trg_out.tolist() == [[6, 3], [3, 8], [11, 12], [14, 3]]
    assert first.trg_in.tolist() == [[3, 4], [3, 3], [8, 9], [12, 3]]
    assert again.trg_out.equal(first.trg_out)
    assert (batches.epoch, batches.position) == (1, 1)
    # Five rows of three: the last piece is left out.
    five = list(islice(StreamBatches(SPLIT, 10, 2), 2))
    assert torch.cat([b.trg_out for b in five], dim=1).flatten().tolist() == SPLIT.targets(EOS)[:15].tolist()


def test_a_text_shorter_than_a_batch_has_fewer_rows() -> None:
    (batch,) = islice(StreamBatches(split_of([4]), 100, 2), 1)
    assert batch.trg_out.tolist() == [[4], [EOS]]


def test_states_are_carried_within_an_epoch() -> None:
    batches = StreamBatches(SPLIT, 8, 1)  # 8 rows of 2 pieces
    seen = []
    for batch in islice(batches, 4):
        read(batch)
        assert batch.recurrent is not None
        seen.append(batch.recurrent.states)
    assert [states[:, 0].tolist() for states in seen] == [[1.0] * 8, [2.0] * 8] * 2


def test_a_window_computed_again_or_in_parts_begins_as_before() -> None:
    batches = StreamBatches(SPLIT, 8, 1)
    read(next(batches))
    batch = next(batches)
    for piece in (*batch.micro_batches(2), *batch.micro_batches(3)):
        read(piece)
    assert batches.recurrent_state() == {}  # the text is at its end
    assert batch.recurrent is not None
    expected = torch.stack([torch.full((8,), 2.0), batch.trg_out[:, -1].float()], dim=1)
    assert torch.equal(states_of(batch), expected)


def states_of(batch: Batch) -> Tensor:
    assert batch.recurrent is not None
    assert batch.recurrent.states is not None
    return batch.recurrent.states


def test_a_window_that_overflowed_does_not_take_the_next_along() -> None:
    carried = StreamState(2)
    carried.leave(torch.arange(2), torch.tensor([[torch.nan, torch.inf], [1.0, 2.0]]))
    carried.turn()
    entered = carried.enter(torch.tensor([1, 0]))
    assert entered is not None
    assert entered.tolist() == [[1.0, 2.0], [0.0, 0.0]]


@pytest.mark.parametrize("done", range(9))
def test_it_goes_on_where_it_was(done: int) -> None:
    def train(batches: StreamBatches, count: int) -> list[tuple[list[list[int]], list[list[float]]]]:
        seen = []
        for batch in islice(batches, count):
            read(batch)
            seen.append((batch.trg_out.tolist(), states_of(batch).tolist()))
        return seen

    whole = train(StreamBatches(SPLIT, 8, 2), 9)[done:]  # 2 windows an epoch
    stopped = StreamBatches(SPLIT, 8, 2)
    train(stopped, done)
    state, carried = stopped.state(), {name: t.clone() for name, t in stopped.recurrent_state().items()}
    assert bool(carried) is (done % 2 != 0)
    other = StreamBatches(SPLIT, 8, 2)
    other.load_state(state, carried)
    assert train(other, 9 - done) == whole
    with pytest.raises(ValueError, match="position 9"):
        other.load_state({"epoch": 0, "position": 9}, {})


def test_trial_batches_leave_order_and_states_alone() -> None:
    batches = StreamBatches(SPLIT, 8, 1)
    read(next(batches))
    before = batches.state(), batches.recurrent_state()["states"].clone()
    trial = [*batches.largest(), *batches.typical(3)]
    assert all(batch.recurrent is None for batch in trial)
    assert (batches.state(), batches.recurrent_state()["states"].tolist()) == (before[0], before[1].tolist())


def test_processes_read_rows_of_their_own() -> None:
    whole = next(StreamBatches(SPLIT, 8, 2))
    parts = [next(StreamBatches(SPLIT, 8, 2, rows=slice(rank, None, 3))) for rank in range(3)]
    assert sorted(i for part in parts for i in part.indices.tolist()) == list(range(4))
    for part in parts:
        assert part.trg_out.equal(whole.trg_out[part.indices])
