"""A run folder → a translator."""

from pathlib import Path

import torch

from nmt.build.hardware import choose_device, choose_translation_precision
from nmt.build.model import build_model
from nmt.build.search import build_search
from nmt.config.experiment import Experiment
from nmt.config.model import ModelConfig
from nmt.data.tokenizer import load_tokenizers
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.layers.packed import packed
from nmt.models import Seq2Seq
from nmt.run import Run


def load_translator(
    folder: Path,
    *,
    experiment: Experiment | None = None,
    beam: int | None = None,
    n_best: int = 1,
    device: str = "auto",
    precision: str = "auto",
) -> Translator:
    """Return a translator with the model of a run; what is not given is as the run's configuration says.

    experiment: the run's configuration with overrides. precision: what products are taken in: auto,
    float64, float32, bfloat16 or int8.

    Raises UserError when the folder is no run, its parts are damaged or do not belong together, or the
    device cannot do what is asked for.
    """
    run = Run(folder)
    where = choose_device(device)
    precision = choose_translation_precision(precision, where)
    experiment = experiment or run.experiment()
    if not isinstance(experiment.model, ModelConfig):
        raise UserError(
            f"{folder} is a run of model.kind {experiment.model.kind}, which translates nothing; "
            "see nmt sample and nmt score --text"
        )
    src, trg = load_tokenizers(run.tokenizer)
    model = build_model(experiment.model, len(src.vocabulary), len(trg.vocabulary))
    run.load_model(model, (src.fingerprint, trg.fingerprint))
    decoding = experiment.decoding
    return Translator(
        ModelScorer(for_translation(model.eval(), where, precision)),
        src,
        trg,
        build_search(decoding, trg, beam=beam or max(decoding.beam, n_best), n_best=n_best),
        max_source=decoding.max_source,
        tokens_per_batch=decoding.tokens_per_batch,
        device=where,
        precision=precision,
    )


def for_translation(model: Seq2Seq, device: torch.device, precision: str) -> Seq2Seq:
    """Return the model on the device in the precision, its weights packed where a CPU can read them so."""
    if precision == "float64" or device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return model.to(device, getattr(torch, precision))
    return packed(model, precision)
