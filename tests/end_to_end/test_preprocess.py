"""data.preprocess: a model of text as papers prepare it, from training to scores, export and a second run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.builders.engine import open_translator
from nmt.config.loading import load_experiment
from nmt.decoding.options import TranslationOptions
from nmt.evaluation.papers import papers_bleu
from nmt.run import Run
from nmt.runtime import load
from nmt.tokenization.moses import Moses
from nmt.tokenization.preprocessing import without_preprocessing
from nmt.tokenization.tokenizer import load_tokenizers
from nmt.workflows.score import held_out
from tests.support.training import build

Command = Callable[..., tuple[object, str, str]]
Write = Callable[..., Path]
BOTH = "data.preprocess={moses: true, lowercase: true}"
SHORT = ("training.max_updates=6", "training.validate_every=3")
FILES = ("data.builtin=null", "data.tsv={train: a, validation: a}")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_config: Write) -> Path:
    folder = tmp_path_factory.mktemp("preprocess")
    experiment = load_experiment(tiny_config(folder, BOTH, *SHORT, "data.tokenizer.dropout=0.1"))
    build(folder / "run", experiment).train()
    return folder / "run"


def test_the_model_reads_and_writes_words_of_moses(run: Path) -> None:
    src, trg = load_tokenizers(run / "tokenizer")
    text = "Der „Hund“ läuft & schläft."
    assert src.encode(text) == without_preprocessing(src).encode(Moses("de", "key").split(text.lower()))
    assert trg.decode(trg.encode("It's Tom.")) == "it's tom."
    assert src.vocabulary.tokens == trg.vocabulary.tokens
    learnt = src.vocabulary.tokens[4 + 256 :]  # behind the special tokens and the bytes
    assert "".join(learnt) == "".join(learnt).lower()


def test_papers_score_is_of_the_words_that_the_model_wrote(
    run: Path, command: Command, tmp_path: Path
) -> None:
    saved, record = tmp_path / "out.txt", tmp_path / "out.json"
    code, _, _ = command("score", "--model", run, "--papers", "--output", record, "--save", saved)
    assert code == 0
    translator = open_translator(TranslationOptions(models=(run,)))
    pairs = held_out(Run(run).experiment(), "test")
    plain = replace(translator, trg_tokenizer=without_preprocessing(translator.trg_tokenizer))
    written = plain.translate([pair.src for pair in pairs])
    moses = Moses("en", "key")
    assert saved.read_text().splitlines() == [moses.join(line) for line in written]
    targets = [pair.trg for pair in pairs]
    *_, found = json.loads(record.read_text())["scores"]
    expected = papers_bleu([], targets, language="en", written=written)
    assert (found["form"], found["score"]) == ("lowercased, Moses", expected.score)
    # In such text nothing else comes of splitting again what was joined.
    good = [moses.split(line.lower()) for line in targets]
    assert [moses.split(moses.join(line)) for line in good] == good


def test_an_exported_model_reads_and_writes_alike(run: Path, command: Command, tmp_path: Path) -> None:
    assert command("export", run, "--to", tmp_path / "model")[0] == 0
    text = "DER HUND läuft, „schnell“."
    translator = load(tmp_path / "model")
    assert translator.src_tokenizer.encode(text) == load_tokenizers(run / "tokenizer")[0].encode(text)
    assert translator.translate([text]) == translator.translate([text.lower()])


def test_a_run_with_its_tokenizers_says_the_same(
    run: Path, tmp_path: Path, tiny_config: Write, command: Command
) -> None:
    config = tiny_config(tmp_path, f"data.tokenizer={{kind: saved, path: {run}/tokenizer}}", *SHORT)
    code, _, err = command("train", config, "--run", tmp_path / "other")
    assert code == 2
    assert err.startswith(f"nmt: data.preprocess: the tokenizers in {run}/tokenizer belong to other ")
    code, out, _ = command("train", config, "--run", tmp_path / "same", "--set", BOTH)
    assert (code, "the tokenizer" in out) == (0, True)
    (score,) = json.loads((tmp_path / "same/result.json").read_text())["scores"]
    assert score["form"] == "lowercased, 13a"  # validation compares lowercase with lowercase
    assert "case:lc" in score["signature"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((BOTH, "data.src=null", *FILES), "set src and trg, alike in all corpora"),
        ((BOTH, "data.src=tlh", *FILES), "Moses does not know the language tlh"),
        (("data.preprocess={mose: true}",), "mose"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, tiny_config: Write, command: Command, changes: tuple[str, ...], message: str
) -> None:
    sets = [part for change in changes for part in ("--set", change)]
    code, _, err = command("train", tiny_config(tmp_path), "--run", tmp_path / "run", *sets)
    assert code == 2
    (line,) = err.splitlines()
    assert message in line


def test_the_prepared_data_depends_on_it(tmp_path: Path, tiny_config: Write, command: Command) -> None:
    config, counts = tiny_config(tmp_path), []
    for change in ("seed=1", "data.preprocess.moses=false", "data.preprocess.lowercase=true", BOTH):
        assert command("prepare", config, "--set", change)[0] == 0
        counts.append(len(list((tmp_path / "prepared").iterdir())))
    assert counts == [1, 1, 2, 3]


def test_a_score_cannot_set_it(run: Path, command: Command) -> None:
    code, _, err = command("score", "--model", run, "--set", "data.preprocess.lowercase=false")
    assert code == 2
    assert "--set data.preprocess.lowercase" in err


def test_words_of_moses_are_not_counted_as_those_between_spaces(
    run: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "a").write_text("der Hund\n")
    code, _, err = command("align", "--model", run, "--src", tmp_path / "a", "--trg", tmp_path / "a")
    assert code == 2
    assert "splits words by Moses (data.preprocess)" in err


CORPUS = "{builtin: {train: 100, seed: %d}, src: %s, trg: %s}"
MIXED = ("data.builtin=null", "data.src=null", "data.trg=null")


def test_several_corpora_have_one_pair_of_languages(
    tmp_path: Path, tiny_config: Write, command: Command
) -> None:
    config, there, back = tiny_config(tmp_path), CORPUS % (1, "de", "en"), CORPUS % (2, "en", "de")
    sets = [part for change in (*MIXED, BOTH) for part in ("--set", change)]
    found = command("prepare", config, *sets, "--set", f"data.corpora=[{there}, {CORPUS % (2, 'de', 'en')}]")
    assert found[0] == 0, found
    code, _, err = command("prepare", config, *sets, "--set", f"data.corpora=[{there}, {back}]")
    assert code == 2
    assert "splits each side by its language: set src and trg" in err
