"""nmt.workflows.compare and its command."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.workflows.compare import compare_configurations
from tests.support.training import build, experiment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2, 3):
        config = experiment(folder).model_copy(update={"seed": seed})
        build(folder / f"run-{seed}", config).train()
    return [folder / f"run-{seed}" for seed in (1, 2, 3)]


def test_the_command_prints_means_difference_and_what_p_ignores(
    runs: list[Path], command: Callable[..., tuple[object, str, str]]
) -> None:
    code, out, err = command("compare", runs[0], runs[1], "--with", runs[2])
    assert (code, err) == (0, "")
    first, second, difference, smallest, remark, signature = out.splitlines()
    assert first.startswith("A  BLEU ")
    assert " ± " in first
    assert first.split("2 runs: ")[1].count(" ") == 1
    assert second.startswith("B  BLEU ")
    assert difference.startswith("A − B  ")
    assert "cannot be told from chance" in smallest
    assert remark == "B: one seed, whose luck p ignores; train two more."
    assert "over:seeds+sentences" in signature


def test_a_run_on_both_sides_is_refused(runs: list[Path]) -> None:
    with pytest.raises(UserError, match="stands on both sides"):
        compare_configurations(runs[:2], runs[1:], split="test", beam=None, device="cpu")


def test_runs_with_other_test_sets_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(runs[0], tmp_path / "other"))
    for name in ("model.onnx", "manifest.json"):
        (other / name).unlink(missing_ok=True)
    config = (other / "config.yaml").read_text().replace("test: 10", "test: 11")
    (other / "config.yaml").write_text(config)
    with pytest.raises(UserError, match="has other targets than"):
        compare_configurations([runs[1]], [other], split="test", beam=None, device="cpu")
