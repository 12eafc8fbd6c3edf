"""nmt.runtime.load: what it opens, what it refuses, and that it translates as the run does."""

import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

import nmt
from nmt.builders.engine import open_translator
from nmt.builders.translator import load_translator
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.graphs.graph import Graph, Value
from nmt.graphs.translation import INPUTS, OUTPUTS
from nmt.runtime import load

LINES = [
    "der Hund läuft schnell.",
    "",
    "über die Straße",
    "der Hund läuft. die Straße läuft über den Hund. der Hund.",
]


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "model"))


def test_float32_translates_as_torch_does(gru_run: Path) -> None:
    options = TranslationOptions(models=(gru_run,), precision="float32", device="cpu", n_best=2)
    by_graph, by_torch = open_translator(options), load_translator(options)
    assert type(by_graph.engine).__name__ == "GraphEngine"
    for a, b in zip(
        by_graph.translations(LINES, details=True),
        by_torch.translations(LINES, details=True),
        strict=True,
    ):
        assert [each.text for each in a.ranked] == [each.text for each in b.ranked]
        assert [each.score for each in a.ranked] == pytest.approx([each.score for each in b.ranked], rel=1e-4)
        for ours, theirs in zip(a.ranked, b.ranked, strict=True):
            for x, y in zip(ours.parts, theirs.parts, strict=True):
                np.testing.assert_allclose(x.weights, y.weights, atol=1e-5)
                assert x.tokens == y.tokens
                assert x.log_probs == pytest.approx(y.log_probs, abs=1e-4)


def test_a_bundle_translates_like_the_run_it_was_made_of(
    exported: Path, gru_run: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(gru_run, tmp_path / "run"))
    assert load(exported).translate(LINES) == nmt.load(run).translate(LINES)
    assert (run / "model.onnx").read_bytes() == (exported / "model.onnx").read_bytes()


def test_the_graph_of_a_run_is_made_anew_when_it_changes(gru_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(gru_run, tmp_path / "run"))
    nmt.load(run)
    config = run / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("beam: 2", "beam: 3"), encoding="utf-8")
    with pytest.raises(UserError, match=r"other weights or another configuration .* nmt export"):
        load(run)
    assert nmt.load(run).engine.beam == 3
    assert load(run).engine.beam == 3
    (run / "model.onnx").write_bytes(b"cut")
    assert nmt.load(run).translate(LINES[:1]) == load(run).translate(LINES[:1])


def test_options(exported: Path) -> None:
    translator = load(exported, beam=4, n_best=3)
    (first,) = translator.translations(LINES[:1])
    assert len(first.ranked) == 3
    assert load(exported, n_best=5).engine.beam == 5
    with pytest.raises(UserError, match="a beam of 2 cannot give the 3 best"):
        load(exported, beam=2, n_best=3)
    assert len(load(exported, max_source=6).parts(LINES[3])) > len(load(exported).parts(LINES[3]))


def test_eight_threads_share_a_translator(exported: Path) -> None:
    translator, lines = load(exported), [f"der Hund {n} läuft über die Straße." for n in range(24)]
    expected = translator.translate(lines)
    found: dict[int, list[str]] = {}

    def work(n: int) -> None:
        found[n] = translator.translate(lines)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(8), expected)


def test_the_confidence_is_on_the_curve_of_the_model(gru_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(gru_run, tmp_path / "run"))
    nmt.load(run)

    def confidence(**options: object) -> set[float]:
        translator = open_translator(TranslationOptions(models=(run,), **options))
        (found,) = translator.translations(LINES[:1], details=True)
        return {value for part in found.ranked[0].parts for value in part.confidence}

    probabilities = confidence()
    assert all(0 < value < 0.25 for value in probabilities)
    change_manifest(confidence=[[-1, 0.25], [0, 0.75]])(run)
    # The graph in float32 and torch are made of the same weights.
    for options in ({}, {"precision": "float32"}, {"precision": "float64"}):
        assert confidence(**options) == {0.25}
    config = run / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("beam: 2", "beam: 3"), encoding="utf-8")
    assert 0.25 not in confidence(precision="float64")


def damage_graph(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


def change_manifest(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change


def other_tokenizer(folder: Path) -> None:
    from nmt.tokenization.tokenizer import SentencePieceTokenizer, save_tokenizers

    shutil.rmtree(folder / "tokenizer")
    other = SentencePieceTokenizer.train(LINES * 20, kind="bpe", vocab_size=290)
    save_tokenizers(folder / "tokenizer", other, other)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (damage_graph, "model.onnx is damaged: it is not the file that manifest.json describes"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx: cannot be read"),
        (lambda folder: (folder / "manifest.json").unlink(), "a folder without manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "describes no exported model"),
        (change_manifest(beam=10**9), "beam: Input should be less than or equal to 1000"),
        (change_manifest(confidence=[[0, 1], [-1, 1]]), "confidence: expected points that rise"),
        (change_manifest(letters="abcd"), "letters: Input should be up to 1000 trigrams"),
        (change_manifest(confidence=[[0, 1]] * 101), "confidence: List should have at most 100 items"),
        (change_manifest(directions=[["de", "en"]]), "directions: Input should be a list of rows of 3 texts"),
        (change_manifest(directions=[["", "", "<2de>"]]), "translates to de; say which"),
        (change_manifest(more=1), "more: Extra inputs are not permitted"),
        (change_manifest(kind="tagger"), "translates nothing"),
        (other_tokenizer, "the source tokenizer belongs to another model"),
        (lambda folder: shutil.rmtree(folder / "tokenizer"), "cannot be read"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_a_spoilt_folder_is_one_line(copy: Path, spoil: Callable[[Path], object], told: str) -> None:
    spoil(copy)
    with pytest.raises(UserError, match=told) as raised:
        load(copy)
    assert "\n" not in str(raised.value)


def test_a_graph_that_is_not_of_our_making_is_refused(copy: Path) -> None:
    foreign = b"\x3a\x04none"
    (copy / "model.onnx").write_bytes(foreign)
    change_manifest(graph=hashlib.sha256(foreign).hexdigest())(copy)
    with pytest.raises(UserError, match=r"model\.onnx is not opened"):
        load(copy)


def test_a_graph_of_another_task_is_one_line(copy: Path) -> None:
    g = Graph("float32")
    src = Value("src", g)
    outputs = [(g.op("Identity", src), name, TensorProto.INT64) for name in OUTPUTS]
    inputs = [(name, kind, shape) for name, (kind, shape) in INPUTS.items()]
    foreign = g.model(inputs, outputs).SerializeToString()
    (copy / "model.onnx").write_bytes(foreign)
    change_manifest(graph=hashlib.sha256(foreign).hexdigest())(copy)
    with pytest.raises(UserError, match="no translation graph"):
        load(copy).translate(["a"])


def test_a_missing_onnxruntime_is_one_line(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="needs the package onnxruntime"):
        load(exported)
