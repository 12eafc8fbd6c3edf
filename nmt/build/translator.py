"""A run folder → a translator."""

from pathlib import Path

import torch

from nmt.build.hardware import choose_device
from nmt.build.model import build_model
from nmt.build.search import build_search
from nmt.config.experiment import Experiment
from nmt.data.tokenizer import load_tokenizers
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.translator import Translator
from nmt.run import Run


def load_translator(
    folder: Path,
    *,
    experiment: Experiment | None = None,
    beam: int | None = None,
    n_best: int = 1,
    device: str = "auto",
    dtype: torch.dtype = torch.float32,
) -> Translator:
    """Return a translator with the model of a run; what is not given is as the run's configuration says.

    experiment: the run's configuration with overrides. dtype: what the model computes in.

    Raises UserError when the folder is no run, or its parts are damaged or do not belong together.
    """
    run = Run(folder)
    experiment = experiment or run.experiment()
    src, trg = load_tokenizers(run.tokenizer)
    model = build_model(experiment.model, len(src.vocabulary), len(trg.vocabulary))
    run.load_model(model, (src.fingerprint, trg.fingerprint))
    where = choose_device(device)
    decoding = experiment.decoding
    return Translator(
        ModelScorer(model.to(where, dtype).eval()),
        src,
        trg,
        build_search(decoding, trg, beam=beam or max(decoding.beam, n_best), n_best=n_best),
        max_source=decoding.max_source,
        tokens_per_batch=decoding.tokens_per_batch,
        device=where,
    )
