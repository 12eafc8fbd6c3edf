"""A run with random weights, whose opinions are as strong as after training."""

import shutil
from pathlib import Path

import torch

from nmt.builders.kinds import build_trained_model
from nmt.run import Run
from nmt.tokenization.tokenizer import load_tokenizers


def random_run(folder: Path, like: Path, config: str, seed: int) -> Path:
    """A run with random weights and the tokenizers of another."""
    run = Run(folder)
    run.folder.mkdir()
    shutil.copytree(like / "tokenizer", run.tokenizer)
    run.config.write_text(config, encoding="utf-8")
    src, trg = load_tokenizers(run.tokenizer)
    torch.manual_seed(seed)
    model = build_trained_model(run.experiment(), len(src.vocabulary), len(trg.vocabulary))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    run.save_model(model, (src.fingerprint, trg.fingerprint))
    return run.folder
