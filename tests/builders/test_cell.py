"""nmt.builders.cell: a name, or a section, becomes cells that begin as it says."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from nmt.builders.cell import build_cell
from nmt.config.cell import CellConfig
from nmt.layers.cells import LSTMCell
from nmt.layers.deep_transition import DeepTransitionCell
from nmt.layers.gru import GRUCell
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.layers.rnn import RNNCell
from nmt.layers.sru import SRUCell

D, L, H = 5, 3, 8
CELLS = {
    "rnn": RNNCell,
    "irnn": RNNCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
    "ln_lstm": LayerNormLSTMCell,
    "sru": SRUCell,
}


def read(section: Any) -> Any:
    return TypeAdapter(CellConfig).validate_python(section)


def build(section: Any) -> Any:
    """A cell of the section, in float64."""
    return build_cell(read(section))(D, H, L).double()  # type: ignore[attr-defined]


def bias_of(cell: Any) -> torch.Tensor:
    """The bias of an LSTM's gates, normalised or not."""
    return cell.recurrent_norm.bias if isinstance(cell, LayerNormLSTMCell) else cell.recurrent_proj.bias


@pytest.mark.parametrize("kind", CELLS)
def test_a_bare_name_is_the_kind_with_its_defaults(kind: str) -> None:
    assert read(kind) == read({"kind": kind})
    cell = build(kind)
    assert type(cell) is CELLS[kind]
    assert (cell.input_size, cell.hidden_size, cell.step_input_size) == (D, H, L)


@pytest.mark.parametrize("kind", CELLS)
def test_two_cells_of_a_section_are_drawn_apart(kind: str) -> None:
    make = build_cell(read(kind))
    one, other = make(D, H, L), make(D, H, L)
    assert not torch.equal(one.input_proj.weight, other.input_proj.weight)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm", "ln_lstm"])
def test_each_way_to_draw_the_matrix_of_h(kind: str) -> None:
    own = {
        way: build({"kind": kind, "recurrent": way}).recurrent_proj.weight[:H, -H:]
        for way in ("orthogonal", "glorot", "uniform")
    }
    eye = torch.eye(H, dtype=torch.float64)
    for way, matrix in own.items():
        # Two matrices drawn apart are one orthogonal and one not, whatever the chance.
        assert torch.allclose(matrix @ matrix.mT, eye, atol=1e-5) is (way == "orthogonal")
    assert H**-0.5 < own["glorot"].abs().max() <= (6 / (2 * H)) ** 0.5
    assert own["uniform"].abs().max() <= H**-0.5


@pytest.mark.parametrize("kind", CELLS)
def test_each_way_to_draw_the_matrix_of_the_inputs(kind: str) -> None:
    block = slice(2 * H, 3 * H) if kind == "sru" else slice(0, H)  # an SRU's gates are drawn smaller
    orthogonal = build({"kind": kind, "input": "orthogonal"}).input_proj.weight[block]
    eye = torch.eye(D, dtype=torch.float64)
    torch.testing.assert_close(orthogonal.mT @ orthogonal, eye, rtol=0, atol=1e-5)
    assert build({"kind": kind, "input": "uniform"}).input_proj.weight[block].abs().max() <= H**-0.5
    assert build({"kind": kind, "input": "glorot"}).input_proj.weight[block].abs().max() > H**-0.5


def test_an_irnn_begins_as_the_identity_and_without_a_bias() -> None:
    cell = build("irnn")
    assert cell.activation == "relu"
    assert torch.equal(cell.recurrent_proj.weight[:, L:], torch.eye(H, dtype=torch.float64))
    assert not cell.recurrent_proj.bias.any()


@pytest.mark.parametrize("kind", ["lstm", "ln_lstm"])
def test_the_forget_gates_beginning_reaches_the_cell(kind: str) -> None:
    assert (bias_of(build({"kind": kind, "forget_bias": 2.0}))[H : 2 * H] == 2).all()
    i, f, _, _ = bias_of(build({"kind": kind, "chrono": 50})).chunk(4)
    assert torch.equal(i, -f)
    assert f.unique().numel() == H


def test_a_deep_transition_has_the_cells_it_says() -> None:
    plain = build("deep_transition")
    assert type(plain) is DeepTransitionCell
    assert (plain.input_size, plain.hidden_size, plain.step_input_size) == (D, H, L)
    assert [type(cell) for cell in (plain.first, *plain.following)] == [GRUCell] * 4
    made = build({"kind": "deep_transition", "cell": {"kind": "lstm", "forget_bias": 3.0}, "depth": 2})
    first, second = made.first, *made.following
    assert all((cell.recurrent_proj.bias[H : 2 * H] == 3).all() for cell in (first, second))
    assert not torch.equal(first.recurrent_proj.weight[:, L:], second.recurrent_proj.weight)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (
            {"kind": "irnn", "recurrent": "glorot"},
            "irnn cannot have recurrent: its recurrent matrix is initialised",
        ),
        ({"kind": "sru", "recurrent": "glorot"}, "sru cannot have recurrent: no matrix multiplies its state"),
        ({"kind": "gru", "chrono": 20}, "gru cannot have chrono: it has no forget gate; leave chrono out"),
        ({"kind": "rnn", "forget_bias": 1.0}, "rnn cannot have forget_bias: it has no gates"),
        (
            {"kind": "lstm", "chrono": 20, "forget_bias": 2.0},
            "chrono 20 initialises the forget gate's bias",
        ),
        ({"kind": "lstm", "chrono": 2}, "greater than or equal to 3"),
        ({"kind": "deep_transition", "cell": "sru"}, "cannot have cell sru: no matrix multiplies its state"),
        ({"kind": "deep_transition", "chrono": 9}, "cannot have chrono: it belongs to the cells inside"),
        ({"kind": "deep_transition", "depth": 1}, "greater than or equal to 2"),
        ({"kind": "deep_transition", "cell": "deep_transition"}, "'lstm'"),
        ({"kind": "lstm", "recurrent": "identity"}, "'orthogonal', 'glorot' or 'uniform'"),
    ],
)
def test_what_a_cell_cannot_have_is_refused_with_the_reason(section: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as error:
        read(section)
    assert reason in str(error.value)
