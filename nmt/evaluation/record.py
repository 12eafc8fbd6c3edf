"""A translation as one JSON object, which programs, the server and its page read. Needs no torch."""

from collections.abc import Sequence
from typing import TypedDict

from nmt.decoding.translation import Ranked, Translation
from nmt.evaluation.alignment import Detail


class TokenRecord(TypedDict):
    """A token of the translation, and its log-probability after those before it."""

    text: str
    log_prob: float


class WordRecord(TypedDict):
    """A word of the translation: the confidence in it (0 to 1), and its attention to each source word."""

    text: str
    confidence: float
    attention: list[float]


class Candidate(TypedDict):
    """One of the n best translations of a line.

    tokens: each part of the line ends in </s>. alignment: pairs of source and target word, from 0.
    """

    text: str
    score: float
    tokens: list[TokenRecord]
    words: list[WordRecord]
    alignment: list[tuple[int, int]]


class TranslationRecord(Candidate):
    """The best translation of a line, its source and the other translations, the best first."""

    source: str
    source_words: list[str]
    alternatives: list[Candidate]


def translation_record(source: str, translation: Translation) -> TranslationRecord:
    """Return the record of a line's translation, which was made with details.

    Of a line in parts, the words count through the line; a word looks at no other part than its own.
    """
    best, *others = translation.ranked
    candidate = _candidate(best)
    return {
        "source": source,
        "text": candidate["text"],
        "score": candidate["score"],
        "tokens": candidate["tokens"],
        "source_words": _source_words(best.parts),
        "words": candidate["words"],
        "alignment": candidate["alignment"],
        "alternatives": list(map(_candidate, others)),
    }


def _candidate(ranked: Ranked) -> Candidate:
    return {
        "text": ranked.text,
        "score": round(ranked.score, 6),
        "tokens": [
            {"text": text, "log_prob": round(log_prob, 6)}
            for part in ranked.parts
            for text, log_prob in zip(part.tokens, part.log_probs, strict=True)
        ],
        "words": _words(ranked.parts),
        "alignment": [(link.src, link.trg) for link in ranked.links()],
    }


def _source_words(parts: Sequence[Detail]) -> list[str]:
    words: list[str] = []
    spaced = True
    for part in parts:
        first, *others = part.src_words
        words += [first if spaced else words.pop() + first, *others]
        spaced = part.spaced
    return words


def _words(parts: Sequence[Detail]) -> list[WordRecord]:
    """Return the words of all parts; one that goes on in the next part is as doubtful as its worse half."""
    count = len(_source_words(parts))
    words: list[WordRecord] = []
    before, apart = 0, True
    for part in parts:
        behind = count - before - len(part.src_words)
        rows = [[0.0] * before + row + [0.0] * behind for row in part.weights.round(4).tolist()]
        found: list[WordRecord] = [
            {"text": text, "confidence": round(confidence, 4), "attention": row}
            for text, confidence, row in zip(part.trg_words, part.confidence, rows, strict=True)
        ]
        if found and not apart:
            found[0] = _together(words.pop(), found[0])
        words += found
        before += len(part.src_words) - (not part.spaced)
        apart = part.apart if found else apart
    return words


def _together(a: WordRecord, b: WordRecord) -> WordRecord:
    return {
        "text": a["text"] + b["text"],
        "confidence": min(a["confidence"], b["confidence"]),
        "attention": [round((x + y) / 2, 4) for x, y in zip(a["attention"], b["attention"], strict=True)],
    }
