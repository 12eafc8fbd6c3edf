from functools import partial

import pytest
import torch
from torch import nn

from nmt.layers.cells import CellType, LSTMCell, LSTMState
from nmt.layers.deep_transition import DeepTransitionCell
from nmt.layers.gru import GRUCell
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.layers.packed import folded, packed
from nmt.layers.sru import SRUCell
from nmt.machine import has_bfloat16, has_int8, has_packed

# What this CPU lacks is refused before anything is packed: tests/builders/test_hardware.py.
pytestmark = pytest.mark.skipif(not has_packed(), reason="products are packed by oneDNN alone")
int8 = pytest.mark.skipif(not has_int8(), reason="needs a CPU with exact 8-bit products")

TOLERANCE = {"float32": 1e-5}
if has_bfloat16():
    TOLERANCE["bfloat16"] = 2e-2
if has_int8():
    TOLERANCE["int8"] = 2e-2


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (3, 4)])
@torch.inference_mode()
def test_a_packed_product_is_the_plain_one_up_to_its_precision(
    precision: str, bias: bool, shape: tuple[int, ...]
) -> None:
    linear = nn.Linear(96, 40, bias=bias)
    x = torch.randn(*shape, 96)
    expected, found = linear(x), packed(linear, precision)(x)
    assert found.dtype == torch.float32
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < TOLERANCE[precision] * expected.abs().max()


@int8
@pytest.mark.parametrize("times", [1, 20])  # few rows and many take different kernels
@torch.inference_mode()
def test_int8_is_the_product_of_rounded_integers(times: int) -> None:
    linear = nn.Linear(33, 17)
    x = (torch.randn(6, 33) * torch.tensor([[1e-3], [1.0], [50.0], [0.0], [1.0], [7.0]])).repeat(times, 1)
    w = linear.weight
    w_scale = w.abs().amax(1) / 127
    x_scale = x.abs().amax(1) / 127
    q_w = (w / w_scale[:, None]).round().long()
    q_x = torch.nan_to_num(x / x_scale[:, None]).round().long()
    expected = (q_x @ q_w.T).double() * x_scale[:, None].double() * w_scale.double() + linear.bias.double()
    found = packed(linear, "int8")(x)
    assert (found.double() - expected).abs().max() <= 1e-5 * expected.abs().max()


@int8
@torch.inference_mode()
def test_in_int8_no_row_depends_on_its_neighbours() -> None:
    matrix = packed(nn.Linear(256, 2000), "int8")
    x = torch.randn(9, 256)
    together = matrix(torch.cat([x, 1e4 * torch.randn(4, 256)]))[:9]
    among_many = matrix(torch.cat([x, 1e4 * torch.randn(400, 256)]))[:9]
    assert torch.equal(among_many, together)  # the kernel for many rows gives the same bits
    assert torch.equal(together, torch.cat([matrix(row.unsqueeze(0)) for row in x]))


@pytest.mark.parametrize("precision", TOLERANCE)
@torch.inference_mode()
def test_a_whole_sequence_is_near_the_plain_one(precision: str) -> None:
    cell = LSTMCell(16, 32)
    x = torch.randn(4, 7, 16)
    expected, found = cell(x)[0], packed(cell, precision)(x)[0]
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < TOLERANCE[precision]


@int8
@torch.inference_mode()
def test_in_int8_a_sequence_alone_is_what_it_is_beside_another() -> None:
    cell, x = packed(LSTMCell(256, 256), "int8"), torch.randn(2, 12, 256)
    state = LSTMState(*torch.randn(2, 2, 256))
    alone, together = cell(x[:1], LSTMState(*(s[:1] for s in state))), cell(x, state)
    assert torch.equal(alone[0], together[0][:1])
    assert all(torch.equal(a, b[:1]) for a, b in zip(alone[1], together[1], strict=True))


@pytest.mark.parametrize("precision", TOLERANCE)
@torch.inference_mode()
def test_a_packed_copy_leaves_the_model_alone_and_shares_its_weights(precision: str) -> None:
    model = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 24))
    copied, ids = packed(model, precision), torch.tensor([3, 49])
    assert [type(part) for part in model] == [nn.Embedding, nn.Linear]
    assert copied[1].weight is model[1].weight
    expected = model(ids)
    assert (copied(ids) - expected).abs().max() < TOLERANCE[precision] * expected.abs().max()


@torch.inference_mode()
def test_a_layer_that_two_share_is_packed_once() -> None:
    linear = nn.Linear(16, 16)
    copied = packed(nn.Sequential(linear, nn.Sequential(linear)), "float32")
    assert copied[1][0] is copied[0] is not linear  # type: ignore[index]


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize(
    "kind", [LSTMCell, GRUCell, LayerNormLSTMCell, partial(DeepTransitionCell, GRUCell, 2)]
)
@torch.inference_mode()
def test_a_folded_embedding_gives_the_same_steps(precision: str, kind: CellType) -> None:
    embedding, ids = nn.Embedding(50, 16), torch.tensor([3, 49, 3])
    cell = packed(kind(16, 24), precision)
    state = cell.initial_state(torch.randn(3, 24).tanh())
    expected, after = cell.step(cell.project(embedding(ids)), state)
    rows = folded(embedding, cell)
    assert rows.weight.shape[0] == 50
    assert rows.weight.shape[1] > 24
    found, last = cell.step(cell.project(rows(ids)), state)
    torch.testing.assert_close((found, *last), (expected, *after), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_an_embedding_that_a_cell_passes_on_is_not_folded() -> None:
    embedding, cell = nn.Embedding(50, 16), packed(SRUCell(16, 16), "float32")
    assert folded(embedding, cell) is embedding
