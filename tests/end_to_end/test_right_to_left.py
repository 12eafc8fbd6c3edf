"""data.reverse_target: a model that writes from right to left, from training to export and reranking."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nmt.builders.translator import load_translator
from nmt.config.loading import load_experiment
from nmt.data.prepared import Prepared
from nmt.decoding.options import TranslationOptions
from nmt.runtime import load
from nmt.tokenization.reversal import is_reversed, left_to_right
from nmt.tokenization.tokenizer import load_tokenizers
from tests.support.training import build

Command = Callable[..., tuple[object, str, str]]
Write = Callable[..., Path]
SHORT = ("training.max_updates=6", "training.validate_every=3")
LINES = ["der Hund läuft schnell.", "", "die Frau, die schläft. Der Mann liest."]


@pytest.fixture(scope="module")
def forward(tmp_path_factory: pytest.TempPathFactory, tiny_config: Write) -> Path:
    folder = tmp_path_factory.mktemp("forward")
    build(folder / "run", load_experiment(tiny_config(folder, *SHORT))).train()
    return folder / "run"


@pytest.fixture(scope="module")
def backward(forward: Path, tmp_path_factory: pytest.TempPathFactory, tiny_config: Write) -> Path:
    folder = tmp_path_factory.mktemp("backward")
    saved = f"data.tokenizer={{kind: saved, path: {forward}/tokenizer}}"
    build(
        folder / "run", load_experiment(tiny_config(folder, "data.reverse_target=true", saved, *SHORT))
    ).train()
    return folder / "run"


def test_it_learns_the_targets_from_their_end(forward: Path, backward: Path) -> None:
    (there,), (back,) = ((run.parent / "prepared").iterdir() for run in (forward, backward))
    for split in ("train", "validation"):
        (src, trg), (same, mirrored) = (
            Prepared(folder).split(split).rows(range(10)) for folder in (there, back)
        )
        for a, b, c, d in zip(src, trg, same, mirrored, strict=True):
            assert np.array_equal(a, c)
            assert np.array_equal(b[::-1], d)
    src, trg = load_tokenizers(backward / "tokenizer")
    assert not is_reversed(src)
    assert is_reversed(trg)
    assert left_to_right(trg).fingerprint == load_tokenizers(forward / "tokenizer")[1].fingerprint


def test_an_exported_model_writes_the_same(backward: Path, command: Command, tmp_path: Path) -> None:
    code, _, err = command("export", backward, "--to", tmp_path / "model", "--precision", "float32")
    assert code == 0, err
    exact = load_translator(TranslationOptions(models=(backward,), precision="float32"))
    expected = exact.translations(LINES, details=True)
    for found, other in zip(
        load(tmp_path / "model").translations(LINES, details=True), expected, strict=True
    ):
        assert found.text == other.text
        assert found.links() == other.links()
        for part, like in zip(found.ranked[0].parts, other.ranked[0].parts, strict=True):
            assert part.tokens == like.tokens
            assert part.log_probs == pytest.approx(like.log_probs, abs=1e-4)


def test_forced_tokens_stand_as_the_text_does(backward: Path, command: Command, tmp_path: Path) -> None:
    saved = tmp_path / "forced.jsonl"
    assert command("score", "--model", backward, "--force", "--save", saved)[0] == 0
    trg = left_to_right(load_tokenizers(backward / "tokenizer")[1])
    for line in saved.read_text("utf-8").splitlines():
        found = json.loads(line)
        *tokens, end = found["tokens"]
        assert end == "</s>"
        assert trg.tokens(trg.encode(trg.decode([trg.vocabulary.id(each) for each in tokens]))) == tokens
        assert found["log_prob"] == pytest.approx(sum(found["log_probs"]))


def test_what_it_cannot_do_is_refused_in_one_line(
    forward: Path, backward: Path, command: Command, tmp_path: Path, tiny_config: Write
) -> None:
    (tmp_path / "terms.tsv").write_text("Hund\tdog\n")
    config = tiny_config(tmp_path, f"data.tokenizer={{kind: saved, path: {forward}/tokenizer}}", *SHORT)
    for arguments, message in (
        (
            ("translate", "--model", backward, "--glossary", tmp_path / "terms.tsv"),
            "writes from right to left",
        ),
        (("translate", "--model", backward, "--forbid", tmp_path / "terms.tsv"), "writes from right to left"),
        (("translate", "--model", backward, "--after-tab", "prefix"), "writes from right to left"),
        (("translate", "--model", forward, "--model", backward), "writes in the other direction than"),
        (("score", "--model", backward, "--set", "data.reverse_target=false"), "--set data.reverse_target"),
        (
            ("train", config, "--run", tmp_path / "run", "--set", f"training.init_from={backward}"),
            "writes in the other direction than this run (data.reverse_target)",
        ),
    ):
        code, _, err = command(*arguments)
        (line,) = err.splitlines()
        assert (code, message in line) == (2, True), line


def test_it_reranks_what_the_other_direction_found(
    forward: Path, backward: Path, command: Command, tmp_path: Path
) -> None:
    both = ("--model", forward, "--rerank", backward, "--rerank-weight", "0.5", "--beam", "4")
    text = "".join(f"{line}\n" for line in LINES)
    code, out, _ = command("translate", *both, "--n-best", "4", stdin=text)
    rows = [line.split(" ||| ") for line in out.splitlines()]
    assert code == 0
    for number in range(len(LINES)):
        scores = [float(score) for at, _, score in rows if int(at) == number]
        assert scores == sorted(scores, reverse=True)
    plain = command("translate", "--model", forward, "--beam", "4", "--n-best", "4", stdin=text)[1]
    assert {(row[0], row[2]) for row in rows} != {
        tuple(line.split(" ||| ")[::2]) for line in plain.splitlines()
    }
    assert command("translate", *both, "--json", stdin=text)[0] == 0
    code, _, err = command("score", *both, "--output", tmp_path / "result.json")
    assert code == 0, err
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["decoding"]["settings"]["rerank"] == str(backward)
    assert found["decoding"]["settings"]["rerank_weight"] == 0.5
    assert found["training"] is None
    assert command("export", forward, "--to", tmp_path / "model")[0] == 0
    (tmp_path / "src").write_text(text)
    exported = ("--model", tmp_path / "model", *both[2:])
    assert command("translate", *exported, tmp_path / "src")[0] == 0
    files = ("--src", tmp_path / "src", "--ref", tmp_path / "src", "--output", tmp_path / "second.json")
    (tmp_path / "src").write_text("der Hund\n")
    assert command("score", *exported, *files)[0] == 0
    assert "rerank" in json.loads((tmp_path / "second.json").read_text())["decoding"]["settings"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["translate", "--rerank-weight", "1"], "rerank_weight 1.0 needs a model that reranks"),
        (
            ["translate", "--rerank", "RUN", "--sample"],
            "--rerank: an option of searching, unused with --sample",
        ),
        (
            ["translate", "--rerank", "RUN", "--mbr", "chrf"],
            "--rerank: an option of searching, unused with --mbr",
        ),
        (["translate", "--rerank", "de-en", "--precision", "float32"], "de-en was exported in int8"),
        (["translate", "--rerank", "nowhere"], "nowhere is not a folder; give the folder of a run"),
        (["score", "--rerank", "RUN", "--force"], "--rerank: has no effect with --force; leave it out"),
        (
            ["score", "--rerank", "RUN"],
            "--output: a score of several models belongs to none of their folders",
        ),
    ],
)
def test_a_wrong_use_of_it_is_one_line(
    forward: Path, backward: Path, command: Command, options: list[str], message: str
) -> None:
    name, *others = (str(backward) if option == "RUN" else option for option in options)
    code, out, err = command(name, "--model", forward, *others, stdin="der Hund\n")
    (line,) = err.splitlines()
    assert (code, out, message in line) == (2, "", True), line
