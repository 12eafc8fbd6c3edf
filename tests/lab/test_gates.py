import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.builders.model import build_language_model
from nmt.config.cell import DeepTransitionCellConfig, GRUCellConfig
from nmt.config.data import PlainText
from nmt.config.model import LanguageModelConfig
from nmt.errors import UserError
from nmt.lab.cells import cell_config, matched_reader
from nmt.lab.gates import Saturation, label, observed, read, study
from nmt.lab.trained import Trained, load_trained
from nmt.tokenization.vocabulary import BOS, EOS

GATED = ["lstm", "ln_lstm", "gru", "sru"]


def cell_of(kind: str) -> Any:
    return matched_reader(cell_config(kind, 5), 3, 1, 13_000).double().cell


def with_gates(kind: str, cell: Any, projected: Tensor, state: Any, gates: dict[str, Tensor]) -> Tensor:
    """y of a step, made of its gates and of what its equations have beside them."""
    match kind:
        case "lstm" | "ln_lstm":
            sums = F.linear(state.h, cell.recurrent_proj.weight, cell.recurrent_proj.bias)
            if kind == "ln_lstm":
                sums = cell.recurrent_norm(sums)
            candidate = (projected + sums).chunk(4, dim=-1)[2].tanh()
            c = gates["forget"] * state.c + gates["input"] * candidate
            if kind == "ln_lstm":
                c = cell.cell_norm(c)
            return gates["output"] * c.tanh()
        case "gru":
            recurrent = cell.recurrent_proj(state.h).chunk(3, dim=-1)[2]
            n = (projected.chunk(3, dim=-1)[2] + cell.bias_n + gates["reset"] * recurrent).tanh()
            return (1 - gates["update"]) * n + gates["update"] * state.h
        case _:
            _, _, candidate, highway = projected.chunk(4, dim=-1)
            c = gates["forget"] * state.c + (1 - gates["forget"]) * candidate
            return gates["reset"] * c + (1 - gates["reset"]) * highway


@pytest.mark.parametrize("kind", GATED)
@torch.no_grad()
def test_a_step_is_what_its_gates_say(kind: str) -> None:
    cell = cell_of(kind)
    state = cell.initial_state(torch.zeros(4, cell.hidden_size, dtype=torch.float64))
    state = type(state)(*(torch.rand_like(part) - 0.5 for part in state))
    projected = cell.project(torch.randn(4, 3, dtype=torch.float64))
    gates = cell.gates(projected, state)
    assert all(0 < float(gate.min()) < float(gate.max()) < 1 for gate in gates.values())
    y, _ = cell.step(projected, state)
    torch.testing.assert_close(with_gates(kind, cell, projected, state, gates), y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", GATED)
def test_who_watches_changes_nothing(kind: str) -> None:
    cell = cell_of(kind)
    x = torch.randn(1, 6, 3, dtype=torch.float64)
    model = nn.ModuleDict({"only": cell})
    with torch.no_grad():
        expected = cell(x)[0]
        with observed(model) as steps:
            torch.testing.assert_close(cell(x)[0], expected, rtol=1e-12, atol=1e-12)
        assert list(steps) == ["only"]
        assert len(steps["only"]) == 6
        cell(x)[0]
        assert len(steps["only"]) == 6  # it watches no longer
        assert "forward" not in vars(cell)


def test_a_sentence_has_gates_for_all_its_pieces(tiny_run: Path) -> None:
    trained = load_trained(tiny_run)
    line = "der Hund läuft schnell"
    by_cell = {each.cell: each for each in read(trained, line)}
    assert list(by_cell) == ["encoder → 1", "encoder ← 1", "decoder 1"]
    assert trained.translator is not None
    src = trained.translator.src_tokenizer.encode(line)
    for each in by_cell.values():
        assert set(each.gates) == {"input", "forget", "output"}
        assert all(len(values) == len(each.tokens) for values in each.gates.values())
    assert len(by_cell["encoder ← 1"].tokens) == len(src) + 1
    assert by_cell["encoder → 1"].tokens[-1] == by_cell["encoder ← 1"].tokens[-1] == "</s>"
    assert by_cell["decoder 1"].tokens[0] == "<s>"

    # Read from the end, the first step is that at </s>: nothing but its input decides.
    model: Any = trained.model
    cell = model.encoder.backward_cells[0]
    end = model.src_embedding(torch.tensor([3]))
    first = cell.gates(cell.project(end), cell.initial_state(end.new_zeros(1, cell.hidden_size)))
    np.testing.assert_allclose(
        by_cell["encoder ← 1"].gates["input"][-1], first["input"][0].detach().numpy(), rtol=1e-10
    )


def test_a_language_model_reads_its_line(tiny_run: Path) -> None:
    trained = load_trained(tiny_run)
    section = LanguageModelConfig(embedding=6, cell=GRUCellConfig(), hidden=5, layers=2)
    model = build_language_model(section, 330)
    found = read(dataclasses.replace(trained, model=model.eval(), translator=None), "der Hund läuft")
    assert [each.cell for each in found] == ["layer 1", "layer 2"]
    pieces = len(trained.tokenizer.encode("der Hund läuft")) + 1
    for each in found:
        assert set(each.gates) == {"reset", "update"}
        assert all(values.shape == (pieces, 5) for values in each.gates.values())


@torch.no_grad()
@pytest.mark.parametrize(("lines", "first"), [(True, BOS), (False, EOS)])
def test_a_model_reads_what_it_was_trained_to_begin_with(tiny_run: Path, lines: bool, first: int) -> None:
    trained = load_trained(tiny_run)
    model = build_language_model(LanguageModelConfig(embedding=6, cell=GRUCellConfig(), hidden=5), 330)
    text = PlainText.model_validate({"train": "t", "validation": "t", "lines": lines})
    data = trained.experiment.data.model_copy(update={"text": text})
    experiment = trained.experiment.model_copy(update={"data": data})
    of_text = dataclasses.replace(trained, model=model.eval(), translator=None, experiment=experiment)
    (found,) = read(of_text, "der Hund")
    cell: Any = model.stack.cells[0]
    projected = cell.project(model.embedding(torch.tensor([first])))
    expected = cell.gates(projected, cell.initial_state(torch.zeros(1, 5)))
    np.testing.assert_allclose(found.gates["reset"][0], expected["reset"][0].numpy(), rtol=1e-6)


@torch.no_grad()
def test_every_number_of_a_name_counts_from_one() -> None:
    cell = DeepTransitionCellConfig(cell=GRUCellConfig(), depth=3)
    section = LanguageModelConfig(embedding=6, cell=cell, hidden=5, layers=2)
    model = build_language_model(section, 20).double().eval()
    text = torch.tensor([[2, 7, 5, 9]])
    expected = model(text)
    with observed(model) as steps:
        torch.testing.assert_close(model(text), expected, rtol=1e-12, atol=1e-12)
    assert [len(of) for of in steps.values()] == [4] * 6
    inner = ["first", "following 1", "following 2"]
    assert [label(name) for name in steps] == [f"layer {n} {part}" for n in (1, 2) for part in inner]
    assert label("encoder.stack.cells.0.first") == "encoder → 1 first"
    assert label("encoder.backward_cells.1.following.0") == "encoder ← 2 following 1"
    assert label("decoder.stack.cells.0") == "decoder 1"


def test_saturation_is_counted_by_unit_and_step() -> None:
    counted = Saturation(3)
    counted.count(np.array([[0.05, 0.5, 0.95], [0.05, 0.95, 0.95]]))
    counted.count(np.array([[0.5, 0.5, 0.05], [0.09, 0.91, 0.99]]))
    assert counted.steps == 4
    assert counted.shut.tolist() == [0.75, 0.0, 0.25]
    assert counted.open.tolist() == [0.0, 0.5, 0.75]
    assert counted.mean == pytest.approx([0.1725, 0.715, 0.735])


def test_a_page_of_gates(tiny_run: Path) -> None:
    page = study(load_trained(tiny_run), ["der Hund", "die Straße läuft"], 2)
    assert [row[:3] for row in page.table.rows[:2]] == [
        ["encoder → 1", "input", 8],
        ["encoder → 1", "forget", 8],
    ]
    assert len(page.table.rows) == len(page.numbers["units"]) == 9
    assert set(page.pictures) == {"gates-sentence", "gates-saturation"}
    with pytest.raises(UserError, match="--sentence 3: expected 1 to 1"):
        study(load_trained(tiny_run), ["der Hund"], 3)


def test_a_model_without_gates_is_refused(tmp_path: Path) -> None:
    bare = SimpleNamespace(folder=tmp_path, model=cell_of("rnn"))
    with pytest.raises(UserError, match="no cell of the model has gates"):
        study(cast("Trained", bare), ["der Hund"], 1)
