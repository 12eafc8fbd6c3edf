"""nmt.layers.encoders: torch's packed bidirectional LSTM is the reference, packing never used."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nmt.layers.cells import LSTMCell
from nmt.layers.dropout import Dropout
from nmt.layers.encoders import Bridge, Encoded, RecurrentEncoder, reverse_within
from nmt.layers.stack import StackOptions

B, Tx, E, M = 4, 6, 3, 8
LENGTHS = torch.tensor([4, 6, 1, 3])


def encoder(*, layers: int = 1, bidirectional: bool = True, dropout: float = 0.0) -> RecurrentEncoder:
    return RecurrentEncoder(
        LSTMCell,
        StackOptions(M, layers, Dropout(dropout)),
        input_size=E,
        bidirectional=bidirectional,
    ).double()


def inputs() -> Tensor:
    return torch.randn(B, Tx, E, dtype=torch.float64)


def torch_lstm(ours: RecurrentEncoder) -> nn.LSTM:
    layers, both = len(ours.stack.cells), ours.bidirectional
    width = M // 2 if both else M
    theirs = nn.LSTM(E, width, layers, batch_first=True, bidirectional=both, dtype=torch.float64)
    with torch.no_grad():
        for cells, suffix in ((ours.stack.cells, ""), (ours.backward_cells, "_reverse")):
            for layer, cell in enumerate(cells):
                assert isinstance(cell, LSTMCell)
                getattr(theirs, f"weight_ih_l{layer}{suffix}").copy_(cell.input_proj.weight)
                getattr(theirs, f"weight_hh_l{layer}{suffix}").copy_(cell.recurrent_proj.weight)
                getattr(theirs, f"bias_ih_l{layer}{suffix}").copy_(cell.recurrent_proj.bias)
                getattr(theirs, f"bias_hh_l{layer}{suffix}").zero_()
    return theirs


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_it_is_torchs_packed_lstm(layers: int, bidirectional: bool) -> None:
    ours, x = encoder(layers=layers, bidirectional=bidirectional), inputs()
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    outputs, (h, _) = torch_lstm(ours)(packed)
    expected, _ = pad_packed_sequence(outputs, batch_first=True)
    found = ours(x, LENGTHS)
    assert found.mask.sum(1).tolist() == LENGTHS.tolist()
    torch.testing.assert_close(found.outputs[found.mask], expected[found.mask], rtol=0, atol=1e-10)
    last = torch.cat([h[-2], h[-1]], dim=-1) if bidirectional else h[-1]
    torch.testing.assert_close(found.last, last, rtol=0, atol=1e-10)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_padding_changes_nothing(bidirectional: bool) -> None:
    ours, x = encoder(layers=2, bidirectional=bidirectional), inputs()
    plain = ours(x, LENGTHS)
    garbage = torch.where(plain.mask.unsqueeze(-1), x, 1e3 * torch.randn_like(x))
    padded = ours(F.pad(garbage, (0, 0, 0, 3), value=-7.0), LENGTHS)
    torch.testing.assert_close(
        padded.outputs[:, :Tx][plain.mask], plain.outputs[plain.mask], rtol=0, atol=1e-12
    )
    torch.testing.assert_close(padded.last, plain.last, rtol=0, atol=1e-12)
    assert not padded.mask[:, Tx:].any()


@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_sentence_alone_is_the_sentence_in_its_batch(bidirectional: bool) -> None:
    ours, x = encoder(layers=2, bidirectional=bidirectional), inputs()
    together = ours(x, LENGTHS)
    for b, length in enumerate(LENGTHS.tolist()):
        alone = ours(x[b : b + 1, :length], LENGTHS[b : b + 1])
        torch.testing.assert_close(together.outputs[b, :length], alone.outputs[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(together.last[b], alone.last[0], rtol=0, atol=1e-12)


def test_no_gradient_reaches_padding() -> None:
    ours, x = encoder(layers=2), inputs().requires_grad_()
    found = ours(x, LENGTHS)
    (found.outputs[found.mask].sum() + found.last.sum()).backward()
    assert x.grad is not None
    assert not x.grad[~found.mask].any()
    assert x.grad[found.mask].ne(0).all()


def test_dropout_stands_between_layers_alone() -> None:
    x = inputs()
    for layers, same in ((1, True), (2, False)):
        dropping = encoder(layers=layers, dropout=0.5)
        found, calm = dropping(x, LENGTHS).outputs, dropping.eval()(x, LENGTHS).outputs
        assert torch.equal(found, calm) is same


def test_reverse_within() -> None:
    x = torch.arange(8.0).view(2, 4, 1)
    turned = reverse_within(x, torch.tensor([3, 4]))
    assert turned.squeeze(-1).tolist() == [[2, 1, 0, 3], [7, 6, 5, 4]]
    assert torch.equal(reverse_within(turned, torch.tensor([3, 4])), x)


def encoded() -> Encoded:
    mask = torch.arange(Tx) < LENGTHS.unsqueeze(1)
    outputs = torch.randn(B, Tx, M, dtype=torch.float64)
    return Encoded(outputs, torch.randn(B, M, dtype=torch.float64), mask)


@pytest.mark.parametrize("summary", ["last", "mean"])
def test_the_bridge_by_hand(summary: str) -> None:
    bridge, source = Bridge(M, 5, 2, summary=summary).double(), encoded()
    assert bridge.project is not None
    first = bridge(source)
    for b, length in enumerate(LENGTHS.tolist()):
        s = source.last[b] if summary == "last" else sum(source.outputs[b, :length]) / length
        expected = torch.tanh(bridge.project.weight @ s + bridge.project.bias)
        found = torch.cat([h[b] for h in first])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_zero_bridge_tells_the_decoder_nothing() -> None:
    bridge = Bridge(M, 5, 2, summary="zero").double()
    assert not list(bridge.parameters())
    assert [(h.shape, h.dtype, h.any().item()) for h in bridge(encoded())] == [
        ((B, 5), torch.float64, False)
    ] * 2
