"""Check that a model fits into memory before any of it is allocated."""

import torch

from nmt import machine
from nmt.builders.kinds import build_trained_model
from nmt.config.data import DataConfig, SubwordTokenizer
from nmt.config.experiment import Experiment
from nmt.errors import UserError
from nmt.tokenization.vocabulary import SPECIALS


def room_of(device: torch.device) -> int:
    """Return the memory of a device for this process, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return machine.memory()


def least_vocabularies(data: DataConfig) -> tuple[int, int]:
    """Return the smallest possible vocabulary sizes of source and target, before any text is read."""
    match data.tokenizer:
        case SubwordTokenizer(vocab_size=size):
            return size, len(SPECIALS) if data.labelled else size
    return len(SPECIALS), len(SPECIALS)


def refuse_too_large(experiment: Experiment, src: int, trg: int, precision: torch.dtype, room: int) -> None:
    """Raise UserError if weights, gradients and optimiser state need more than `room` bytes."""
    with torch.device("meta"):
        model = build_trained_model(experiment, src, trg)
    count = sum(parameter.numel() for parameter in model.parameters())
    copies = 4 + (experiment.training.averaging.kind == "ema")  # weights, gradients, two moments
    needed = count * copies * (8 if precision == torch.float64 else 4)
    if needed > room:
        raise UserError(
            f"model: {count:,} parameters need {needed / 1e9:,.1f} GB to train (weights, gradients and "
            f"optimiser), found {room / 1e9:,.1f} GB; lower hidden, layers, embedding or vocab_size"
        )
