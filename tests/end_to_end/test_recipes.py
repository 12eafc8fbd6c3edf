"""The recipes of experiments/ whose text needs a network, on made-up text of the same form."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.data.builtin import Split, pairs

ROOT = Path(__file__).parents[2]
RECIPES = ("iwslt14-de-en", "wmt14-en-de")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the form that both datasets have on the hub: a column `translation` of both languages."""
    folder = tmp_path_factory.mktemp("dataset")
    sizes: dict[Split, int] = {"train": 300, "validation": 10, "test": 10}
    for split, count in sizes.items():
        rows = (
            {"translation": {"de": german, "en": english}} for german, english in pairs(split, count, seed=1)
        )
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_and_scores(
    name: str, dataset: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    smaller = [
        f"data.dataset={dataset}",
        "data.dataset_config=null",
        "data.revision=null",
        f"data.prepared={tmp_path / 'prepared'}",
        "data.tokenizer.vocab_size=320",
        "model.embedding=16",
        "model.encoder.hidden=16",
        "model.decoder.hidden=16",
        "training.tokens_per_batch=512",
        "training.max_epochs=null",
        "training.max_updates=3",
        "training.validate_every=3",
        "training.precision=float32",
    ]
    settings = [part for each in smaller for part in ("--set", each)]
    run = tmp_path / name
    config = ROOT / "experiments" / name / "config.yaml"
    code, _, told = command("train", config, "--run", run, *settings)
    assert code == 0, told
    code, printed, told = command("score", "--model", run)
    assert code == 0, told
    assert "BLEU" in str(printed) + told
