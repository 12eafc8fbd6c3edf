"""The decoding section → search settings."""

from typing import NamedTuple, assert_never

from nmt.config.decoding import AveragePenalty, DecodingConfig, GnmtPenalty, NoPenalty, PenaltyConfig
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.demands import NONE, Rules
from nmt.decoding.diversity import Groups
from nmt.decoding.processors import AnyProcessor, Ban, MinimumLength, NoRepeat
from nmt.decoding.search import SearchSettings
from nmt.errors import UserError
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import BOS, EOS


class SearchKeys(NamedTuple):
    """The keys of a manifest that say how to search; alpha and offset are the length penalty's."""

    beam: int
    alpha: float
    offset: float
    max_ratio: float
    max_extra: int
    max_source: int
    tokens_per_batch: int


def search_keys(config: DecodingConfig) -> SearchKeys:
    """Return how the decoding section searches, as a manifest says it."""
    penalty = build_penalty(config.length_penalty)
    return SearchKeys(
        beam=config.beam,
        alpha=penalty.alpha,
        offset=penalty.offset,
        max_ratio=config.max_ratio,
        max_extra=config.max_extra,
        max_source=config.max_source,
        tokens_per_batch=config.tokens_per_batch,
    )


def build_penalty(config: PenaltyConfig) -> LengthPenalty:
    """Return the length penalty."""
    match config:
        case NoPenalty():
            return LengthPenalty(alpha=0.0, offset=0.0)
        case GnmtPenalty():
            return LengthPenalty(alpha=config.alpha, offset=5.0)
        case AveragePenalty():
            return LengthPenalty(alpha=config.alpha, offset=0.0)
        case other:
            assert_never(other)


def build_search(
    keys: SearchKeys, tokenizer: Tokenizer, *, beam: int, n_best: int = 1, rules: Rules = NONE
) -> SearchSettings:
    """Return the settings of a search for targets of this tokenizer, with the rules about tokens."""
    processors: list[AnyProcessor] = [Ban(tokenizer.banned)]
    if rules.min_length:
        processors.append(MinimumLength(rules.min_length, EOS))
    if rules.no_repeat:
        processors.append(NoRepeat(rules.no_repeat, EOS))
    if rules.groups and beam % rules.groups:
        raise UserError(f"diverse {rules.groups}: expected a beam of so many or a multiple, found {beam}")
    return SearchSettings(
        beam=beam,
        penalty=LengthPenalty(keys.alpha, keys.offset),
        bos=BOS,
        eos=EOS,
        processors=tuple(processors),
        groups=Groups(rules.groups, rules.diversity) if rules.groups else None,
        n_best=n_best,
        max_ratio=keys.max_ratio,
        max_extra=keys.max_extra,
    )
