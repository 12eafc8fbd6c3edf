"""Attention maps: where the model looked, over its tokens and merged to words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.config.model import ModelConfig, MultiHeadAttentionConfig
from nmt.decoding.engine import Engine
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.alignment import Detail, detail
from nmt.lab.page import Page, number
from nmt.lab.trained import Trained
from nmt.training.tracking import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

END = "</s>"
Matrix = NDArray[np.float64]


class Map(NamedTuple):
    """Tokens of both sides, </s> last, with the attention (Ty, Tx) between them, and the same over words."""

    src_tokens: list[str]
    trg_tokens: list[str]
    weights: Matrix
    words: Detail
    translation: str


def attention_map(translator: Translator[Engine], line: str) -> Map:
    """Return where the model looked while it translated a line, or the first part of a line in parts."""
    src = translator.parts(line)[0].ids
    ((best, *_),) = translator.engine.hypotheses([src], details=True)
    assert best.alignment is not None
    assert best.token_log_probs is not None
    weights = best.alignment.astype(np.float64)  # </s> counted on both sides
    tokenizers = translator.src_tokenizer, translator.trg_tokenizer
    shown = [
        [token.replace("▁", "_") for token in tokenizer.tokens(ids)] + [END]
        for tokenizer, ids in zip(tokenizers, (src, best.ids), strict=True)
    ]
    words = detail(tokenizers, src, best.ids, weights, best.token_log_probs)
    return Map(shown[0], shown[1], weights, words, translator.trg_tokenizer.decode(best.ids))


def bits(weights: Matrix) -> Matrix:
    """Return the entropy (Ty,) of each row of an attention (Ty, Tx), in bits; 0 means one position only."""
    logs = np.log2(weights, out=np.zeros_like(weights), where=weights > 0)
    entropies: Matrix = -(weights * logs).sum(1)
    return entropies


def study(trained: Trained, lines: Sequence[str]) -> Page:
    """Return a map for each line; raises UserError for a model without attention or with several heads."""
    _, translator = trained.translating("attention")
    config = trained.experiment.model
    assert isinstance(config, ModelConfig)
    if isinstance(attention := config.decoder.attention, MultiHeadAttentionConfig) and attention.heads > 1:
        raise UserError(
            f"{trained.folder} has an attention with {attention.heads} heads (model.decoder.attention), "
            "and returns only their mean; nmt show draws it"
        )
    maps = [each for line in lines if len((each := attention_map(translator, line)).trg_tokens) > 1]
    if not maps:
        raise UserError(f"{trained.folder} gave an empty translation for every line; give other lines")
    rows = [
        [
            each.translation,
            len(each.words.trg_words),
            number(float(each.weights.max(1).mean()), 2),
            number(float(bits(each.weights).mean()), 2),
            number(float(each.weights[:, -1].mean()), 2),
        ]
        for each in maps
    ]
    return Page(
        "attention",
        {"model": trained.experiment.name, "lines": list(lines)},
        Table(["translation", "words", "largest", "bits", f"on {END}"], rows),
        [
            {
                "src_pieces": each.src_tokens,
                "trg_pieces": each.trg_tokens,
                "weights": each.weights.tolist(),
                "src_words": each.words.src_words,
                "trg_words": each.words.trg_words,
                "word_weights": each.words.weights.tolist(),
            }
            for each in maps
        ],
        {f"attention-{place}": _picture(each) for place, each in enumerate(maps, start=1)},
        [
            "means over the target tokens: the largest weight, the entropy in bits, the weight on the end of "
            "the source"
        ],
    )


def _picture(each: Map) -> "Figure":
    from matplotlib.figure import Figure

    widths = [max(len(side), 4) for side in (each.src_tokens, each.words.src_words)]
    size = (2.6 + 0.34 * sum(widths), 1.6 + 0.34 * max(len(each.trg_tokens), 4))
    figure = Figure(figsize=size, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=widths)
    _draw(left, each.weights, each.src_tokens, each.trg_tokens, "tokens")
    words = each.words
    _draw(right, np.asarray(words.weights), words.src_words, words.trg_words, "merged to words")
    return figure


def _draw(axes: "Axes", weights: Matrix, src: Sequence[str], trg: Sequence[str], title: str) -> None:
    axes.imshow(weights, cmap="Greys", vmin=0, vmax=1)
    axes.set_title(title, fontsize=9)
    axes.set_xticks(range(len(src)), src, rotation=90, fontsize=8)
    axes.set_yticks(range(len(trg)), trg, fontsize=8)
    for (row, column), weight in np.ndenumerate(weights):
        if weight >= 0.1:
            colour = "white" if weight > 0.5 else "black"
            axes.text(
                column, row, f"{weight:.1f}".lstrip("0"), color=colour, ha="center", va="center", fontsize=6
            )
