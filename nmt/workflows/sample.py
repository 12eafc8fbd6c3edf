"""Sample text from a language model, or search for its most probable texts."""

from collections.abc import Iterator

import torch

from nmt.builders.language_model import Trained, first_token
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.options import Sampling
from nmt.decoding.processors import AnyProcessor, Ban
from nmt.decoding.sampling import Sampled, SamplingSettings, sample
from nmt.decoding.scorers import LanguageModelScorer
from nmt.decoding.search import SearchSettings, beam_search
from nmt.errors import Diverged, UserError
from nmt.tokenization.vocabulary import EOS, UNK


def samples(
    trained: Trained, sampling: Sampling, count: int, *, prompt: str, lines: int, limit: int, batch: int
) -> Iterator[tuple[str, Sampled]]:
    """Yield `count` new sequences of up to `limit` tokens, each as text that begins with the prompt.

    Sequence n does not depend on count or batch. Raises UserError if a model
    of single lines is asked for several.
    """
    if lines > 1 and not trained.experiment.data.continuous:
        raise UserError(
            f"--lines {lines}: the model was trained with data.text.lines: true, one line at a time, "
            "expected false; leave --lines out and sample more with --n"
        )
    scorer, last, ids = _begun(trained, prompt)
    seed, temperature, top_k, top_p = sampling
    settings = SamplingSettings(
        bos=last,
        eos=EOS,
        processors=_processors(trained),
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        ends=lines,
    )
    for first in range(0, count, batch):
        keys = [(seed, n) for n in range(first, min(first + batch, count))]
        limits = torch.full((len(keys),), limit, device=trained.device)
        for each in sample(scorer, len(keys), limits, settings, keys=keys):
            parts: list[list[int]] = [[]]
            for token in [*ids, *each.ids]:
                parts += [[]] if token == EOS else []
                parts[-1] += [] if token == EOS else [token]
            yield "\n".join(map(trained.tokenizer.decode, parts)), each


def most_probable(
    trained: Trained, *, prompt: str, beam: int, n_best: int, limit: int
) -> Iterator[tuple[str, Sampled]]:
    """Yield the n_best most probable sequences of a beam search, best first, in the form of `samples`.

    They are ranked by log-probability alone, </s> included; a sequence of `limit` tokens must end there.
    Raises Diverged if none has a probability above 0.
    """
    scorer, last, ids = _begun(trained, prompt)
    by_log_probability = LengthPenalty(alpha=0.0, offset=0.0)
    settings = SearchSettings(
        beam=beam,
        penalty=by_log_probability,
        bos=last,
        eos=EOS,
        processors=_processors(trained),
        n_best=n_best,
    )
    limits = torch.tensor([limit + 1], device=trained.device)  # the search counts </s>
    (found,) = beam_search(scorer, 1, limits, settings)
    if not found:
        raise Diverged.giving_no("text")
    for each in found:
        yield trained.tokenizer.decode([*ids, *each.ids]), Sampled(each.ids, len(each.ids) < limit)


def _begun(trained: Trained, prompt: str) -> tuple[LanguageModelScorer, int, list[int]]:
    """Return a scorer that has read all tokens but the last, the last token, and the ids of the prompt."""
    ids = trained.encoder.encode(prompt)
    *before, last = [first_token(trained.experiment), *ids]
    return LanguageModelScorer(trained.model, before), last, ids


def _processors(trained: Trained) -> tuple[AnyProcessor, ...]:
    """Return the rules for new text: no banned token and no unknown word."""
    return (Ban({*trained.tokenizer.banned, UNK}),)
