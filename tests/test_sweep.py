"""scripts/sweep.yaml: what wandb's agent makes of it are trainings that differ in the keys it chose."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt.config import Experiment, load_experiment

ROOT = Path(__file__).parents[1]


def choices(space: dict[str, Any]) -> list[Any]:
    return space.get("values") or [space["min"], space["max"]]


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A folder whose `nmt` prints what it was given."""
    (tmp_path / "nmt").write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    (tmp_path / "nmt").chmod(0o755)
    return tmp_path


def test_a_sweep_trains_in_folders_of_its_own_with_the_keys_it_chose(told: Path) -> None:
    sweep = yaml.safe_load((ROOT / "scripts" / "sweep.yaml").read_text())
    experiments: list[Experiment] = []
    for run_id, pick in (("1e5", min), ("b2", max)):
        chosen = [f"{key}={pick(choices(space))}" for key, space in sweep["parameters"].items()]
        # wandb: "Sweep configuration options", command macros.
        macros = {"${env}": ["/usr/bin/env"], "${args_no_hyphens}": chosen}
        command = [word for part in sweep["command"] for word in macros.get(part, [part])]
        there = os.environ | {"PATH": f"{told}:{os.environ['PATH']}", "WANDB_RUN_ID": run_id}
        done = subprocess.run(command, env=there, cwd=ROOT, capture_output=True, text=True, check=True)
        name, config, *settings = json.loads(done.stdout)
        assert (name, settings[::2]) == ("train", ["--set"] * (len(settings) // 2))
        experiments.append(load_experiment(ROOT / config, settings[1::2]))

    first, second = experiments
    assert [e.name for e in experiments] == ["sweep-1e5", "sweep-b2"]
    assert {(e.tracking.wandb, e.tracking.project) for e in experiments} == {("online", sweep["project"])}
    assert (first.training.optimizer.lr, second.training.optimizer.lr) == (0.0005, 0.01)
    assert (first.model.dropout, second.model.dropout) == (0.0, 0.4)
    assert first.model.decoder.attention.kind != second.model.decoder.attention.kind
    assert sweep["metric"] == {"name": "validation/bleu", "goal": "maximize"}
