"""Translate lines so that addresses, placeholders and tags come out as they are, each once."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from nmt.decoding.spans import Masked, Piece, all_pieces, has_spans, sentence_pieces
from nmt.decoding.translation import Ranked, Translation, best_of_each
from nmt.evaluation.alignment import Detail

Translate = Callable[[list[str]], list[Translation]]


def translate_protected(
    translate: Translate, lines: Sequence[str], *, n_best: int, details: bool
) -> list[Translation]:
    """Return the translation of each line, with up to n_best different ones, every span whole and once.

    translate: translates lines. Within a sentence a name takes the place of a span, and is replaced again; a
    translation that lost it is dropped. If none is left, the text around the spans is translated in pieces.
    Lines without spans are translated as they are.
    """

    def in_pieces(cut: Callable[[str], list[Piece]], inner: Translate, texts: list[str]) -> list[Translation]:
        pieces = [cut(text) for text in texts]
        found = iter(inner([piece.text for line in pieces for piece in line if not piece.kept]))
        return [
            _join(line, [_kept(piece, details) if piece.kept else next(found) for piece in line], n_best)
            for line in pieces
        ]

    def named(texts: list[str]) -> list[Translation]:
        masked = [Masked.of(text) for text in texts]
        possible = iter(translate([each.text for each in masked if each]))
        found = [_restored(each, next(possible)) if each else None for each in masked]
        lost = [text for text, each in zip(texts, found, strict=True) if not each]
        rest = iter(in_pieces(all_pieces, translate, lost) if lost else ())
        return [each or next(rest) for each in found]

    special = [has_spans(line) for line in lines]
    plain = iter(translate([line for line, has in zip(lines, special, strict=True) if not has]))
    others = [line for line, has in zip(lines, special, strict=True) if has]
    protected = iter(in_pieces(sentence_pieces, named, others) if others else ())
    return [next(protected) if has else next(plain) for has in special]


def _restored(masked: Masked, translation: Translation) -> Translation | None:
    """Return the translation with its spans, without those of the n best that lost one; None if all did."""
    ranked = []
    for each in translation.ranked:
        text = masked.restore(each.text)
        if text is not None:
            ranked.append(Ranked(text, each.score, [_with_spans(masked, part) for part in each.parts]))
    return Translation(ranked, translation.short) if ranked else None


def _with_spans(masked: Masked, part: Detail) -> Detail:
    return part._replace(
        src_words=list(map(masked.restore_word, part.src_words)),
        trg_words=list(map(masked.restore_word, part.trg_words)),
    )


def _kept(piece: Piece, details: bool) -> Translation:
    """Return the translation of a piece that stays as it is."""
    words = piece.text.split()
    detail = Detail(words, words, np.eye(len(words)), True, True, [], [], [1.0] * len(words))
    return Translation([Ranked(piece.text, 0.0, [detail] if details else [])])


def _join(pieces: list[Piece], found: list[Translation], n_best: int) -> Translation:
    """Return the translation of a line from those of its pieces."""
    ranked = [
        Ranked(
            "".join(piece.space + each.text for piece, each in zip(pieces, chosen, strict=True)).strip(),
            score,
            [
                part._replace(spaced=spaced, apart=spaced) if part is each.parts[-1] else part
                for each, spaced in zip(chosen, _spaced(pieces), strict=True)
                for part in each.parts
            ],
        )
        for score, chosen in best_of_each([each.ranked for each in found], n_best)
    ]
    return Translation(ranked, any(each.short for each in found))


def _spaced(pieces: list[Piece]) -> list[bool]:
    """Say for each piece whether white space follows; the end of the line is as good."""
    return [*(bool(after.space) for _, after in pairwise(pieces)), True]
