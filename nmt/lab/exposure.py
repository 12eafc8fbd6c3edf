"""Exposure bias: the loss of a model on its own prefixes, unseen in training (Ranzato et al. 2016, §1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from nmt.data.batches import pad
from nmt.data.corpus import Pair
from nmt.errors import UserError
from nmt.lab.page import Page, number
from nmt.lab.trained import Trained
from nmt.models import Seq2Seq, Source
from nmt.tokenization.vocabulary import BOS, EOS, PAD
from nmt.training.tracking import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 50  # sentences in a batch
FEWEST = 10  # a position with fewer sentences is not shown


class Exposed(NamedTuple):
    """Losses in nats by sentence and position (B, Ty), NaN after the reference's end.

    forced: loss of the reference token given the reference prefix (teacher forcing). free: loss of the
    reference token given the model's own prefix. own: loss of the model's own token given its own prefix.
    free and own are NaN after the model's </s> too. agrees: 1 if the model's prefix equals the reference's.
    """

    forced: NDArray[np.float64]
    free: NDArray[np.float64]
    own: NDArray[np.float64]
    agrees: NDArray[np.float64]


@torch.no_grad()
def expose(model: Seq2Seq, source: Source, trg: Tensor, banned: Sequence[int] = ()) -> Exposed:
    """Score references trg (B, Ty), padded with </s> last, by teacher forcing and by free running.

    Free running is greedy, ends where the reference or the model's output ends, and never emits a banned id.
    """
    real = trg != PAD
    trg_in = torch.cat([torch.full_like(trg[:, :1], BOS), trg[:, :-1]], dim=1)
    forced = _nll(model.head(model(source, trg_in).features), trg)
    memory, state = model.start(source)
    y = trg_in[:, 0]
    agrees = writing = torch.ones(len(trg), dtype=torch.bool)
    columns = []
    for wanted in trg.unbind(1):
        logits, _, state = model.step(y, memory, state)
        y = logits.index_fill(1, torch.tensor(banned, dtype=torch.int64), -torch.inf).argmax(1)
        free, own = (_nll(logits, ids).masked_fill(~writing, torch.nan) for ids in (wanted, y))
        columns.append(torch.stack([free, own, agrees.to(free)]))
        agrees, writing = agrees & (y == wanted), writing & (y != EOS)
    free, own, same = torch.stack(columns, dim=-1)  # (B, Ty) each
    return Exposed(*(x.masked_fill(~real, torch.nan).numpy() for x in (forced, free, own, same)))


def _nll(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return −log p of the wanted ids (…) under logits (…, V), in nats."""
    return F.cross_entropy(logits.flatten(0, -2), wanted.flatten(), reduction="none").view_as(wanted)


def study(trained: Trained, pairs: Sequence[Pair], longest: int) -> Page:
    """Return the losses by position, up to `longest`; raises UserError if the model does not translate."""
    model, translator = trained.translating("source to run freely from")
    rows = [
        (translator.src_tokenizer.encode(pair.src), translator.trg_tokenizer.encode(pair.trg))
        for pair in pairs
        if pair.src.strip()
    ]
    rows = [(src, trg) for src, trg in rows if len(src) <= translator.max_source]
    if not rows:
        raise UserError(f"{trained.folder}: no pair to read; give another --split")
    rows.sort(key=lambda row: len(row[1]))
    found = []
    for first in range(0, len(rows), ROWS):
        some = rows[first : first + ROWS]
        ids = pad([src for src, _ in some], last=EOS)
        lengths = torch.tensor([len(src) + 1 for src, _ in some])
        trg = pad([trg for _, trg in some], last=EOS)
        found.append(expose(model, Source(ids, lengths), trg, translator.trg_tokenizer.banned))
    curves = _by_position(found, longest)
    counts = curves.pop("sentences")
    whole = {
        name: float(np.nanmean(np.concatenate([getattr(e, name).ravel() for e in found]))) for name in curves
    }
    shown = [place for place in (1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40) if place <= len(counts)]
    table = [
        [place, int(counts[place - 1]), *(number(curve[place - 1], 2) for curve in curves.values())]
        for place in shown
    ]
    table.append(["all", len(rows), *(number(value, 2) for value in whole.values())])
    return Page(
        "exposure",
        {"model": trained.experiment.name, "sentences": len(rows), "longest": longest},
        Table(["position", "sentences", *curves], table),
        {"by_position": {"sentences": counts, **curves}, "all": whole},
        {"exposure": _picture(curves)},
        [
            "nats per token. forced: the reference token given the reference prefix (teacher forcing); free: "
            "the reference token given the model's own prefix; own: the model's own token given its own "
            "prefix. agrees: fraction of sentences equal to the reference so far"
        ],
    )


def _by_position(found: Sequence[Exposed], longest: int) -> dict[str, list[float]]:
    """Return the mean of each loss at each position that enough sentences reach, and their number."""

    def column(name: str, place: int) -> NDArray[np.float64]:
        parts = [getattr(each, name)[:, place] for each in found if each.forced.shape[1] > place]
        values = np.concatenate([*parts, np.empty(0)])
        kept: NDArray[np.float64] = values[~np.isnan(values)]
        return kept

    counts = [float(len(column("forced", place))) for place in range(longest)]
    counts = [
        n for place, n in enumerate(counts) if len(column("free", place)) >= max(1, min(FEWEST, counts[0]))
    ]
    means = {
        name: [float(column(name, place).mean()) for place in range(len(counts))] for name in Exposed._fields
    }
    return {"sentences": counts, **means}


def _picture(curves: dict[str, list[float]]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    positions = range(1, len(curves["forced"]) + 1)
    labels = {
        "free": "free running: the reference token",
        "forced": "teacher forcing: the reference token",
        "own": "free running: the model's own token",
    }
    for (name, label), colour in zip(labels.items(), ("C3", "C0", "C2"), strict=True):
        left.plot(positions, curves[name], colour, marker="o", ms=3, label=label)
    left.set(xlabel="position in the target", ylabel="loss, nats per token", ylim=(0, None))
    figure.legend(fontsize=8, loc="outside upper left", ncols=3)
    right.plot(positions, curves["agrees"], "C4", marker="o", ms=3)
    right.set(
        xlabel="position in the target",
        title="fraction of sentences equal to the reference so far",
        ylim=(0, 1.03),
    )
    right.title.set_fontsize(9)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return figure
