"""nmt.workflows.export: a graph is checked before it is written."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.builders.export import Exported
from nmt.errors import UserError
from nmt.evaluation.calibration import Curve
from nmt.runtime import load
from nmt.runtime.manifest import Manifest
from nmt.workflows import export


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_a_run_becomes_a_folder(
    gru_run: Path, tmp_path: Path, precision: str, command: Callable[..., tuple[object, str, str]]
) -> None:
    code, out, err = command("export", gru_run, "--to", tmp_path / "out", "--precision", precision)
    assert (code, err) == (0, "")
    assert "20 lines of validation: float32 unlike torch 0" in out
    assert re.search(r"confidence in words: not calibrated, because validation has only \d+ words", out)
    assert load(tmp_path / "out").engine.precision == precision
    assert load(tmp_path / "out").translate(["der Hund läuft.", ""])[1] == ""
    manifest = Manifest.load(tmp_path / "out")
    assert manifest
    assert "der" in manifest.letters
    code, _, err = command("export", gru_run, "--to", tmp_path / "out")
    assert code == 2
    assert "exists" in err


def test_the_confidence_is_calibrated_on_the_validation_text(
    gru_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    run = Path(shutil.copytree(gru_run, tmp_path / "run"))
    config = (run / "config.yaml").read_text(encoding="utf-8")
    (few,) = set(re.findall(r"validation: (\S+\.tsv)", config))
    (tmp_path / "many.tsv").write_text(Path(few).read_text(encoding="utf-8") * 10, encoding="utf-8")
    (run / "config.yaml").write_text(config.replace(few, str(tmp_path / "many.tsv")), encoding="utf-8")
    code, out, err = command("export", run)
    assert (code, err) == (0, "")
    assert re.search(r"calibrated on \d+ words, calibration error 0\.\d+ before, 0\.\d+ after", out)
    assert isinstance(load(run).confidence, Curve)


def test_without_the_validation_text_made_up_text_is_used(
    gru_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    run = Path(shutil.copytree(gru_run, tmp_path / "run"))
    config = (run / "config.yaml").read_text(encoding="utf-8")
    (run / "config.yaml").write_text(config.replace("test.tsv", "gone.tsv"), encoding="utf-8")
    code, out, err = command("export", run)
    assert (code, err) == (0, "")
    assert "100 lines of made-up text (the validation text is not here)" in out
    assert load(run).translate(["der Hund"])
    assert not isinstance(load(run).confidence, Curve)


def test_a_graph_that_translates_otherwise_is_not_written(
    gru_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = export.export_model

    def otherwise(member: object, model: object, precision: object) -> Exported:
        with torch.no_grad():
            weight = model.head.output.bias  # type: ignore[attr-defined]
            before = weight.clone()
            weight.add_(torch.linspace(-3, 3, len(weight)))
            graph = made(member, model, precision)  # type: ignore[arg-type]
            weight.copy_(before)
        return graph

    monkeypatch.setattr(export, "export_model", otherwise)
    with pytest.raises(UserError, match="does not agree with torch"):
        export.export_run(gru_run, tmp_path / "out", "float32", print)
    assert not (tmp_path / "out").exists()
