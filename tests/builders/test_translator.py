"""nmt.builders.translator: a run folder is a model, and a folder that is no whole run is refused by name."""

import shutil
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import nmt
from nmt.builders.translator import load_translator
from nmt.config import load_experiment
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import save_tokenizers


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run, to be damaged."""
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def test_a_folder_is_a_translator(tiny_run: Path) -> None:
    lines = ["der Hund läuft.", "", "the dog"]
    for name in (tiny_run, str(tiny_run)):
        found = nmt.load(name).translate(lines)
        assert [bool(text) for text in found] == [True, False, True]
    assert load_translator(TranslationOptions(models=(tiny_run,))).translate(lines) == found


def test_what_is_not_given_is_as_the_run_says(tiny_run: Path) -> None:
    translator = load_translator(TranslationOptions(models=(tiny_run,)))
    search = translator.engine.search
    assert (search.beam, search.n_best, translator.max_source) == (2, 1, 40)
    assert load_translator(TranslationOptions(models=(tiny_run,), beam=4)).engine.search.beam == 4
    assert load_translator(TranslationOptions(models=(tiny_run,), n_best=6)).engine.search.beam == 6


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
        ["der Hund"], attention=True
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
