"""nmt.layers.cells: torch's own LSTM is the reference, in values and in gradients."""

import pytest
import torch
from torch import Tensor, nn

from nmt.layers.cells import LSTMCell, LSTMState
from nmt.layers.initialization import uniform
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.machine import has_bfloat16

B, T, D, H = 3, 5, 4, 6


def cell(input_size: int = D, hidden_size: int = H) -> LSTMCell:
    made = LSTMCell(input_size, hidden_size).double()
    nn.init.normal_(made.recurrent_proj.bias)
    return made


def bias_of(made: LSTMCell) -> Tensor:
    """The bias of the gates, normalised or not."""
    return made.recurrent_norm.bias if isinstance(made, LayerNormLSTMCell) else made.recurrent_proj.bias


def torch_lstm(ours: LSTMCell) -> nn.LSTM:
    theirs = nn.LSTM(ours.input_size, ours.hidden_size, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.input_proj.weight)
        theirs.weight_hh_l0.copy_(ours.recurrent_proj.weight)
        theirs.bias_ih_l0.copy_(ours.recurrent_proj.bias)
        theirs.bias_hh_l0.zero_()
    return theirs


def state() -> LSTMState:
    return LSTMState(torch.randn(B, H, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64))


def inputs() -> Tensor:
    return torch.randn(B, T, D, dtype=torch.float64)


def unroll(ours: LSTMCell, x: Tensor, start: LSTMState) -> tuple[Tensor, LSTMState]:
    outputs = []
    for part in ours.project(x).unbind(1):
        y, start = ours.step(part, start)
        outputs.append(y)
    return torch.stack(outputs, dim=1), start


def test_a_step_is_torchs_lstm_cell() -> None:
    ours, x, before = cell(), torch.randn(B, D, dtype=torch.float64), state()
    theirs = nn.LSTMCell(D, H, dtype=torch.float64)
    with torch.no_grad():
        for mine, yours in zip(
            [
                ours.input_proj.weight,
                ours.recurrent_proj.weight,
                ours.recurrent_proj.bias,
                torch.zeros_like(ours.recurrent_proj.bias),
            ],
            [theirs.weight_ih, theirs.weight_hh, theirs.bias_ih, theirs.bias_hh],
            strict=True,
        ):
            yours.copy_(mine)
    y, after = ours.step(ours.project(x), before)
    h, c = theirs(x, tuple(before))
    torch.testing.assert_close(y, h, rtol=0, atol=1e-10)
    torch.testing.assert_close(tuple(after), (h, c), rtol=0, atol=1e-10)


def test_the_unrolled_step_is_torchs_lstm() -> None:
    ours, x, before = cell(), inputs(), state()
    expected, (h, c) = torch_lstm(ours)(x, tuple(s.unsqueeze(0) for s in before))
    y, after = unroll(ours, x, before)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(tuple(after), (h[0], c[0]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("given", [True, False])
def test_the_sequence_is_torchs_lstm(given: bool) -> None:
    ours, x, before = cell(), inputs(), state() if given else None
    expected = torch_lstm(ours)(x, before and tuple(s.unsqueeze(0) for s in before))[0]
    torch.testing.assert_close(ours(x, before)[0], expected, rtol=0, atol=1e-10)


def test_sequence_and_unrolled_step_have_the_same_gradients() -> None:
    ours, weight = cell(), torch.randn(B, T, H, dtype=torch.float64)
    leaves = [inputs().requires_grad_(), *(s.requires_grad_() for s in state()), *ours.parameters()]
    x, before = leaves[0], LSTMState(*leaves[1:3])
    fused = torch.autograd.grad((ours(x, before)[0] * weight).sum(), leaves)
    unrolled = torch.autograd.grad((unroll(ours, x, before)[0] * weight).sum(), leaves)
    torch.testing.assert_close(fused, unrolled, rtol=0, atol=1e-10)


def test_gradients_of_the_step_and_the_sequence_pass_gradcheck() -> None:
    ours = cell(2, 2)
    leaves = [torch.randn(2, 3, 2, dtype=torch.float64), *torch.randn(2, 2, 2, dtype=torch.float64)]
    arguments = [leaf.requires_grad_() for leaf in leaves] + list(ours.parameters())

    def steps(x: Tensor, h: Tensor, c: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        y, after = unroll(ours, x, LSTMState(h, c))
        return y, *after

    assert torch.autograd.gradcheck(steps, arguments)
    assert torch.autograd.gradcheck(lambda x, h, c, *_: ours(x, LSTMState(h, c))[0], arguments)


def test_the_state_of_a_step_may_be_used_alone() -> None:
    ours, before = cell(), state()
    h, c = (s.requires_grad_() for s in before)
    _, after = ours.step(torch.zeros(B, 4 * H, dtype=torch.float64), LSTMState(h, c))
    i, f, g, _ = ours.recurrent_proj(h).chunk(4, dim=-1)
    expected = torch.autograd.grad((f.sigmoid() * c + i.sigmoid() * g.tanh()).sum(), (h, c))
    torch.testing.assert_close(torch.autograd.grad(after.c.sum(), (h, c)), expected, rtol=0, atol=1e-10)


def test_a_fresh_cell_keeps_what_it_remembers() -> None:
    fresh = LSTMCell(D, H)
    i, f, g, o = fresh.recurrent_proj.bias.chunk(4)
    assert (f == 1).all()
    assert not torch.cat([i, g, o]).any()
    for gate in fresh.recurrent_proj.weight.chunk(4):
        torch.testing.assert_close(gate @ gate.mT, torch.eye(H))


@pytest.mark.parametrize("made", [LSTMCell, LayerNormLSTMCell])
def test_the_forget_gate_begins_where_it_is_told(made: type[LSTMCell]) -> None:
    i, f, g, o = bias_of(made(D, H, forget_bias=-2.5)).chunk(4)
    assert (f == -2.5).all()
    assert not torch.cat([i, g, o]).any()


@pytest.mark.parametrize("made", [LSTMCell, LayerNormLSTMCell])
def test_chrono_spreads_what_is_kept_over_the_range(made: type[LSTMCell]) -> None:
    """Tallec & Ollivier 2018: b_f = log u, b_i = −b_f, u even between 1 and T − 1."""
    i, f, g, o = bias_of(made(D, 1000, recurrent_init=uniform, chrono=41)).detach().double().chunk(4)
    assert torch.equal(i, -f)
    assert not torch.cat([g, o]).any()
    u = f.exp()
    assert 1 - 1e-6 <= u.min() < 1.5
    assert 39.5 < u.max() <= 40 + 1e-5
    assert abs(u.mean() - 20.5) < 1.4  # 39 / √12 / √1000 = 0.36
    assert abs(u.std() - 39 / 12**0.5) < 0.8


def test_the_initial_state_has_the_given_output_and_an_empty_cell() -> None:
    h = torch.randn(B, H, dtype=torch.bfloat16)
    first = LSTMCell(D, H).initial_state(h)
    assert first.h is h
    assert not first.c.any()
    assert first.c.dtype == torch.float32  # what is added up over time stays in full precision


@pytest.mark.parametrize("input_size", [D, 0])
def test_a_step_with_step_inputs_is_torchs_lstm_cell(input_size: int) -> None:
    """Step inputs have the first columns of the recurrent matrix; torch's cell has them in weight_ih."""
    ours, before = LSTMCell(input_size, H, 2).double(), state()
    theirs = nn.LSTMCell(input_size + 2, H, bias=False, dtype=torch.float64)
    of_step_input, own = ours.recurrent_proj.weight.detach().split([2, H], dim=1)
    of_x = ours.input_proj.weight.detach() if input_size else of_step_input[:, :0]
    with torch.no_grad():
        ours.recurrent_proj.bias.zero_()
        theirs.weight_ih.copy_(torch.cat([of_x, of_step_input], dim=1))
        theirs.weight_hh.copy_(own)
    x, step_input = (torch.randn(B, size, dtype=torch.float64) for size in (input_size, 2))
    y, after = ours.step(ours.project(x) if input_size else None, before, step_input)
    h, c = theirs(torch.cat([x, step_input], dim=1), tuple(before))
    torch.testing.assert_close((y, *after), (h, h, c), rtol=0, atol=1e-10)


def test_under_autocast_a_step_from_step_inputs_alone_is_narrow() -> None:
    """Its bias is added to the product, and not the product widened to the bias."""
    ours = LSTMCell(0, H, 2)
    with torch.autocast("cpu", torch.bfloat16):
        y, after = ours.step(None, ours.initial_state(torch.randn(B, H)), torch.randn(B, 2))
    assert (y.dtype, after.c.dtype) == (torch.bfloat16, torch.float32)


LENGTHS = [7, 3, 1, 5]
# Without products in bfloat16 training in it is refused: tests/builders/test_hardware.py.
SHIPPING = [(torch.float32, 1e-5), *([(torch.bfloat16, 3e-2)] if has_bfloat16() else [])]


@pytest.mark.parametrize(("dtype", "tolerance"), SHIPPING)
@pytest.mark.parametrize("training", [True, False])
def test_the_shipping_kernel_on_a_padded_batch(dtype: torch.dtype, tolerance: float, training: bool) -> None:
    """The error of real outputs and of gradients, as a share of their norm."""
    exact = LSTMCell(16, 32).double().train(training)
    real = torch.arange(7) < torch.tensor(LENGTHS).unsqueeze(1)
    x = torch.randn(4, 7, 16, dtype=torch.float64)
    h = torch.randn(4, 32, dtype=torch.float64).tanh()
    weight = torch.randn(4, 7, 32, dtype=torch.float64) * real.unsqueeze(-1)

    def run(ours: LSTMCell, *, unrolled: bool) -> list[Tensor]:
        own = ours.input_proj.weight.dtype
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16 and own == torch.float32):
            before = ours.initial_state(h.to(own))
            y = unroll(ours, x.to(own), before)[0] if unrolled else ours(x.to(own), before)[0]
        loss = (y.double() * weight).sum()
        gradients = torch.autograd.grad(loss, tuple(ours.parameters()))
        return [part.double() for part in (y[real], *gradients)]

    expected = run(exact, unrolled=False)
    shipping = LSTMCell(16, 32).train(training)
    shipping.load_state_dict(exact.state_dict())
    for unrolled in (False, True):
        for found, wanted in zip(run(shipping, unrolled=unrolled), expected, strict=True):
            assert (found - wanted).norm() <= tolerance * wanted.norm()
