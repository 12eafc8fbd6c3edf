"""A trained run to study: its plain model in float64, and sentences for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from nmt.builders.language_model import load_language_model
from nmt.builders.tokenizer import build_normalizer
from nmt.builders.translator import load_translator
from nmt.config.experiment import Experiment
from nmt.config.model import LanguageModelConfig
from nmt.data.corpus import Pair
from nmt.data.lines import read_lines
from nmt.decoding.options import TranslationOptions
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.models import LanguageModel, Seq2Seq
from nmt.tokenization.tokenizer import Tokenizer
from nmt.workflows.score import held_out, run_experiment


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode on the CPU, with its greedy translator if it translates."""

    folder: Path
    experiment: Experiment
    model: Seq2Seq | LanguageModel
    tokenizer: Tokenizer  # of its output
    translator: Translator[TorchEngine] | None

    def translating(self, what: str) -> tuple[Seq2Seq, Translator[TorchEngine]]:
        """Return the model and its translator; raises UserError, which names `what`, if it has none."""
        if not isinstance(self.model, Seq2Seq) or self.translator is None:
            raise UserError(
                f"{self.folder} is a run of model.kind {self.experiment.model.kind}, which has no {what}; "
                "expected seq2seq. nmt lab gates takes either"
            )
        return self.model, self.translator


def load_trained(folder: Path, overrides: Sequence[str] = (), *, read: Path | None = None) -> Trained:
    """Return the model of a run, with overrides of its data; raises UserError if the folder is no run.

    read: a file that is read in place of the run's data, on which overrides have no effect then.
    """
    experiment = run_experiment(folder, overrides, ["decoding.beam", *(["data"] if read else [])])
    if isinstance(experiment.model, LanguageModelConfig):
        trained = load_language_model(folder, experiment=experiment, device="cpu", precision=torch.float64)
        return Trained(folder, experiment, trained.model, trained.tokenizer, None)
    if tags := experiment.data.tags:
        raise UserError(f"{folder}: nmt lab studies models without tags, and this one has {', '.join(tags)}")
    options = TranslationOptions(models=(folder,), beam=1, device="cpu", precision="float64")
    translator = load_translator(options, experiment)
    scorer = translator.engine.scorer
    assert isinstance(scorer, ModelScorer)
    return Trained(folder, experiment, scorer.model, translator.trg_tokenizer, translator)


def pairs_of(trained: Trained, split: str, count: int) -> list[Pair]:
    """Return `count` pairs with a target, spread evenly over a split; for a plain text src is empty."""
    pairs = [pair for pair in held_out(trained.experiment, split) if pair.trg.strip()]
    return list(islice(pairs[:: max(1, len(pairs) // count)], count))


def lines_of(trained: Trained, file: Path | None, split: str, count: int) -> list[str]:
    """Return lines for the model to read: the first lines of a file, or some of a split of its data.

    Raises UserError if all are blank.
    """
    if file is not None:
        normalize = build_normalizer(trained.experiment.data)
        lines = list(islice((normalize(line) for line in read_lines(file) if line.strip()), count))
    else:
        sided = pairs_of(trained, split, count)
        texts = [pair.src if trained.translator else pair.trg for pair in sided]
        lines = [text for text in texts if text.strip()]
    if not lines:
        raise UserError(f"{file or split}: holds no line to read; give others")
    return lines
