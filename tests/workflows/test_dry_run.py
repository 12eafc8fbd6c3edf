"""A dry run tells what a run would be and leaves nothing behind."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from nmt.config import Experiment
from nmt.workflows.train import dry_run


def test_it_prints_parameters_memory_and_time_and_leaves_the_prepared_corpus_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = Experiment.model_validate(
        {
            "name": "tiny",
            "data": {
                "builtin": {"train": 120, "validation": 10, "test": 10},
                "src": "de",
                "trg": "en",
                "tokenizer": {"kind": "char", "shared": True},
                "prepared": "prepared",
            },
            "model": {
                "embedding": 8,
                "tie_embeddings": "three_way",
                "encoder": {"hidden": 8},
                "decoder": {"hidden": 8},
            },
            "training": {"device": "cpu", "precision": "float64", "averaging": {"kind": "ema"}},
            "tracking": {"wandb": "offline"},
        }
    )
    out = io.StringIO()
    dry_run(config, Console(file=out, width=80))
    text = out.getvalue()

    rows = re.findall(r"^([\w.]+) +([\d × ]*?)  +(?:([\d,]+)|= ([\w.]+))$", text, re.MULTILINE)
    counts = {name: int(count.replace(",", "")) for name, _, count, _ in rows if count}
    tied = {name: other for name, _, _, other in rows if other}
    assert tied == dict.fromkeys(("trg_embedding.weight", "head.output.weight"), "src_embedding.weight")
    total = counts.pop("total")
    assert total == sum(counts.values())
    assert f"{total:,} parameters, " in text
    weights = 8 * total / 1e6
    megabytes = [float(size) for size in re.findall(r"([0-9.]+) MB[,;\n]", text)][:5]
    assert megabytes == pytest.approx([weights, weights, 2 * weights, weights, 5 * weights], abs=0.06)
    assert re.search(r"largest batch \d+ pairs .* target tokens/s, .* left without validations", text)
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
