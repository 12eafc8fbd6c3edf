"""Align the words of given sentence pairs, by the attention of one model or of both directions."""

from collections.abc import Sequence
from pathlib import Path

from nmt.builders.engine import open_steps
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.evaluation.alignment import Link
from nmt.evaluation.links import Links, Symmetry, symmetrise
from nmt.tokenization.preprocessing import preprocessing_of


def align_pairs(
    pairs: Sequence[tuple[str, str]],
    model: Path,
    reverse: Path | None,
    *,
    to: str | None,
    reverse_to: str | None,
    kind: Symmetry,
    device: str,
) -> list[Links]:
    """Return the word links of each pair, source-target, words counted from 0.

    reverse: a model that translates the other way; its links and those of `model` become one alignment.
    to, reverse_to: the language that each translates to, of a model of several.
    """

    def links(folder: Path, texts: Sequence[tuple[str, str]], language: str | None) -> list[list[Link]]:
        options = TranslationOptions(models=(folder,), to=language, device=device)
        translator = open_steps(options)
        if preprocessing_of(translator.trg_tokenizer).moses:
            raise UserError(
                f"{folder} splits words by Moses (data.preprocess), and those between spaces are to be "
                "aligned; take a run without it"
            )
        return translator.align(texts)

    forward = [set(each) for each in links(model, pairs, to)]
    if reverse is None:
        return forward
    turned = links(reverse, [(trg, src) for src, trg in pairs], reverse_to)
    backward = [{Link(link.trg, link.src) for link in each} for each in turned]
    return [symmetrise(a, b, kind) for a, b in zip(forward, backward, strict=True)]
