"""The text that a graph is checked on before it is written."""

from random import Random

from nmt.config.experiment import Experiment
from nmt.data.corpus import Pair
from nmt.errors import UserError
from nmt.tokenization.tokenizer import Tokenizer
from nmt.workflows.score import held_out

MADE_UP = "made-up text (the validation text is not here)"


def validation_pairs(experiment: Experiment) -> list[Pair] | None:
    """Return the run's validation text, None where it is not here."""
    try:
        return held_out(experiment, "validation")
    except UserError:
        return None


def made_up(tokenizer: Tokenizer) -> list[str]:
    """Return 100 texts of 1 to 20 random tokens, always the same."""
    chance, ids = Random(1), list(tokenizer.vocabulary.text_ids)
    return [tokenizer.decode(chance.choices(ids, k=1 + i % 20)) for i in range(100)]
