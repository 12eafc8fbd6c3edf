"""A run recorded offline: where the model looked at each validation, and the model at the end."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

import nmt


def items(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in records if record["type"] == kind]


def test_a_run_shows_where_it_looked_and_hands_its_model_over(
    command: Callable[..., tuple[object, str, str]],
    tiny_config: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    budget = ["training.max_updates=4", "training.validate_every=2", "training.log_every=2"]
    config, run = tiny_config(tmp_path, *budget, "tracking.wandb=offline"), tmp_path / "run"
    try:
        assert command("train", config, "--run", run)[0] == 0
    finally:
        wandb.teardown()
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    output = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout
    records = [json.loads(line) for line in output.splitlines()]
    history = [entry["item"] for entry in items(records, "history")]
    shown = [item["update"] for item in history if any(key.startswith("attention/") for key in item)]
    assert shown == [2, 4]

    # The table of samples is an artifact too.
    (artifact,) = [entry for entry in items(records, "artifact") if entry["type"] == "model"]
    assert sorted(artifact["aliases"]) == ["best", "latest"]
    held = {entry["path"]: Path(entry["local_path"]) for entry in artifact["manifest"]["contents"]}
    assert {"config.yaml", "model.safetensors", "result.json"} < held.keys()
    # What a person downloads is a model.
    again = tmp_path / "again"
    for name, path in held.items():
        (again / name).parent.mkdir(parents=True, exist_ok=True)
        (again / name).write_bytes(path.read_bytes())
    text = ["Die junge Frau ruft ihren Vater an."]
    assert nmt.load(str(again)).translate(text) == nmt.load(str(run)).translate(text)
