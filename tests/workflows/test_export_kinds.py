"""nmt.workflows.export_kinds: graphs of labellers and language models are checked before they are written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.builders.export import Exported
from nmt.errors import UserError
from nmt.workflows import export_kinds
from nmt.workflows.export import export_run

Command = Callable[..., tuple[object, str, str]]


def rolled(of: Callable[..., Exported], *precisions: str) -> Callable[..., Exported]:
    """What exports a model whose outputs are another's in these precisions."""

    def export(run: object, model: torch.nn.Module, precision: str) -> Exported:
        if precision not in precisions:
            return of(run, model, precision)
        bias = model.head.output.bias
        with torch.no_grad():
            before = bias.clone()
            bias.add_(torch.linspace(-9, 9, len(bias)))
            made = of(run, model, precision)
            bias.copy_(before)
        return made

    return export


def test_a_labeller_becomes_a_folder(labeller_run: Path, tmp_path: Path, command: Command) -> None:
    run = Path(shutil.copytree(labeller_run, tmp_path / "run"))
    code, out, err = command("export", run, "--to", tmp_path / "out", "--precision", "float32")
    assert (code, err) == (0, "")
    assert "60 lines of validation: float32 unlike torch 0" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.onnx",
        "manifest.json",
        "tokenizer",
    }
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["kind"] in (run / "config.yaml").read_text(encoding="utf-8")
    config = (run / "config.yaml").read_text(encoding="utf-8")
    (run / "config.yaml").write_text(config.replace("labels.tsv", "gone.tsv"), encoding="utf-8")
    code, out, err = command("export", run, "--precision", "float32")
    assert (code, err) == (0, "")
    assert "100 lines of made-up text (the validation text is not here)" in out


def test_other_labels_are_refused(
    labeller_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = export_kinds.export_labeller
    for precisions, told in [
        (("float32",), "does not agree with torch"),
        (("int8",), r"in 8 bits \d+ of 60 lines .* at most 2%; export it with --precision float32"),
    ]:
        monkeypatch.setattr(export_kinds, "export_labeller", rolled(made, *precisions))
        with pytest.raises(UserError, match=told):
            export_run(labeller_run, tmp_path / "out", "int8", print)
        assert not (tmp_path / "out").exists()


def test_a_language_model_becomes_a_folder(
    language_model_run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = command("export", language_model_run, "--to", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "lines of validation: float32 unlike torch 0, int8 " in out
    monkeypatch.setattr(
        export_kinds, "export_language_model", rolled(export_kinds.export_language_model, "float32")
    )
    with pytest.raises(UserError, match=r"does not agree with torch: .* have other log-probabilities"):
        export_run(language_model_run, tmp_path / "other", "float32", print)
    assert not (tmp_path / "other").exists()
