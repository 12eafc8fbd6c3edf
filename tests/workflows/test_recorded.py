"""nmt.workflows.recorded: pages on folders whose models are gone, or do not translate."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.report.page import render_recorded
from nmt.workflows.recorded import is_record, recorded_runs

pytestmark = pytest.mark.slow

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
NAMES, RECORD = EXPERIMENTS / "names", EXPERIMENTS / "multi30k-records" / "en-de-div"


def with_result(run: Path, to: Path) -> Path:
    """The run in another folder, with a result."""
    shutil.copytree(run, to)
    shutil.copy(NAMES / "result.json", to)
    return to


def test_an_experiment_is_shown_without_its_model() -> None:
    found = recorded_runs([NAMES, RECORD], command="nmt report names")
    assert [run.name for run in found.runs] == ["names", "en-de-div"]
    assert found.runs[0].config == (NAMES / "config.yaml").read_text("utf-8")
    assert "averaging:\n    kind: ema\n" in found.runs[1].config  # there is no file beside the result
    page = render_recorded(found)
    (score,) = [each for each in found.runs[0].recorded["result.json"].scores if each.metric == "perplexity"]
    assert f">{score.score:.2f}<" in page
    assert score.signature in page
    assert "<title>names and en-de-div</title>" in page
    assert "<script" not in page
    assert "Training curves" not in page
    assert {*re.findall('href="(.*?)"', page)} == {
        "data:,",
        "#main",
        "#scores",
        "#configuration",
        "#environment",
        "#repeat",
    }


def test_a_language_model_is_shown_with_its_curves(language_model_run: Path, tmp_path: Path) -> None:
    run = with_result(language_model_run, tmp_path / "run")
    line = '{"step": 10, "validation/loss": 2.0, "validation/ppl": 7.4}\n'
    (run / "metrics.jsonl").write_text(line, encoding="utf-8")
    page = render_recorded(recorded_runs([run], command=""))
    assert "Validation perplexity" in page
    assert '<td class="number">7.400</td>' in page


def test_only_a_result_without_a_translating_model_is_a_record(
    tiny_run: Path, language_model_run: Path, tmp_path: Path
) -> None:
    assert not is_record(tmp_path)
    assert not is_record(language_model_run)  # it has no result
    translating = with_result(tiny_run, tmp_path / "translating")
    assert not is_record(translating)
    assert is_record(with_result(language_model_run, tmp_path / "text"))
    with pytest.raises(UserError, match=r"translating: a page on what .*names records has no model to"):
        recorded_runs([NAMES, translating], command="")
    with pytest.raises(UserError, match="names: is given twice"):
        recorded_runs([NAMES, NAMES], command="")


def test_the_command_writes_the_page_alone(
    tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    page = tmp_path / "out.html"
    assert command("report", str(NAMES), "--html", str(page)) == (0, f"{page}\n", "")
    assert "as recorded" in page.read_text("utf-8")
    for option in (["--markdown", str(tmp_path / "out.md")], ["--beam", "2"], ["--without-text"]):
        code, _, told = command("report", str(NAMES), "--html", str(tmp_path / "other.html"), *option)
        assert code == 2
        assert told == f"nmt: {option[0]}: has no effect: {NAMES} records scores but holds no model to run\n"
    assert [*tmp_path.iterdir()] == [page]
