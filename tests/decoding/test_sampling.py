"""nmt.decoding.sampling on small tables whose every distribution can be counted."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor

from nmt.decoding.processors import Ban
from nmt.decoding.sampling import Sampled, SamplingSettings, choose, distribution, sample
from nmt.decoding.search import Step, StepScorer
from nmt.errors import UserError

BOS, EOS, A, B, C = range(5)
PLAIN = SamplingSettings(bos=BOS, eos=EOS, processors=(Ban((BOS,)),))
LIMIT = 20
# Row: the token before. Probability of EOS, A, B, C next.
TABLE = torch.tensor(
    [
        [0.1, 0.2, 0.3, 0.4],
        [1.0, 0.0, 0.0, 0.0],
        [0.5, 0.25, 0.25, 0.0],
        [0.3, 0.3, 0.2, 0.2],
        [0.2, 0.5, 0.1, 0.2],
    ],
    dtype=torch.float64,
)


class Chain:
    """Probabilities by the token before; it counts rows and, as its state, steps."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def start(self, source: int) -> tuple[None, tuple[Tensor]]:
        return None, (torch.zeros(source, 1, dtype=torch.int64),)

    def step(self, y_prev: Tensor, memory: None, state: tuple[Tensor]) -> Step:
        assert len(state[0]) == len(y_prev)
        assert (state[0] == state[0][0]).all()
        self.rows.append(len(y_prev))
        best = torch.full((len(y_prev), 1), 0.7, dtype=torch.float64)  # banned
        logits = torch.cat([best, TABLE[y_prev]], dim=1).log()
        return Step(logits, (state[0] + 1,), None)


def sampled(
    numbers: range,
    settings: SamplingSettings = PLAIN,
    *,
    seed: int = 1,
    limit: int = LIMIT,
    scorer: StepScorer | None = None,
) -> list[Sampled]:
    limits, keys = torch.full((len(numbers),), limit), [(seed, n) for n in numbers]
    return sample(scorer or Chain(), len(numbers), limits, settings, keys=keys)


def chances(weights: list[float], **changes: float) -> list[float]:
    """The probability of each id of one row."""
    logits = torch.tensor([weights], dtype=torch.float64).log()
    probabilities, ids = distribution(logits, replace(PLAIN, **changes))
    return torch.zeros_like(logits).scatter_(1, ids, probabilities)[0].tolist()


def test_neither_batch_nor_neighbours_change_a_sequence() -> None:
    together = sampled(range(40))
    assert [sampled(range(n, n + 1))[0] for n in range(40)] == together
    assert sampled(range(0, 7)) + sampled(range(7, 40)) == together
    assert sampled(range(40)) == together
    assert sampled(range(40), seed=2) != together
    assert len({tuple(each.ids) for each in together}) > 10


def test_a_sequence_of_several_ends_goes_on_from_one_of_one() -> None:
    one, three = sampled(range(40)), sampled(range(40), replace(PLAIN, ends=3), limit=3 * LIMIT)
    assert all(each.ended and each.ids.count(EOS) == 2 for each in three)
    for short, long in zip(one, three, strict=True):
        assert long.ids[: len(short.ids)] == short.ids
        assert not short.ended or long.ids[len(short.ids)] == EOS


def test_tokens_come_as_often_as_their_probability_says() -> None:
    count = 4000
    first = [each.ids[0] if each.ids else EOS for each in sampled(range(count), limit=1)]
    expected = {EOS: 0.1, A: 0.2, B: 0.3, C: 0.4}
    chi_square = sum((first.count(i) - count * p) ** 2 / (count * p) for i, p in expected.items())
    assert chi_square < 16.3  # 3 degrees of freedom: exceeded once in 1,000 seeds, and the seed is fixed


def test_what_follows_depends_on_what_was_sampled() -> None:
    after_a = [
        each.ids[1] if len(each.ids) > 1 else EOS for each in sampled(range(4000)) if each.ids[:1] == [A]
    ]
    shares = [after_a.count(i) / len(after_a) for i in (EOS, A, B, C)]
    assert shares == pytest.approx(TABLE[A].tolist(), abs=0.05)
    assert shares[-1] == 0


def test_temperature_weighs_probabilities_by_a_power() -> None:
    powers = [0.1**2, 0.3**2, 0.6**2]
    assert chances([0.1, 0.3, 0.6], temperature=0.5) == pytest.approx([p / sum(powers) for p in powers])
    assert chances([0.1, 0.3, 0.6]) == pytest.approx([0.1, 0.3, 0.6])
    assert chances([0.1, 0.3, 0.6], temperature=1e9) == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    "greedy", [{"temperature": 0.0}, {"temperature": 1e-300}, {"top_k": 1}, {"top_p": 1e-9}]
)
def test_the_limits_are_greedy(greedy: dict[str, float]) -> None:
    assert chances([0.1, 0.3, 0.6], **greedy) == [0, 0, 1]
    # C has the highest probability at the start, then A, then EOS.
    assert sampled(range(5), replace(PLAIN, **greedy)) == [Sampled([C, A], ended=True)] * 5


def test_equal_tokens_are_taken_by_their_ids() -> None:
    assert chances([0.1, 0.3, 0.3, 0.3], top_k=2) == pytest.approx([0, 0.5, 0.5, 0])
    assert chances([0.3, 0.3, 0.4], temperature=0.0) == [0, 0, 1]
    assert chances([0.5, 0.5], temperature=0.0) == [1, 0]


def test_top_k_and_top_p_keep_the_most_probable() -> None:
    weights = [0.1, 0.4, 0.2, 0.3]
    assert chances(weights, top_k=2) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert chances(weights, top_k=9) == pytest.approx(weights)
    assert chances(weights, top_p=0.69) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert chances(weights, top_p=0.71) == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9])
    # The nucleus is one of what top_k left: 4/9, 3/9, 2/9.
    assert chances(weights, top_k=3, top_p=0.75) == pytest.approx([0, 4 / 7, 0, 3 / 7])


@examples(max_examples=50)
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=8), st.floats(0.01, 1), st.integers(1, 8))
def test_what_is_sampled_from_is_a_distribution(logits: list[float], top_p: float, top_k: int) -> None:
    probabilities, ids = distribution(torch.tensor([logits]), replace(PLAIN, top_p=top_p, top_k=top_k))
    assert probabilities.sum().item() == pytest.approx(1)
    assert 1 <= (probabilities > 0).sum() <= top_k
    assert sorted(ids[0].tolist()) == list(range(len(logits)))
    for uniform in (0.0, 0.5, 1 - 2**-53):
        place = choose(probabilities, torch.tensor([uniform], dtype=torch.float64))
        assert probabilities[0, place].item() > 0


def test_a_sequence_goes_on_from_the_token_it_begins_with() -> None:
    assert {each.ids[0] for each in sampled(range(300), replace(PLAIN, bos=A)) if each.ids} == {A, B}
    # After B the end is as probable as A, and the smaller id.
    assert sampled(range(1), replace(PLAIN, top_k=1, bos=B)) == [Sampled([], ended=True)]
    assert sampled(range(1), replace(PLAIN, top_k=1, bos=C)) == [Sampled([A], ended=True)]


def test_a_sequence_ends_at_the_limit_and_says_so() -> None:
    found = sampled(range(200), limit=2)
    assert {len(each.ids) for each in found if not each.ended} == {2}
    assert {each.ended for each in found} == {True, False}
    assert all(len(each.ids) < 2 for each in found if each.ended)


def test_every_sequence_has_a_limit_of_its_own() -> None:
    limits, keys = torch.arange(200) % 3 + 1, [(1, n) for n in range(200)]
    found, alone = sample(Chain(), 200, limits, PLAIN, keys=keys), sampled(range(200))
    for n, (each, whole) in enumerate(zip(found, alone, strict=True)):
        limit = n % 3 + 1
        assert each == Sampled(whole.ids[:limit], whole.ended and len(whole.ids) < limit)


def test_a_key_of_several_numbers_is_a_sequence_of_its_own() -> None:
    keys = [(1, line, part) for line in range(5) for part in range(5)]
    found = sample(Chain(), 25, torch.full((25,), LIMIT), PLAIN, keys=keys)
    assert len({tuple(each.ids) for each in found}) > 10
    assert sample(Chain(), 1, torch.tensor([LIMIT]), PLAIN, keys=keys[7:8]) == found[7:8]


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_no_probability_is_said(value: float) -> None:
    class Damaged(Chain):
        def step(self, y_prev: Tensor, memory: None, state: tuple[Tensor]) -> Step:
            step = super().step(y_prev, memory, state)
            return step._replace(log_probs=torch.full_like(step.log_probs, value))

    with pytest.raises(UserError, match="no token a probability above 0: its weights are damaged"):
        sampled(range(3), scorer=Damaged())


def test_what_is_done_is_computed_no_more() -> None:
    chain = Chain()
    found = sampled(range(50), scorer=chain)
    assert chain.rows == [sum(len(each.ids) >= t for each in found) for t in range(len(chain.rows))]
    assert sampled(range(0)) == []
