"""A tokenizer as the browser reads it (page/translate/tokenizers.js)."""

from typing import TypedDict

from nmt.errors import UserError
from nmt.tokenization.preprocessing import PreprocessedTokenizer
from nmt.tokenization.reversal import ReversedTokenizer
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.tokenizer_files import Kind
from nmt.tokenization.words import TorchtextTokenizer, WordTokenizer


class Description(TypedDict):
    """All that determines encoding and decoding.

    scores: of subwords and characters, None for special tokens and bytes; of words none at all. specials: how
    many tokens are special, the first ones.
    """

    kind: Kind
    tokens: list[str]
    scores: list[float | None]
    specials: int
    lowercase: bool


def describe_tokenizer(tokenizer: Tokenizer) -> Description:
    """Return the description of a tokenizer; raises UserError if the browser has no such one."""
    tokens, specials = tokenizer.vocabulary.tokens, len(tokenizer.vocabulary.specials)
    scores: list[float | None] = []
    lowercase = False
    match tokenizer:
        case SentencePieceTokenizer():
            scores = [None if i < specials else tokenizer.scores.get(each) for i, each in enumerate(tokens)]
        case WordTokenizer() if not isinstance(tokenizer, TorchtextTokenizer):
            lowercase = tokenizer.lowercase
        case PreprocessedTokenizer():
            raise UserError(
                "data.preprocess has no form for the browser; train without it to export for the web"
            )
        case ReversedTokenizer():
            raise UserError("data.reverse_target has no form for the browser; export a run without it")
        case _:
            raise UserError(
                f"a tokenizer of kind {tokenizer.kind} has no form for the browser; train with another, "
                "such as bpe, to export for the web"
            )
    return Description(
        kind=tokenizer.kind, tokens=list(tokens), scores=scores, specials=specials, lowercase=lowercase
    )
