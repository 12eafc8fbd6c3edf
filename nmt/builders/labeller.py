"""A run folder of a classifier or tagger → labels of lines."""

from pathlib import Path

import torch

from nmt.builders.hardware import choose_device
from nmt.builders.model import build_labeller
from nmt.builders.tokenizer import build_normalizer
from nmt.config.experiment import Experiment
from nmt.config.model import ClassifierConfig, TaggerConfig
from nmt.data.text import TextEncoder
from nmt.decoding.labeler import Labeller
from nmt.errors import UserError
from nmt.run import Run
from nmt.tokenization.tokenizer import load_tokenizers


def load_labeller(folder: Path, *, experiment: Experiment | None = None, device: str = "auto") -> Labeller:
    """Return the classifier or tagger of a run; raises UserError if the folder holds none.

    In float64, so that neighbours in a batch do not change a label.
    """
    run = Run(folder)
    where = choose_device(device)
    experiment = experiment or run.experiment()
    if not isinstance(experiment.model, ClassifierConfig | TaggerConfig):
        raise UserError(
            f"{folder} is a run of model.kind {experiment.model.kind}, expected classifier or tagger; "
            "see nmt translate and nmt sample"
        )
    text, labels = load_tokenizers(run.tokenizer)
    config = experiment.model
    model = run.load_model(
        lambda: build_labeller(config, len(text.vocabulary), len(labels.vocabulary)),
        (text.fingerprint, labels.fingerprint),
        experiment,
    )
    encoder = TextEncoder(text, build_normalizer(experiment.data))
    tokens = experiment.decoding.tokens_per_batch
    return Labeller(model.eval().to(where, torch.float64), encoder, labels, tokens, where)
