"""A small model and a batch for the tests of objectives."""

import torch

from nmt.builders.model import build_model
from nmt.config.model import ModelConfig
from nmt.data.batches import Batch, pad
from nmt.models import Seq2Seq
from nmt.tokenization.vocabulary import BOS, EOS

V = 11


def small_model(*, dropout: float = 0.3, seed: int = 1) -> Seq2Seq:
    """In training mode and float64."""
    torch.manual_seed(seed)
    config = ModelConfig.model_validate(
        {"embedding": 5, "dropout": dropout, "encoder": {"hidden": 6}, "decoder": {"hidden": 6}}
    )
    return build_model(config, V, V).double()


def batch_of_pairs() -> Batch:
    """Three pairs of unequal length."""
    sources, targets = [[5, 6, 7], [8], [9, 10]], [[4, 5], [6, 7, 8, 9], []]
    return Batch(
        src=pad(sources, last=EOS),
        src_len=torch.tensor([len(row) + 1 for row in sources]),
        trg_in=pad(targets, first=BOS),
        trg_out=pad(targets, last=EOS),
        trg_len=torch.tensor([len(row) + 1 for row in targets]),
        indices=torch.arange(3),
    )
