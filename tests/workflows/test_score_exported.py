"""nmt score of an exported model: what it translates as it is, and what it cannot do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import sacrebleu

import nmt.runtime
from nmt.results import read_result

Command: TypeAlias = Callable[..., tuple[object, str, str]]
SOURCES = ["Wie spät ist es?", "", "Ich bin müde."]
REFERENCES = ["What time is it?", "Well.", "I am tired."]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str | Path, ...]:
    for name, lines in (("src", SOURCES), ("ref", REFERENCES)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return "--src", tmp_path / "src", "--ref", tmp_path / "ref"


def test_a_model_that_ships_is_scored_as_it_translates(
    files: tuple[str | Path, ...], tmp_path: Path, command: Command
) -> None:
    to = ("--save", tmp_path / "saved", "--output", tmp_path / "scores")
    code, out, err = command("score", "--model", "de-en", *files, *to, "--papers")
    assert (code, err) == (0, "")
    model = nmt.runtime.load("de-en", protect=False)
    outputs = model.translate(SOURCES)
    assert (tmp_path / "saved").read_text("utf-8").splitlines() == outputs
    result = read_result(tmp_path / "scores")
    bleu = result.score("BLEU")
    assert bleu
    assert bleu.score == pytest.approx(sacrebleu.corpus_bleu(outputs, [REFERENCES]).score)
    assert (result.name, result.src, result.trg, result.sentences) == ("de-en", "de", "en", 3)
    assert result.decoding
    assert (result.decoding.precision, result.decoding.settings["beam"]) == ("int8", model.engine.beam)
    assert result.tokenizers["src"] == model.src_tokenizer.fingerprint
    assert "lowercased, Moses" in out


def test_forced_targets_have_the_log_probabilities_of_the_search(
    files: tuple[str | Path, ...], tmp_path: Path, command: Command
) -> None:
    (found,) = nmt.runtime.load("de-en", protect=False).translations(SOURCES[:1], details=True)
    (tmp_path / "src").write_text(f"{SOURCES[0]}\n", encoding="utf-8")
    (tmp_path / "ref").write_text(f"{found.text}\n", encoding="utf-8")
    code, out, err = command("score", "--model", "de-en", *files, "--force")
    assert (code, err) == (0, "")
    forced = json.loads(out)
    (part,) = found.ranked[0].parts
    assert forced["log_probs"] == pytest.approx(part.log_probs, abs=1e-4)
    assert forced["tokens"][-1] == "</s>"
    assert forced["log_prob"] == pytest.approx(sum(forced["log_probs"]))


def test_nothing_is_written_into_its_folder(
    files: tuple[str | Path, ...], exported: Path, tmp_path: Path, command: Command
) -> None:
    model = Path(shutil.copytree(exported, tmp_path / "model"))
    before = sorted(model.iterdir())
    code, greedy, _ = command("score", "--model", model, *files, "--beam", "1")
    assert (code, "sentences" in greedy) == (0, True)
    assert sorted(model.iterdir()) == before


def test_what_an_exported_model_cannot_do_is_one_line(
    files: tuple[str | Path, ...], exported: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "short").write_text("one\n", encoding="utf-8")
    run = "was exported: expected the run that it was made of"
    for words, message in [
        (("score", "--model", exported), "was exported, so it names no data: give --src FILE --ref FILE"),
        (
            ("score", "--model", exported, *files, "--force", "--beam", "2"),
            "--beam: has no effect with --force and an exported model",
        ),
        (
            ("score", "--model", exported, *files, "--ref", tmp_path / "ref", "--force"),
            "--ref: given 2 times, and --force takes one",
        ),
        (("score", "--model", exported, *files, "--precision", "float32"), "was exported in int8"),
        (("score", "--model", exported, *files, "--to", "de"), "was not trained with the tag <2de>"),
        (("score", "--model", exported, *files[:3], tmp_path / "short"), "has 1"),
        (
            ("score", "--model", exported, "--model", exported, *files, "--output", tmp_path / "new"),
            "was exported, and a score of several models needs a run as the first",
        ),
        (("sample", "--model", exported), run),
        (("show", "--model", exported), run),
        (("sample", "--model", "de-en"), "ships as an exported model, without the run"),
    ]:
        code, out, err = command(*words)
        assert (code, out, len(err.splitlines()), message in err) == (2, "", 1, True), err
