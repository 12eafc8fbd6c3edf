"""Gates of a trained model: their values along a sentence, and how often they are shut or open over many.

A gate that is almost always shut or open has become a constant; a gate that follows the words does work
(Karpathy et al. 2016, §4.2, who plot the fraction of time below 0.1 and above 0.9 for each unit).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmt.builders.language_model import first_token
from nmt.errors import UserError
from nmt.lab.page import Page, number
from nmt.lab.trained import Trained
from nmt.layers.cells import Cell
from nmt.models import LanguageModel, Source
from nmt.tokenization.vocabulary import BOS, EOS
from nmt.training.tracking import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHUT, OPEN = 0.1, 0.9
SHOWN = 24  # units of a gate in a picture

Steps = list[dict[str, Tensor]]  # the gates (N, H) of a cell by name, for each of its steps


@runtime_checkable
class Gated(Protocol):
    """A cell that can return the values of its gates."""

    def gates(
        self, projected: Tensor | None, state: Any, step_input: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the gates of a step, from the arguments of `step`, each (N, H), 0 to 1."""


class Read(NamedTuple):
    """The values (T, H) of a cell's gates along one sentence, by name, and the T tokens it read."""

    cell: str
    tokens: list[str]
    gates: dict[str, NDArray[np.float64]]


@contextmanager
def observed(model: nn.Module) -> Iterator[dict[str, Steps]]:
    """Make every gated cell of a model take single steps and record its gates, by the cell's name."""
    kept: dict[str, Steps] = {}
    cells: dict[str, Any] = {name: cell for name, cell in model.named_modules() if isinstance(cell, Gated)}
    for name, cell in cells.items():
        kept[name] = []
        cell.step, cell.forward = _watched(cell, kept[name]), partial(Cell.forward, cell)
    try:
        yield kept
    finally:
        for cell in cells.values():
            del cell.step, cell.forward


def _watched(cell: Any, kept: Steps) -> Callable[..., Any]:
    step = cell.step

    def watched(projected: Tensor | None, state: Any, step_input: Tensor | None = None) -> Any:
        kept.append(cell.gates(projected, state, step_input))
        return step(projected, state, step_input)

    return watched


@torch.no_grad()
def read(trained: Trained, line: str) -> list[Read]:
    """Return the gates of every cell while the model reads a line and, if it can, translates it."""
    model, tokenizer = trained.model, trained.tokenizer
    if isinstance(model, LanguageModel):
        ids = [first_token(trained.experiment), *tokenizer.encode(line)]
        with observed(model) as steps:
            model(torch.tensor([ids]))
        return [_read(name, of, tokenizer.tokens(ids)) for name, of in steps.items()]
    assert trained.translator is not None
    src_tokenizer = trained.translator.src_tokenizer
    src = src_tokenizer.encode(line)
    ((best, *_),) = trained.translator.engine.hypotheses([src])
    src, trg = [*src, EOS], [BOS, *best.ids]
    with observed(model) as steps:
        model(Source(torch.tensor([src]), torch.tensor([len(src)])), torch.tensor([trg]))
    of_encoder = {id(module) for module in model.encoder.modules()}
    encoding = {name for name, module in model.named_modules() if id(module) in of_encoder}
    return [
        _read(name, of, src_tokenizer.tokens(src) if name in encoding else tokenizer.tokens(trg))
        for name, of in steps.items()
    ]


def _read(name: str, steps: Steps, tokens: list[str]) -> Read:
    gates = {gate: torch.cat([step[gate] for step in steps]).numpy() for gate in steps[0]}  # (T, H)
    if "backward" in name:  # it reads from the end; the tokens are shown in their order
        gates = {gate: values[::-1] for gate, values in gates.items()}
    return Read(label(name), [token.replace("▁", "_") for token in tokens], gates)


def label(name: str) -> str:
    """Return a readable name of a cell, counted from 1: `encoder.backward_cells.0` is `encoder ← 1`."""
    name = name.replace("encoder.stack", "encoder.→").replace("backward_cells", "←")
    places = [place for place in name.split(".") if place not in ("cells", "stack")]
    parts = [str(int(place) + 1) if place.isdigit() else place for place in places]
    return " ".join(["layer", *parts] if places[0].isdigit() else parts)


class Saturation:
    """Counts for each unit how often its gate is shut (below 0.1) or open (above 0.9), and the mean."""

    def __init__(self, units: int) -> None:
        self.steps = 0
        self._shut, self._open, self._sum = (np.zeros(units) for _ in range(3))

    def count(self, gate: NDArray[np.float64]) -> None:
        """Count the values (T, H) of a sentence."""
        self.steps += len(gate)
        self._shut += (gate < SHUT).sum(0)
        self._open += (gate > OPEN).sum(0)
        self._sum += gate.sum(0)

    @property
    def shut(self) -> NDArray[np.float64]:
        """Fraction of steps (H,) at which a unit is shut."""
        return self._shut / self.steps

    @property
    def open(self) -> NDArray[np.float64]:
        """Fraction of steps (H,) at which a unit is open."""
        return self._open / self.steps

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean value (H,) of each unit."""
        return self._sum / self.steps


def study(trained: Trained, lines: Sequence[str], sentence: int) -> Page:
    """Return the gates along one of the lines, counted from 1, and their saturation over all.

    Raises UserError if no cell of the model has gates.
    """
    if not any(isinstance(module, Gated) for module in trained.model.modules()):
        raise UserError(
            f"{trained.folder}: no cell of the model has gates; expected a run with lstm, gru, ln_lstm or sru"
        )
    if not 1 <= sentence <= len(lines):
        raise UserError(f"--sentence {sentence}: expected 1 to {len(lines)}, the number of lines read")
    counted: dict[tuple[str, str], Saturation] = {}
    for line in lines:
        for each in read(trained, line):
            for gate, values in each.gates.items():
                place = counted.setdefault((each.cell, gate), Saturation(values.shape[1]))
                place.count(values)
    shown = read(trained, lines[sentence - 1])
    rows = [
        [
            cell,
            gate,
            len(found.mean),
            found.steps,
            *(number(float(values.mean()), 3) for values in (found.mean, found.shut, found.open)),
        ]
        for (cell, gate), found in counted.items()
    ]
    return Page(
        "gates",
        {"model": trained.experiment.name, "lines": len(lines), "sentence": sentence},
        Table(["cell", "gate", "units", "steps", "mean", f"< {SHUT}", f"> {OPEN}"], rows),
        {
            "sentence": [
                {
                    "cell": each.cell,
                    "pieces": each.tokens,
                    "mean": {g: v.mean(1).tolist() for g, v in each.gates.items()},
                }
                for each in shown
            ],
            "units": [
                {
                    "cell": cell,
                    "gate": gate,
                    "mean": found.mean.tolist(),
                    "shut": found.shut.tolist(),
                    "open": found.open.tolist(),
                }
                for (cell, gate), found in counted.items()
            ],
        },
        {"gates-sentence": _along(shown), "gates-saturation": _saturation(counted)},
        [f"< {SHUT}, > {OPEN}: fraction of all values, over units and steps of {len(lines)} sentences"],
    )


def _along(shown: Sequence[Read]) -> "Figure":
    from matplotlib.figure import Figure

    gates = list(dict.fromkeys(gate for each in shown for gate in each.gates))
    longest = max(len(each.tokens) for each in shown)
    size = (1.2 + len(gates) * max(3.0, 0.24 * longest), 3.1 * len(shown))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(shown), len(gates), squeeze=False)
    for row, each in zip(panels, shown, strict=True):
        for axes, gate in zip(row, gates, strict=True):
            if gate not in each.gates:
                axes.set_axis_off()
                continue
            values = each.gates[gate]  # (T, H)
            moving = np.sort(values.std(0).argsort(kind="stable")[::-1][:SHOWN])
            image = axes.imshow(values[:, moving].T, cmap="viridis", vmin=0, vmax=1, aspect="auto")
            axes.set_title(f"{each.cell}: {gate}", fontsize=9)
            axes.set_xticks(range(len(each.tokens)), each.tokens, rotation=90, fontsize=7)
            axes.set_yticks([])
        row[0].set_ylabel(f"the {min(SHOWN, values.shape[1])} units that move most", fontsize=7)
    figure.colorbar(image, ax=panels, label="0 shut, 1 open", aspect=40, pad=0.01)
    return figure


def _saturation(counted: Mapping[tuple[str, str], Saturation]) -> "Figure":
    from matplotlib.figure import Figure

    gates = list(dict.fromkeys(gate for _, gate in counted))
    cells = list(dict.fromkeys(cell for cell, _ in counted))
    # One scale for all panels, as small as possible.
    most = 1.05 * max(0.1, *(rate.max() for found in counted.values() for rate in (found.shut, found.open)))
    figure = Figure(figsize=(3.6 * len(gates), 4.2), layout="constrained")
    for axes, gate in zip(figure.subplots(1, len(gates), squeeze=False)[0], gates, strict=True):
        for (cell, name), found in counted.items():
            if name == gate:
                colour = f"C{cells.index(cell)}"
                axes.scatter(found.shut, found.open, s=9, alpha=0.45, color=colour, lw=0, label=cell)
        axes.plot([0, 1], [1, 0], color="grey", lw=0.7, ls=":")
        axes.set(title=f"{gate} gate", xlim=(-0.03 * most, most), ylim=(-0.03 * most, most))
        axes.set_box_aspect(1)
        axes.set_xlabel(f"fraction of steps below {SHUT}")
    figure.axes[0].set_ylabel(f"fraction of steps above {OPEN}")
    figure.axes[-1].legend(fontsize=8, markerscale=2)
    figure.suptitle("each dot is a unit: how often it is shut and how often open", fontsize=10)
    return figure
