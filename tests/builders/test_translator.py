"""nmt.builders.translator: a run folder is a model, and a folder that is no whole run is refused by name."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import nmt
from nmt.builders.engine import open_translator
from nmt.builders.translator import load_in_graphs, load_translator
from nmt.config import load_experiment
from nmt.decoding.engine import Engine
from nmt.decoding.graph_scorer import GraphScorer
from nmt.decoding.options import Sampling, TranslationOptions
from nmt.decoding.scorers import EnsembleScorer, FusionScorer, ModelScorer
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.errors import CannotExport, UserError
from nmt.machine import Precision
from nmt.run import Run
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import save_tokenizers
from tests.support.random_run import random_run


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run, to be damaged."""
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def test_a_folder_is_a_translator(tiny_run: Path) -> None:
    lines = ["der Hund läuft.", "", "the dog"]
    for name in (tiny_run, str(tiny_run)):
        found = nmt.load(name).translate(lines)
        assert [bool(text) for text in found] == [True, False, True]
    of_torch = load_translator(TranslationOptions(models=(tiny_run,), precision="float32"))
    assert of_torch.translate(lines) == found  # of matrices too small for 8 bits


def test_what_is_not_given_is_as_the_run_says(tiny_run: Path) -> None:
    translator = load_translator(TranslationOptions(models=(tiny_run,)))
    search = translator.engine.search
    assert (search.beam, search.n_best, translator.max_source) == (2, 1, 40)
    assert load_translator(TranslationOptions(models=(tiny_run,), beam=4)).engine.search.beam == 4
    assert load_translator(TranslationOptions(models=(tiny_run,), n_best=6)).engine.search.beam == 6


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_length_penalty_may_be_another_on_either_engine(tiny_run: Path, precision: Precision) -> None:
    def scores(alpha: float) -> list[float]:
        options = TranslationOptions(
            models=(tiny_run,), beam=1, length_penalty="average", alpha=alpha, precision=precision
        )
        found = open_translator(options).translations(["der Hund läuft", "die Katze"], details=True)
        return [
            each.ranked[0].score * len(each.ranked[0].parts[0].tokens) ** alpha for each in found
        ]  # the log-probability, whatever the penalty

    assert scores(2.0) == pytest.approx(scores(0.0), rel=1e-5)


def test_overrides_of_the_configuration_hold(tiny_run: Path) -> None:
    changed = load_experiment(
        tiny_run / "config.yaml", ["decoding.beam=3", "decoding.length_penalty={kind: none}"]
    )
    search = load_translator(TranslationOptions(models=(tiny_run,)), changed).engine.search
    assert search.beam == 3
    assert search.penalty.alpha == 0


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("config.yaml", "run is not a run: it has no config.yaml"),
        ("model.safetensors", "run holds no model yet"),
        ("tokenizer", r"tokenizer/src\.json: cannot be read"),
    ],
)
def test_a_part_that_is_missing_is_named(run: Path, part: str, message: str) -> None:
    path = run / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=message):
        load_translator(TranslationOptions(models=(run,)))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is not a folder; give the folder of a run"):
        load_translator(TranslationOptions(models=(tmp_path / "nowhere",)))


@pytest.mark.parametrize("length", [0, 5, 1000, -1])
def test_weights_cut_short(run: Path, length: int) -> None:
    weights = run / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:length])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        load_translator(TranslationOptions(models=(run,)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), r"model\.safetensors is damaged: .* holds numbers that are not finite"),
        (3e38, "the model gives no translation a probability above 0: its weights are damaged"),
    ],
)
def test_weights_that_give_no_number(run: Path, value: float, message: str) -> None:
    path = run / "model.safetensors"
    weights = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = {"tokenizers": file.metadata()["tokenizers"].rpartition(" ")[0]}  # without the checksum
    save_file({name: tensor.fill_(value) for name, tensor in weights.items()}, path, metadata)
    with pytest.raises(UserError, match=message):
        load_translator(TranslationOptions(models=(run,))).translate(["der Hund"])
    with pytest.raises(UserError, match=message.replace("translation", "text")):
        load_translator(TranslationOptions(models=(run,))).force([("der Hund", "the dog")])


def test_the_model_computes_in_the_precision_asked_for(tiny_run: Path) -> None:
    (line,) = load_translator(TranslationOptions(models=(tiny_run,), precision="float64")).translations(
        ["der Hund"], details=True
    )
    (rough,) = load_translator(TranslationOptions(models=(tiny_run,), precision="float32")).translations(
        ["der Hund"]
    )
    assert line.text == rough.text
    assert line.ranked[0].score == pytest.approx(rough.ranked[0].score, abs=1e-4)
    assert line.ranked[0].score != rough.ranked[0].score


def test_a_tokenizer_of_another_run(run: Path) -> None:
    other = SentencePieceTokenizer.train(["another text"], kind="char")
    save_tokenizers(run / "tokenizer", other, other)
    with pytest.raises(UserError, match=r"tokenizer does not belong to .*model\.safetensors"):
        load_translator(TranslationOptions(models=(run,)))


def test_a_configuration_of_another_run(run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("embedding: 16", "embedding: 32"))
    with pytest.raises(UserError, match=r"model\.safetensors does not fit .*config\.yaml: src_embedding"):
        load_translator(TranslationOptions(models=(run,)))


LANGUAGE_MODEL = """
name: lm
data: {{text: {{train: {folder}/lm.txt, held_out: 0.2}}, tokenizer: {{kind: saved, path: {tokenizer}}}}}
model: {{kind: language_model, embedding: 8, hidden: 12}}
training: {{best_by: loss, label_smoothing: 0.0}}
"""
LINES = ["der Hund läuft schnell.", "", "die Straße", "der Hund, " * 15, "the dog runs quickly"]
DECODER = "{hidden: 16, cell: gru, style: layer_parallel, attention: {kind: general}}"


@pytest.fixture
def grus(tiny_run: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs whose layers all have graphs."""
    overridden = load_experiment(
        tiny_run / "config.yaml", ["model.encoder={hidden: 16, cell: gru}", f"model.decoder={DECODER}"]
    )
    Run(tmp_path).save_experiment(overridden)
    config = (tmp_path / "config.yaml").read_text("utf-8")
    one, two = (random_run(tmp_path / f"run{seed}", tiny_run, config, seed) for seed in (1, 2))
    return one, two


@pytest.fixture
def lm(tiny_run: Path, tmp_path: Path) -> Path:
    """A language model over the target tokens of the tiny run."""
    config = LANGUAGE_MODEL.format(folder=tmp_path, tokenizer=tiny_run / "tokenizer")
    return random_run(tmp_path / "lm", tiny_run, config, 3)


def as_pairs(translations: Sequence[Translation]) -> list[tuple[str, list[float]]]:
    return [(each.text, [ranked.score for ranked in each.ranked]) for each in translations]


@pytest.mark.parametrize("fused", [False, True])
def test_models_together_search_on_onnx_runtime(grus: tuple[Path, Path], lm: Path, fused: bool) -> None:
    def options(precision: str) -> TranslationOptions:
        return TranslationOptions(
            models=grus,
            lm=lm if fused else None,
            lm_weight=0.4 if fused else None,
            device="cpu",
            precision=precision,  # type: ignore[arg-type]
            n_best=3,
        )

    exact, translator = load_translator(options("float64")), load_in_graphs(options("float32"))
    scorer = translator.engine.scorer
    if fused:
        assert isinstance(scorer, FusionScorer)
        scorer = scorer.translation
    assert isinstance(scorer, EnsembleScorer)
    assert all(isinstance(member, GraphScorer) for member in scorer.members)
    expected = as_pairs(exact.translations(LINES))
    found = as_pairs(translator.translations(LINES))
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [scores for _, scores in found] == [pytest.approx(scores, abs=1e-3) for _, scores in expected]
    opened = open_translator(options("float32")).translations(LINES)
    assert as_pairs(opened) == found


def test_models_together_are_in_int8_unless_told_otherwise(grus: tuple[Path, Path]) -> None:
    engine = open_translator(TranslationOptions(models=grus, device="cpu")).engine
    assert engine.precision == "int8"
    one, _ = grus
    twice = open_translator(TranslationOptions(models=(one, one), device="cpu", precision="float32"))
    alone = load_translator(TranslationOptions(models=(one,), device="cpu", precision="float32"))
    assert twice.translate(LINES) == alone.translate(LINES)


def members_of(translator: Translator[Engine]) -> set[type]:
    engine = translator.engine
    assert isinstance(engine, TorchEngine)
    assert isinstance(engine.scorer, EnsembleScorer)
    return {type(member) for member in engine.scorer.members}


@pytest.mark.parametrize(("asked", "found"), [("auto", "float64"), ("float32", "float32")])
def test_models_are_sampled_in_torch(grus: tuple[Path, Path], asked: Precision, found: str) -> None:
    sampling = Sampling(seed=1, temperature=1.0, top_k=None, top_p=1.0)
    translator = open_translator(
        TranslationOptions(models=grus, device="cpu", precision=asked, sampling=sampling)
    )
    assert members_of(translator) == {ModelScorer}
    assert translator.engine.precision == found


@pytest.mark.parametrize("count", [1, 2])
def test_models_with_a_layer_that_has_no_graph_stay_in_torch(
    grus: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    options = TranslationOptions(models=grus[:count], device="cpu")
    expected = load_translator(options).translate(LINES)

    def refuse(*_: object) -> None:
        raise CannotExport("SomeCell cannot be exported")

    monkeypatch.setattr("nmt.graphs.steps.step_graph", refuse)
    monkeypatch.setattr("nmt.builders.export.translation_graph", refuse)
    translator = open_translator(options)
    assert translator.engine.precision == "float32"
    assert isinstance(translator.engine, TorchEngine)
    assert translator.translate(LINES) == expected
    with pytest.raises(CannotExport, match="SomeCell"):
        open_translator(replace(options, precision="int8"))


def test_torch_refuses_int8_before_it_reads_a_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--precision int8: only a search on a CPU computes in it"):
        load_translator(TranslationOptions(models=(tmp_path / "nowhere",), precision="int8"))
