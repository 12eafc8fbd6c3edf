"""A run with tags, whose model has random weights."""

import random
from pathlib import Path

import pytest

LINES = ["der Hund läuft schnell.", "", "über die Straße", "der Hund läuft. die Straße läuft. der Hund."]
_WORDS = "der Hund läuft schnell über die Straße the dog runs quickly across a street".split()


def tsv(path: Path, chance: random.Random, count: int) -> str:
    lines = [
        " ".join(chance.choices(_WORDS, k=6)) + ".\t" + " ".join(chance.choices(_WORDS, k=6))
        for _ in range(count)
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def tagged_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both directions and text that was translated back, prepared but not trained; copy it to write to it."""
    import torch

    from nmt.builders.model import build_model
    from nmt.config import Experiment
    from nmt.config.model import ModelConfig
    from nmt.run import Run
    from nmt.workflows.prepare import prepare_data

    folder, chance = tmp_path_factory.mktemp("tagged"), random.Random(1)
    files = {
        split: tsv(folder / f"{split}.tsv", chance, count)
        for split, count in {"train": 200, "validation": 20, "test": 12}.items()
    }
    corpora = [
        {"tsv": files, "src": "de", "trg": "en", "tag": "<2en>"},
        {"tsv": {**files, "swap": True}, "src": "en", "trg": "de", "tag": "<2de>"},
        {"tsv": {"train": tsv(folder / "back.tsv", chance, 30)}, "src": "de", "trg": "en", "tag": "<bt>"},
    ]
    sides = {
        "encoder": {"cell": {"kind": "gru"}, "hidden": 128},
        "decoder": {"cell": {"kind": "gru"}, "hidden": 64},
    }
    experiment = Experiment.model_validate(
        {
            "name": "tagged",
            "data": {
                "corpora": corpora,
                "tokenizer": {"kind": "bpe", "vocab_size": 340},
                "prepared": str(folder / "prepared"),
            },
            "model": {"embedding": 64, "tie_embeddings": "three_way", **sides},
            "decoding": {"beam": 2, "max_ratio": 1.0, "max_extra": 5},
        }
    )
    run = Run(folder / "run")
    run.folder.mkdir()
    run.save_experiment(experiment)
    prepared = prepare_data(experiment, lambda line: None)
    run.save_tokenizers(prepared.folder / "tokenizer")
    src, trg = prepared.src_tokenizer, prepared.trg_tokenizer
    assert isinstance(experiment.model, ModelConfig)
    torch.manual_seed(1)
    model = build_model(experiment.model, len(src.vocabulary), len(trg.vocabulary))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)  # opinions as strong as after training
    run.save_model(model, (src.fingerprint, trg.fingerprint), experiment)
    return run.folder
