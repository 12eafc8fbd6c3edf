"""A short loss curve, a beam's output and scores, as they were when the files beside this one were written.

A change here needs a line in CHANGELOG.md that says why. To write the files anew:
python tests/golden/test_golden.py
"""

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from nmt.builders.search import build_search, search_keys
from nmt.config import Experiment
from nmt.data.batches import ordered_batches
from nmt.data.prepared import Prepared
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.search import beam_search
from nmt.evaluation.metrics import scores
from nmt.models import Seq2Seq, Source
from nmt.run import Run
from nmt.training.trainer import Trainer
from nmt.workflows.train import build_trainer

HERE = Path(__file__).parent
CURVE = (
    "train/loss",
    "train/nll",
    "train/gradient_norm",
    "train/clipped_share",
    "validation/loss",
    "validation/bleu",
)

HYPOTHESES = ["The small house stands on the hill.", "she reads a book", "A dog barks , and it rains."]
REFERENCES = ["The little house stands on the hill.", "She is reading a book.", "A dog barks, and it rains."]


def experiment(prepared: Path) -> Experiment:
    # Nothing here is drawn by torch or learnt by sentencepiece, whose numbers are others elsewhere.
    return Experiment.model_validate(
        {
            "name": "golden",
            "data": {
                "builtin": {"train": 300, "validation": 12, "test": 10},
                "src": "de",
                "trg": "en",
                "tokenizer": {"kind": "word", "min_frequency": 4, "shared": True},
                "prepared": str(prepared),
            },
            "model": {
                "embedding": 12,
                "dropout": 0.0,
                "tie_embeddings": "three_way",
                "encoder": {"hidden": 12, "layers": 2},
                "decoder": {
                    "style": "input_feeding",
                    "hidden": 12,
                    "layers": 2,
                    "attention": {"kind": "general"},
                },
            },
            "training": {
                "tokens_per_batch": 200,
                "max_updates": 60,
                "validate_every": 30,
                "save_every": 60,
                "log_every": 5,
                "precision": "float64",
                "clip_norm": 0.6,
                "device": "cpu",
                "optimizer": {"kind": "adamw", "lr": 0.03, "weight_decay": 0.001},
                "schedule": {"kind": "inverse_sqrt", "warmup": 10},
                "averaging": {"kind": "ema", "decay": 0.9},
            },
            "decoding": {"beam": 4, "max_ratio": 1.0, "max_extra": 5},
        }
    )


def build(folder: Path, scale: float) -> tuple[Trainer, Prepared]:
    """A trainer whose weights numpy draws."""
    run = Run(folder / "run")
    run.folder.mkdir()
    trainer, prepared, _ = build_trainer(experiment(folder / "prepared"), run, Console(file=io.StringIO()))
    rng = np.random.default_rng(20)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.copy_(torch.from_numpy(rng.uniform(-scale, scale, tuple(parameter.shape))))
    trainer.averaging.load_state({name: p.detach() for name, p in trainer.parameters.items()}, 0)
    return trainer, prepared


def curve(folder: Path) -> list[dict[str, Any]]:
    """The figures of a short training."""
    build(folder, 0.3)[0].train()
    lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    return [{"step": line["step"], **{k: line[k] for k in CURVE if k in line}} for line in lines]


def beam(folder: Path) -> list[dict[str, Any]]:
    """What a model of large weights, and so of strong opinions, finds for the first of validation."""
    trainer, prepared = build(folder, 1.5)
    model, tokenizer = trainer.model.eval(), prepared.trg_tokenizer
    assert isinstance(model, Seq2Seq)
    config = experiment(folder / "prepared").decoding
    search = build_search(search_keys(config), tokenizer, beam=config.beam, n_best=2)
    batch = next(ordered_batches(prepared.split("validation"), 10_000))
    source = Source(batch.src, batch.src_len)
    found = beam_search(ModelScorer(model), source, search.limits(batch.src_len), search)
    by_row = dict(zip(batch.indices.tolist(), found, strict=True))
    return [
        {"row": row, "text": tokenizer.decode(each.ids), "score": each.score}
        for row in range(4)
        for each in by_row[row]
    ]


def score_lines() -> list[dict[str, Any]]:
    """The scores of three sentences; the version of sacreBLEU is left out of the signature."""
    found = scores(HYPOTHESES, REFERENCES, metrics=("bleu", "chrf", "ter"))
    return [
        {"label": each.label, "score": each.score, "signature": each.signature.rpartition("|version:")[0]}
        for each in found
    ]


def golden(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def test_a_short_training_is_as_it_was(tmp_path: Path) -> None:
    for line, wanted in zip(curve(tmp_path), golden("loss_curve.json"), strict=True):
        assert line == pytest.approx(wanted, rel=1e-8)


def test_a_beam_finds_what_it_found(tmp_path: Path) -> None:
    for each, wanted in zip(beam(tmp_path), golden("beam.json"), strict=True):
        assert (each["row"], each["text"]) == (wanted["row"], wanted["text"])
        assert each["score"] == pytest.approx(wanted["score"], rel=1e-8)


def test_scores_are_as_they_were() -> None:
    for line, wanted in zip(score_lines(), golden("scores.json"), strict=True):
        assert (line["label"], line["signature"]) == (wanted["label"], wanted["signature"])
        assert line["score"] == pytest.approx(wanted["score"], rel=1e-12)


def main() -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        found = {"loss_curve": curve(Path(one)), "beam": beam(Path(other)), "scores": score_lines()}
    for name, lines in found.items():
        body = ",\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
        (HERE / f"{name}.json").write_text(f"[\n{body}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
