"""train, score and predict with a classifier and a tagger, as a person types it."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from nmt.results import read_result

NMT = Path(sys.executable).with_name("nmt")
Command: TypeAlias = Callable[..., tuple[object, str, str]]

CONFIG = """
name: labels
data:
  labelled: {train: FOLDER/train.tsv, validation: FOLDER/held-out.tsv, test: FOLDER/held-out.tsv}
  tokenizer: TOKENIZER
  filters: {drop_test_overlap: false}
  prepared: FOLDER/prepared
model: {kind: KIND, embedding: 8, dropout: 0.0, encoder: {hidden: 12}}
training:
  tokens_per_batch: 100
  max_updates: 60
  validate_every: 20
  best_by: accuracy
  label_smoothing: 0.0
  precision: float32
  device: cpu
  threads: 1
  optimizer: {lr: 3.0e-2}
  schedule: {kind: constant}
"""
# An "a" after a "b" is late; a text is long or short.
TEXTS = ["a b", "b a", "a", "b a a", "a a a a b a", "b b a b a", "a a b b a a", "b a b", "b b b b b", "a b a"]
TAGS = {
    text: " ".join(
        "b" if word == "b" else "late" if "b" in text.split()[:n] else "early"
        for n, word in enumerate(text.split())
    )
    for text in TEXTS
}
CLASSES = {text: "long" if len(text.split()) > 3 else "short" for text in TEXTS}


def written(folder: Path, kind: str, labels: dict[str, str], *, tokenizer: str = "{kind: word}") -> Path:
    lines = [f"{text}\t{of_text}\n" for text, of_text in labels.items()]
    (folder / "train.tsv").write_text("".join(lines), encoding="utf-8")
    (folder / "held-out.tsv").write_text("".join(lines[:7]), encoding="utf-8")
    config = CONFIG.replace("FOLDER", str(folder)).replace("KIND", kind).replace("TOKENIZER", tokenizer)
    (folder / "labels.yaml").write_text(config, encoding="utf-8")
    return folder / "labels.yaml"


@pytest.mark.parametrize(
    ("kind", "tokenizer", "labels", "count"),
    [
        ("classifier", "{kind: char}", CLASSES, 7),
        ("tagger", "{kind: word}", TAGS, sum(len(text.split()) for text in TEXTS[:7])),
    ],
)
def test_what_is_learnt_is_predicted(
    command: Command, tmp_path: Path, kind: str, tokenizer: str, labels: dict[str, str], count: int
) -> None:
    config, run = written(tmp_path, kind, labels, tokenizer=tokenizer), tmp_path / "run"
    code, out, err = command("train", config, "--run", run)
    assert (code, err) == (0, "")
    assert "10 kept" in out
    assert "dropped from train: nothing" in out  # a label is no translation: the ratio says nothing
    assert f"next: nmt score --model {run}    nmt predict --model {run} < FILE" in out
    assert [score.metric for score in read_result(run / "result.json").scores] == ["accuracy", "macro-F1"]

    code, out, err = command("score", "--model", run, "--save", tmp_path / "out")
    assert (code, err) == (0, "")
    accuracy, macro, *each = read_result(run / "result.json").scores
    assert (accuracy.score, macro.score) == (100, 100)
    assert accuracy.signature == f"labels:{count}|classes:{len(each)}"
    assert accuracy.label in out
    assert {score.form for score in each} == {label for text in TEXTS[:7] for label in labels[text].split()}
    assert (tmp_path / "out").read_text() == "".join(f"{labels[text]}\n" for text in TEXTS[:7])

    lines = [*TEXTS, "", " ", *TEXTS[::-1], "b never seen"]
    with gzip.open(tmp_path / "in.gz", "wt") as file:
        file.writelines(f"{line}\n" for line in lines)
    code, out, err = command("predict", "--model", run, "--input", tmp_path / "in.gz")
    assert (code, err) == (0, "")
    *found, last = out.splitlines()
    assert found == [labels.get(line, "") for line in lines[:-1]]
    assert len(last.split()) == (3 if kind == "tagger" else 1)

    model = tmp_path / "exported"
    code, exported, err = command("export", run, "--to", model)
    assert (code, err) == (0, "")
    assert "7 lines of validation: float32 unlike torch 0, int8 unlike float32 0" in exported
    assert command("predict", "--model", model, "--input", tmp_path / "in.gz") == (0, out, "")
    code, _, err = command("predict", "--model", model, "--input", tmp_path / "in.gz", "--device", "cuda")
    assert (code, "was exported for a CPU" in err) == (2, True)


def test_standard_input_is_answered(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = written(tmp_path, "classifier", CLASSES)
    assert command("train", config, "--run", run, "--set", "training.max_updates=20")[0] == 0
    code, out, _ = command("predict", "--model", run, stdin="a b\n\nb\n")
    assert (code, len(out.splitlines()), out.splitlines()[1]) == (0, 3, "")
    job = ["sh", "-c", f"{NMT} predict --model {run} <&-"]
    closed = subprocess.run(job, capture_output=True, text=True)
    (line,) = closed.stderr.splitlines()
    assert closed.returncode == 2
    assert line.startswith("nmt: standard input is closed; ")
    (tmp_path / "blank").write_text("\n", encoding="utf-8")
    assert command("predict", "--model", run, "--input", tmp_path / "blank") == (0, "\n", "")


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        (
            "tagger",
            "a b\tb",
            "train.tsv: line 11: expected a label for each word, found 2 words and 1 labels",
        ),
        ("classifier", "a\tx y", "line 11: expected a text with one label, found 1 words and 2 labels"),
        ("classifier", "\tx", "line 11: expected a text with one label, found 0 words and 1 labels"),
        ("classifier", "a\t<unk>", "line 11: <unk> is the name of a special token"),
        ("classifier", "a x", "line 11: expected a source, one tab and a target, found 0 tabs"),
    ],
)
def test_a_line_with_other_labels_is_named(
    command: Command, tmp_path: Path, kind: str, line: str, message: str
) -> None:
    config = written(tmp_path, kind, CLASSES if kind == "classifier" else TAGS)
    with (tmp_path / "train.tsv").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    code, _, err = command("train", config, "--run", tmp_path / "run")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_label_that_training_lacks_is_named_before_work_is_lost(command: Command, tmp_path: Path) -> None:
    config = written(tmp_path, "classifier", CLASSES)
    with (tmp_path / "held-out.tsv").open("a", encoding="utf-8") as file:
        file.write("a b\tmiddling\n")
    code, out, err = command("train", config, "--run", tmp_path / "run")
    assert code == 2
    assert "data.labelled.validation: line 8: expected a label of the training text" in err
    assert "(such as short, long), found middling" in err
    assert "update" not in out


def test_what_has_no_labels_is_refused(command: Command, tmp_path: Path, tiny_run: Path) -> None:
    code, _, err = command("predict", "--model", tiny_run)
    assert (code, "model.kind seq2seq, expected classifier or tagger" in err) == (2, True)
    run = tmp_path / "run"
    config = written(tmp_path, "tagger", TAGS)
    assert command("train", config, "--run", run, "--set", "training.max_updates=20")[0] == 0
    for arguments, message in [
        (["translate", "--model", run, "--input", config], "model.kind tagger, which translates nothing"),
        (["sample", "--model", run], "model.kind tagger, expected language_model"),
        (["show", "--model", run], "model.kind tagger, which translates nothing"),
        (["score", "--model", run, "--beam", "2"], "--beam: has no effect with a classifier or tagger"),
        (["score", "--model", run, "--text", config], "--text: has no effect with a classifier or tagger"),
    ]:
        code, _, err = command(*arguments)
        assert code == 2
        assert message in err
