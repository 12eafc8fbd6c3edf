"""nmt.builders.engine: the graph of a run is made on first use, once."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nmt.builders import export
from nmt.builders.engine import find_graph
from nmt.builders.export import Exported
from nmt.runtime.manifest import GraphPrecision


@pytest.fixture
def run(gru_run: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(gru_run, tmp_path / "run"))
    for name in ("model.onnx", "manifest.json"):
        (copy / name).unlink(missing_ok=True)
    return copy


def test_several_that_use_a_run_at_first_make_its_graph_once(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, really = [], export.export_run

    def slowly(folder: Path, precision: GraphPrecision) -> Exported:
        made.append(precision)
        time.sleep(0.2)
        return really(folder, precision)

    monkeypatch.setattr(export, "export_run", slowly)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: find_graph(run), range(4)))
    assert made == ["int8"]
    assert all(each == found[0] for each in found)


def test_a_damaged_graph_is_made_anew(run: Path) -> None:
    expected = find_graph(run)
    (run / "model.onnx").write_bytes(b"damaged")
    assert find_graph(run) == expected
    assert (run / "model.onnx").read_bytes() == expected[2]
