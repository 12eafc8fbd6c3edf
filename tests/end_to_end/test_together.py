"""Ensembles, shallow fusion and forced decoding, as a person types them."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from rich.console import Console

import nmt
from nmt.builders.engine import open_translator
from nmt.builders.model import build_model
from nmt.builders.translator import load_translator
from nmt.config import load_experiment
from nmt.config.model import ModelConfig
from nmt.decoding.options import TranslationOptions
from nmt.machine import has_bfloat16
from nmt.results import read_result
from nmt.run import Run
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import load_tokenizers, save_tokenizers
from nmt.workflows.train import build_trainer

Command: TypeAlias = Callable[..., tuple[object, str, str]]

LINES = ["der Hund läuft schnell.", "", "die Straße", "der Hund, " * 30, "the dog runs quickly"]
TEXT = """
name: lm
data:
  text: {train: FOLDER/lm.txt, held_out: 0.2}
  tokenizer: {kind: saved, path: TOKENIZER}
  prepared: FOLDER/prepared
model: {kind: language_model, embedding: 8, hidden: 12, dropout: 0.0}
training:
  tokens_per_batch: 200
  max_updates: 20
  validate_every: 10
  best_by: loss
  label_smoothing: 0.0
  precision: float32
  device: cpu
  threads: 1
  optimizer: {lr: 2.0e-2}
  schedule: {kind: constant}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `lines`, to be translated."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "lines").write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def lm(tiny_run: Path, folder: Path) -> Path:
    """A language model over the target tokens of the tiny run."""
    sentences = (tiny_run.parent / "train.tsv").read_text("utf-8").splitlines()
    (folder / "lm.txt").write_text(
        "".join(f"{line.split(chr(9))[1]}\n" for line in sentences), encoding="utf-8"
    )
    config = TEXT.replace("FOLDER", str(folder)).replace("TOKENIZER", str(tiny_run / "tokenizer"))
    (folder / "lm.yaml").write_text(config, encoding="utf-8")
    run = Run(folder / "lm")
    build_trainer(load_experiment(folder / "lm.yaml"), run, Console(file=io.StringIO()))[0].train()
    return run.folder


def _another(tiny_run: Path, run: Path, *, spell: str) -> Path:
    """Return a run with other weights, whose tokenizer of one side is one of characters."""
    shutil.copytree(tiny_run, run)
    _, shared = load_tokenizers(tiny_run / "tokenizer")
    characters = SentencePieceTokenizer.train(["der Hund läuft schnell über die Straße."], kind="char")
    src, trg = (characters, shared) if spell == "src" else (shared, characters)
    shutil.rmtree(run / "tokenizer")
    save_tokenizers(run / "tokenizer", src, trg)
    config = Run(run).experiment().model
    assert isinstance(config, ModelConfig)
    torch.manual_seed(2)
    model = build_model(config, len(src.vocabulary), len(trg.vocabulary))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    Run(run).save_model(model, (src.fingerprint, trg.fingerprint))
    return run


@pytest.fixture(scope="module")
def speller(tiny_run: Path, folder: Path) -> Path:
    """A run with the target tokens of the tiny one, which reads characters."""
    return _another(tiny_run, folder / "speller", spell="src")


@pytest.mark.parametrize(
    "precision", ["float32", "float64", "auto", *(["bfloat16"] if has_bfloat16() else [])]
)
def test_a_model_with_itself_and_a_fusion_of_weight_0_change_nothing(
    command: Command, tiny_run: Path, folder: Path, lm: Path, precision: str
) -> None:
    usual = ["--input", folder / "lines", "--n-best", "2", "--precision", precision]
    alone = command("translate", "--model", tiny_run, *usual)
    assert alone[0] == 0
    assert command("translate", "--model", tiny_run, "--model", tiny_run, *usual) == alone
    assert command("translate", "--model", tiny_run, "--lm", lm, "--lm-weight", "0", *usual) == alone


def test_models_that_read_other_pieces_translate_together(
    command: Command, tiny_run: Path, speller: Path, lm: Path, folder: Path, tmp_path: Path
) -> None:
    models = ["--model", tiny_run, "--model", speller, "--lm", lm, "--lm-weight", "0.5"]
    usual = ["--input", folder / "lines", "--precision", "float32"]
    code, out, err = command("translate", *models, *usual)
    assert (code, err) == (0, "")
    found = out.removesuffix("\n").split("\n")
    assert [bool(line) for line in found] == [bool(line) for line in LINES]
    assert out != command("translate", "--model", tiny_run, "--model", speller, *usual)[1]
    assert out != command("translate", "--model", tiny_run, "--lm", lm, "--lm-weight", "0.5", *usual)[1]

    translator = open_translator(
        TranslationOptions(models=(tiny_run, speller), lm=lm, lm_weight=0.5, precision="float32")
    )
    assert translator.translate(LINES) == found
    loaded = nmt.load(str(tiny_run), speller, lm=str(lm), lm_weight=0.5)
    usual_precision = open_translator(TranslationOptions(models=(tiny_run, speller), lm=lm, lm_weight=0.5))
    assert loaded.translations(LINES) == usual_precision.translations(LINES)
    (long,) = [translator.parts(line) for line in LINES if len(line) > 200]
    # The limit is 40 tokens, and the second model's are characters.
    assert len(long) > len(load_translator(TranslationOptions(models=(tiny_run,))).parts(LINES[3]))
    assert all(len(part.ids) <= 40 and len(part.others[0]) <= 40 for part in long)

    many = tmp_path / "many"
    many.write_text("der Hund läuft\ndie Straße\n" * 300, encoding="utf-8")
    job = ["translate", *models, "--beam", "1", "--precision", "float32", "--input", many]
    assert command(*job, "--output", tmp_path / "whole")[0] == 0
    assert command(*job, "--output", tmp_path / "dealt", "--workers", "2")[0] == 0
    assert command(*job, "--output", tmp_path / "dealt", "--resume")[0] == 0
    whole = (tmp_path / "whole").read_bytes()
    assert (tmp_path / "dealt").read_bytes() == whole
    for part in "12":
        assert command(*job, "--output", tmp_path / part, "--shard", f"{part}/2")[0] == 0
    assert (tmp_path / "1").read_bytes() + (tmp_path / "2").read_bytes() == whole
    code, _, err = command(
        "translate", *models[:2], "--beam", "1", "--precision", "float32", "--input", many,
        "--output", tmp_path / "dealt", "--resume",
    )  # fmt: skip
    assert code == 2
    assert "resume with the same model, input and options" in err


def test_the_score_of_models_together_says_which(
    command: Command, tiny_run: Path, speller: Path, lm: Path, tmp_path: Path
) -> None:
    models = ["--model", tiny_run, "--model", speller, "--lm", lm]
    code, _, err = command("score", *models)
    assert code == 2
    assert "--output: a score of several models belongs to none of their folders" in err
    assert command("score", *models, "--output", tmp_path / "result.json", "--beam", "1")[0] == 0
    result = read_result(tmp_path / "result.json")
    assert result.decoding is not None
    settings = result.decoding.settings
    assert settings["models"] == [str(tiny_run), str(speller)]
    assert (settings["lm"], settings["lm_weight"]) == (str(lm), 0.2)
    assert result.training is None


def test_what_does_not_go_together_is_refused_before_a_line_is_read(
    command: Command, tiny_run: Path, lm: Path, folder: Path, tmp_path: Path
) -> None:
    other = _another(tiny_run, tmp_path / "other", spell="trg")
    (tmp_path / "broken").write_bytes(b"\xff\n")  # an error as soon as it is read
    usual = ["--input", tmp_path / "broken", "--output", tmp_path / "out"]
    trg, characters = (load_tokenizers(run / "tokenizer")[1].vocabulary for run in (tiny_run, other))
    pieces = (
        f"data.tokenizer has other target tokens than {tiny_run}: expected {len(trg)} with "
        f"fingerprint {trg.fingerprint[:12]}, found {len(characters)} with {characters.fingerprint[:12]}"
    )
    saved = f"train it with data.tokenizer {{kind: saved, path: {other / 'tokenizer'}}}"
    for models, message in [
        (["--model", tiny_run, "--model", other], f"--model {other}: {pieces}"),
        (["--model", other, "--lm", lm], saved),
        (["--model", tiny_run, "--model", lm], f"{lm} is a run of model.kind language_model, which"),
        (["--model", lm, "--lm", lm], "which translates nothing"),
        (["--model", tiny_run, "--lm", tiny_run], f"--lm {tiny_run} is a run of model.kind seq2seq"),
        (["--model", tiny_run, "--lm-weight", "0.3"], "--lm-weight 0.3 needs a language model"),
    ]:
        code, out, err = command("translate", *models, *usual)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert message in err
        assert not (tmp_path / "out").exists()
    code, out, err = command("translate", "--model", tiny_run, "--lm", lm, "--lm-weight", "inf", *usual)
    assert (code, out) == (2, "")
    assert "'--lm-weight'" in err


def test_given_targets_are_forced(
    command: Command, tiny_run: Path, speller: Path, lm: Path, folder: Path, tmp_path: Path
) -> None:
    targets = ["the dog runs", "", "a\tstreet </s> 東", "the dog " * 20, "x"]
    (tmp_path / "trg").write_text("".join(f"{line}\n" for line in targets), encoding="utf-8")
    given = ["--src", folder / "lines", "--ref", tmp_path / "trg", "--force"]
    code, out, err = command("score", "--model", tiny_run, *given, "--precision", "float64")
    assert (code, err) == (0, "")
    found = [json.loads(line) for line in out.splitlines()]
    tokenizer = load_tokenizers(tiny_run / "tokenizer")[1]
    for each, text in zip(found, targets, strict=True):
        assert each["tokens"] == [*tokenizer.tokens(tokenizer.encode(text.strip())), "</s>"]
        assert len(each["log_probs"]) == len(each["tokens"])
        assert each["log_prob"] == pytest.approx(sum(each["log_probs"]), abs=1e-10)
        assert max(each["log_probs"]) < 0
    assert not list(tiny_run.glob("result*"))
    twice = command("score", "--model", tiny_run, "--model", tiny_run, *given, "--precision", "float64")[1]
    assert twice == out
    together = ["score", "--model", tiny_run, "--model", speller, "--lm", lm, *given]
    assert command(*together, "--save", tmp_path / "saved")[:2] == (0, "")
    saved = (tmp_path / "saved").read_text("utf-8").splitlines()
    assert [json.loads(line)["tokens"] for line in saved] == [each["tokens"] for each in found]
    assert saved != out.splitlines()
    code, out, _ = command("score", "--model", tiny_run, "--force")
    assert (code, len(out.splitlines())) == (
        0,
        len((tiny_run.parent / "test.tsv").read_text("utf-8").splitlines()),
    )
    code, _, err = command("score", "--model", tiny_run, "--force", "--beam", "3")
    assert code == 2
    assert "--beam: has no effect with --force" in err


def test_text_is_forced_to_its_perplexity(command: Command, lm: Path, folder: Path) -> None:
    code, out, err = command("score", "--model", lm, "--text", folder / "lm.txt", "--force")
    assert (code, err) == (0, "")
    found = [json.loads(line) for line in out.splitlines()]
    assert len(found) == len((folder / "lm.txt").read_text("utf-8").splitlines())
    assert command("score", "--model", lm, "--text", folder / "lm.txt")[0] == 0
    perplexity = read_result(lm / "result-lm.txt.json").scores[0]
    pieces = sum(len(each["tokens"]) for each in found)
    mean = -sum(each["log_prob"] for each in found) / pieces
    assert perplexity.score == pytest.approx(torch.tensor(mean, dtype=torch.float64).exp().item(), rel=1e-10)
    assert perplexity.form == "bpe tokens"
