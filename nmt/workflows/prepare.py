"""Prepare the data of an experiment, in this process or a subprocess."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from nmt.builders.corpus import (
    corpus_of,
    preprocessing_tokenizers,
    reversing_tokenizers,
    train_tokenizers,
)
from nmt.config.experiment import Experiment
from nmt.data.preparation import prepare
from nmt.data.prepared import Prepared
from nmt.jobs.workers import in_subprocess


def prepare_data(experiment: Experiment, log: Callable[[str], None]) -> Prepared:
    """Return the prepared corpus of an experiment; prepare it if it does not exist."""
    data, corpus = experiment.data, corpus_of(experiment)
    train = partial(train_tokenizers, data.tokenizer, corpus.rows, tags=data.tags)
    tokenizers = reversing_tokenizers(data, preprocessing_tokenizers(data, train))
    return prepare(data, corpus, tokenizers, seed=experiment.seed, log=log)


def prepare_in_subprocess(experiment: Experiment, log: Callable[[str], None]) -> Prepared:
    """Do what `prepare_data` does, in a subprocess if the library `datasets` is needed.

    The library keeps about 150 MB, which a subprocess frees before training. The subprocess prints its own
    lines as they come; `log` receives only those of this process.
    """
    if not corpus_of(experiment).needs_library:
        return prepare_data(experiment, log)
    return Prepared(in_subprocess(partial(_prepare, experiment), what="the process that prepares the data"))


def _prepare(experiment: Experiment) -> Path:
    return prepare_data(experiment, partial(print, flush=True)).folder
