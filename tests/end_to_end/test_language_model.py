"""train, sample and score a language model, as a person types it."""

import json
import math
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import TypeAlias

import pytest

from nmt.results import read_result

Command: TypeAlias = Callable[..., tuple[object, str, str]]

NAMES = [f"{a}{b}{c}" for a in ("ab", "ba", "cab") for b in ("ca", "dab", "o") for c in ("n", "ro", "")]
CONFIG = """
name: names
data:
  text: {train: TEXT, held_out: 0.2}
  tokenizer: {kind: KIND}
  prepared: PREPARED
model: {kind: language_model, embedding: 8, hidden: 12, dropout: 0.0}
training:
  tokens_per_batch: 60
  bptt: 10
  max_updates: 30
  validate_every: 15
  best_by: loss
  label_smoothing: 0.0
  precision: float32
  device: cpu
  threads: 1
  optimizer: {lr: 2.0e-2}
  schedule: {kind: constant}
"""


def trained(command: Command, folder: Path, *overrides: str, kind: str = "char") -> Path:
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    config = CONFIG.replace("TEXT", str(folder / "names.txt")).replace("PREPARED", str(folder / "prepared"))
    (folder / "names.yaml").write_text(config.replace("KIND", kind), encoding="utf-8")
    run = folder / "run"
    sets = [part for override in overrides for part in ("--set", override)]
    code, out, err = command("train", folder / "names.yaml", "--run", run, *sets)
    assert (code, err) == (0, "")
    assert f"next: nmt sample --model {run}" in out
    assert "sequences of up to" in out
    return run


def test_a_perplexity_too_large_for_a_number_is_left_out(command: Command, tmp_path: Path) -> None:
    run = trained(command, tmp_path, "training.optimizer.lr=1000", "training.clip_norm=null")
    assert [score.metric for score in read_result(run / "result.json").scores] == ["bits/character"]
    code, out, err = command("score", "--model", run, "--text", tmp_path / "names.txt")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["bits/character", "written"]


def test_a_model_of_names(command: Command, tmp_path: Path) -> None:
    run = trained(command, tmp_path)
    result = read_result(run / "result.json")
    assert [score.metric for score in result.scores] == ["perplexity", "bits/character"]
    assert (result.src, result.trg, result.decoding, result.dataset) == (None, None, None, "names.txt")
    best = min(
        line["validation/loss"]
        for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        if "validation/loss" in line
    )
    assert result.scores[0].score == pytest.approx(math.exp(best))

    code, out, err = command("sample", "--model", run, "--n", "7", "--max-length", "40")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 7
    assert command("sample", "--model", run, "--n", "7", "--max-length", "40", "--batch", "2")[1] == out
    assert command("sample", "--model", run, "--n", "4", "--max-length", "40")[1] == "".join(
        out.splitlines(keepends=True)[:4]
    )
    assert command("sample", "--model", run, "--n", "7", "--max-length", "40", "--seed", "2")[1] != out
    assert set(out) <= set("".join(NAMES) + "\n")

    greedy = command("sample", "--model", run, "--n", "3", "--top-k", "1", "--prompt", "cab")[1].splitlines()
    assert len(set(greedy)) == 1
    assert greedy[0].startswith("cab")
    assert (
        command("sample", "--model", run, "--n", "3", "--temperature", "0", "--prompt", "cab")[1].splitlines()
        == greedy
    )
    assert (
        command("sample", "--model", run, "--n", "3", "--top-p", "0.0001", "--prompt", "cab")[1].splitlines()
        == greedy
    )
    cut = command("sample", "--model", run, "--n", "3", "--max-length", "1")[2]
    assert "of 3 sequences were cut at --max-length 1" in cut

    code, out, err = command("score", "--model", run, "--split", "validation")
    assert (code, err) == (0, "")
    scored = read_result(run / "result-validation.json")
    # In float64, and the validation was in float32.
    assert [s.score for s in scored.scores] == pytest.approx([s.score for s in result.scores], rel=1e-4)
    assert scored.data_hashes["validation"] == result.data_hashes["validation"]
    held_out = NAMES[4::5]
    count = sum(len(name) + 1 for name in held_out)
    assert f"tokens:{count}|characters:{count}|unknown:0" in scored.scores[0].signature
    (tmp_path / "other.txt").write_text("".join(f"{name}\n" for name in held_out), encoding="utf-8")
    assert command("score", "--model", run, "--text", tmp_path / "other.txt")[0] == 0
    assert read_result(run / "result-other.txt.json").scores == scored.scores


def test_the_most_probable_names_are_found(command: Command, tmp_path: Path) -> None:
    run = trained(command, tmp_path)
    texts = [f"ca{''.join(end)}" for length in range(3) for end in product("abcdnor", repeat=length)]
    (tmp_path / "texts").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    code, out, _ = command("score", "--model", run, "--text", tmp_path / "texts", "--force")
    assert code == 0
    log_probs = {
        text: json.loads(line)["log_prob"] for text, line in zip(texts, out.splitlines(), strict=True)
    }
    ranked = sorted(texts, key=lambda text: -log_probs[text])

    search = ["sample", "--model", run, "--prompt", "ca", "--max-length", "2"]
    code, out, err = command(*search, "--beam", "60", "--n-best", "12")
    assert (code, out.splitlines()) == (0, ranked[:12])
    assert (
        err == f"{sum(len(text) == 4 for text in ranked[:12])} of 12 sequences were cut at --max-length 2\n"
    )
    assert command(*search, "--beam", "60")[1].splitlines() == ranked[:1]

    greedy = command("sample", "--model", run, "--prompt", "ca", "--n", "1", "--temperature", "0")
    assert command("sample", "--model", run, "--prompt", "ca", "--beam", "1") == greedy
    assert command("sample", "--model", run, "--beam", "3", "--n-best", "3")[1].count("\n") == 3


def test_a_model_of_one_long_text(command: Command, tmp_path: Path) -> None:
    run = trained(command, tmp_path, "data.text.lines=false")
    best = read_result(run / "result.json").scores
    assert "context:text|" in best[0].signature
    assert command("score", "--model", run, "--split", "validation")[0] == 0
    scored = read_result(run / "result-validation.json").scores
    assert [s.score for s in scored] == pytest.approx([s.score for s in best], rel=1e-4)
    assert [s.signature for s in scored] == [s.signature for s in best]
    code, out, _ = command("sample", "--model", run, "--n", "3", "--max-length", "30")
    assert (code, len(out.splitlines())) == (0, 3)
    _, passage, _ = command("sample", "--model", run, "--n", "3", "--max-length", "300", "--lines", "4")
    passages = [passage.splitlines()[begin : begin + 5] for begin in (0, 5, 10)]  # a line between them
    assert len(passage.splitlines()) == 15
    assert all(
        each[4] == "" and each[0].startswith(o) for each, o in zip(passages, out.splitlines(), strict=True)
    )
    greedy = command("sample", "--model", run, "--n", "1", "--temperature", "0", "--prompt", "ab")
    assert command("sample", "--model", run, "--beam", "1", "--prompt", "ab") == greedy


@pytest.mark.parametrize("kind", ["char", "word"])
def test_what_the_vocabulary_lacks_is_named(command: Command, tmp_path: Path, kind: str) -> None:
    run = (
        trained(command, tmp_path, "data.tokenizer.min_frequency=1", kind=kind)
        if kind == "word"
        else trained(command, tmp_path)
    )
    code, out, err = command("sample", "--model", run, "--prompt", "aba zé zé")
    assert (code, out) == (2, "")
    lacking = "2 of its words: 'aba', 'zé'" if kind == "word" else "3 of its characters: ' ', 'z', 'é'"
    assert re.search(rf"--prompt: the vocabulary of \d+ tokens lacks {lacking}; leave them out", err)
    (run / "model.safetensors").write_bytes(b"")  # which is not read before that
    separator = " " if kind == "word" else ""
    err = command("sample", "--model", run, "--prompt", separator.join("123456123456"))[2]
    assert re.search(r"lacks 6 of its \w+: '1', '2', '3', '4', '5', …; leave them out$", err.strip())
    err = command("sample", "--model", run, "--prompt", "1", "--beam", "2")[2]
    assert re.search(r"lacks 1 of its \w+: '1'; leave it out$", err.strip())


def test_what_a_language_model_cannot_do_is_said(command: Command, tmp_path: Path, tiny_run: Path) -> None:
    run = trained(command, tmp_path)
    for arguments, message in [
        (["score", "--model", run], "has no split 'test'; give --split with one of train, validation"),
        (
            ["score", "--model", run, "--split", "train", "--save", tmp_path / "x"],
            "--save: has no effect with a language model",
        ),
        (["show", "--model", run, "--split", "train"], "model.kind language_model, which translates nothing"),
        (
            ["score", "--model", tiny_run, "--text", tmp_path / "names.txt"],
            "--text: has no effect with a model that",
        ),
        (["sample", "--model", tiny_run], "of model.kind seq2seq, expected language_model"),
        (
            ["sample", "--model", run, "--top-p", "0"],
            "--top-p 0.0: expected a probability above 0 and up to 1",
        ),
        (["sample", "--model", run, "--temperature", "inf"], "--temperature inf: expected a number ≥ 0"),
        (["sample", "--model", run, "--temperature", "nan"], "--temperature nan: expected a number ≥ 0"),
        (["sample", "--model", run, "--temperature", "-1"], "--temperature -1.0: expected a number ≥ 0"),
        (
            ["sample", "--model", run, "--beam", "2", "--n", "10"],
            "--n: an option of sampling, unused with --beam",
        ),
        (
            ["sample", "--model", run, "--seed", "1", "--top-p", "1", "--beam", "2", "--temperature", "1"],
            "--seed, --temperature, --top-p: an option of sampling, unused with --beam; give only one of",
        ),
        (["sample", "--model", run, "--beam", "2", "--top-k", "3"], "--top-k: an option of sampling"),
        (["sample", "--model", run, "--beam", "2", "--n-best", "3"], "a beam of 2 cannot give the 3 best"),
        (["sample", "--model", run, "--prompt", "a\udcff"], "--prompt: expected text, found bytes that are"),
        (["sample", "--model", run, "--lines", "3"], "--lines 3: the model was trained with data.text.lines"),
        (
            ["sample", "--model", run, "--n-best", "3"],
            "--n-best 3: an option of searching; add --beam 3, or sample with",
        ),
    ]:
        code, _, err = command(*arguments)
        assert code == 2
        assert message in err
        assert len(err.splitlines()) == 1
