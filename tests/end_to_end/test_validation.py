"""A validation in training and `nmt score` of the same split are one measurement."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.data.builtin import pairs
from nmt.results import read_result

CONFIG = """
name: same
data:
  files:
    train: {src: train.de, trg: train.en}
    validation: {src: validation.de, trg: validation.en}
  tokenizer: {kind: bpe, vocab_size: 450}
  prepared: prepared
model:
  embedding: 24
  dropout: 0.0
  encoder: {hidden: 32}
  decoder: {hidden: 32}
training:
  tokens_per_batch: 500
  max_updates: 200
  validate_every: 200
  validation_beam: 2
  precision: float32
  device: cpu
  threads: 1
  optimizer: {lr: 1.0e-2}
decoding: {max_source: 60, max_ratio: 1.0, max_extra: 4}
"""


def test_a_validation_is_the_score_of_its_split(
    tmp_path: Path, command: Callable[..., tuple[object, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train, held_out = list(pairs("train", 400, seed=1)), list(pairs("validation", 30, seed=1))
    # White space around each source, a blank source, a paragraph, and a line of 240 words.
    held_out += [("", "nothing"), (" \u3000", "nothing"), (" ".join(src for src, _ in train[:9]), "a b c d")]
    held_out += [("der Hund und " * 80, "the dog and the dog")]
    for split, texts in (("train", train), ("validation", held_out)):
        Path(f"{split}.de").write_text("".join(f" {src}  \n" for src, _ in texts), "utf-8")
        Path(f"{split}.en").write_text("".join(f"{trg}\n" for _, trg in texts), "utf-8")
    Path("config.yaml").write_text(CONFIG)
    code, *_ = command("train", "config.yaml")
    assert code == 0
    rows = [json.loads(line) for line in Path("runs/same/metrics.jsonl").read_text().splitlines()]
    [bleu] = [row["validation/bleu"] for row in rows if "validation/bleu" in row]
    assert bleu > 0
    code, _, err = command(
        *("score", "--model", "runs/same", "--split", "validation", "--beam", "2"), "--output", "scores.json"
    )
    assert (code, err) == (0, "")
    assert read_result(Path("scores.json")).scores[0].score == bleu
    # A paragraph of nine sentences is told apart as training showed them: one a line.
    lengths = json.loads(Path("runs/same/tokenizer/lengths.json").read_text())
    assert lengths["sentences"] == 1
