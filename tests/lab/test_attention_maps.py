import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from nmt.config import Experiment
from nmt.errors import UserError
from nmt.lab.attention_maps import attention_map, bits, study
from nmt.lab.exposure import study as exposure
from nmt.lab.trained import Trained, lines_of, load_trained


def test_words_receive_what_their_pieces_do(tiny_run: Path) -> None:
    translator = load_trained(tiny_run).translator
    assert translator is not None
    found = attention_map(translator, "der Hund läuft über die Straße")
    assert found.words.src_words == ["der", "Hund", "läuft", "über", "die", "Straße"]
    assert found.weights.shape == (len(found.trg_tokens), len(found.src_tokens))
    np.testing.assert_allclose(found.weights.sum(1), 1)
    inside = found.weights[:-1, :-1]
    starts = [i for i, piece in enumerate(found.trg_tokens[:-1]) if piece.startswith("_") or i == 0]
    assert len(found.words.trg_words) == len(starts)
    lengths = np.diff([*starts, len(inside)])
    np.testing.assert_allclose(found.words.weights.sum(1) @ lengths, inside.sum())


def test_entropy_is_in_bits() -> None:
    weights = np.array([[1.0, 0.0, 0.0, 0.0], [0.25] * 4, [0.5, 0.5, 0.0, 0.0]])
    assert bits(weights).tolist() == [0.0, 2.0, 1.0]


def test_a_map_for_each_line(tiny_run: Path) -> None:
    trained = load_trained(tiny_run)
    lines = lines_of(trained, None, "test", 3)
    page = study(trained, lines)
    assert list(page.pictures) == ["attention-1", "attention-2", "attention-3"]
    assert len(page.numbers) == len(page.table.rows) == 3


def test_several_heads_are_refused(tiny_run: Path) -> None:
    trained = load_trained(tiny_run)
    tree = trained.experiment.model_dump()
    tree["model"]["decoder"]["attention"] = {"kind": "multi_head", "heads": 4}
    several = dataclasses.replace(trained, experiment=Experiment.model_validate(tree))
    with pytest.raises(UserError, match=r"with 4 heads .* returns only their mean"):
        study(several, ["der Hund"])


def test_a_language_model_is_refused_where_it_cannot_do_it(tmp_path: Path) -> None:
    experiment = SimpleNamespace(model=SimpleNamespace(kind="language_model"))
    model = cast("Trained", Trained(tmp_path, experiment, object(), object(), None))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="language_model, which has no attention; expected seq2seq"):
        study(model, ["der Hund"])
    with pytest.raises(UserError, match="language_model, which has no source"):
        exposure(model, [], 5)


def test_blank_lines_are_passed_over(tiny_run: Path, tmp_path: Path) -> None:
    trained = load_trained(tiny_run)
    file = tmp_path / "lines"
    file.write_text("\nder Hund\n \ndie Straße\nder\n", encoding="utf-8")
    assert lines_of(trained, file, "test", 2) == ["der Hund", "die Straße"]
    file.write_text("\n\n", encoding="utf-8")
    with pytest.raises(UserError, match="holds no line to read"):
        lines_of(trained, file, "test", 2)
