"""metrics.jsonl of several runs → one picture of their curves."""

import math
from collections.abc import Sequence
from pathlib import Path

from nmt.errors import UserError
from nmt.files import MB
from nmt.results import read_metrics

_LARGEST = 100 * MB  # largest metrics.jsonl, some 300,000 lines

PANELS = (
    ("loss, nats per token (thin: training, bold: validation)", ("train/loss", "validation/loss")),
    ("validation BLEU", ("validation/bleu",)),
    ("gradient norm before clipping", ("train/gradient_norm",)),
    ("learning rate", ("train/lr",)),
)


def read_curves(metrics: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Return the updates and values of each metric in a metrics.jsonl; raises UserError for a broken line."""
    curves: dict[str, tuple[list[int], list[float]]] = {}
    try:
        for _, step, figures in read_metrics(metrics, limit=_LARGEST):
            for name, value in figures.items():
                if isinstance(value, int | float):
                    steps, values = curves.setdefault(name, ([], []))
                    steps.append(step)
                    # So large that a picture has no room: a gap.
                    values.append(float(value) if abs(value) < 1e100 else math.nan)
    except OSError as error:
        raise UserError(f"{metrics}: cannot be read ({error.strerror}); give the folder of a run") from None
    if not curves:
        raise UserError(f"{metrics}: holds no figures yet; wait for the run's first update")
    return curves


def plot_runs(folders: Sequence[Path], output: Path) -> None:
    """Draw loss, BLEU, gradient norm and learning rate of the runs by update, one colour per run."""
    from matplotlib.figure import Figure

    runs = [(folder.resolve().name, read_curves(folder / "metrics.jsonl")) for folder in folders]
    figure = Figure(figsize=(11, 7), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("updates")
        axes.grid(alpha=0.3)
        for number, (run, curves) in enumerate(runs):
            for name in names:
                steps, values = curves.get(name, ([], []))
                bold = name.startswith("validation")
                label = run if name == names[-1] else None
                mark = "o" if bold else None
                axes.plot(
                    steps, values, f"C{number}", lw=1.8 if bold else 0.7, marker=mark, ms=3, label=label
                )
        if len(runs) > 1:
            axes.legend(fontsize=8)
    try:
        figure.savefig(output, dpi=110)
    except (OSError, ValueError) as error:
        raise UserError(f"{output}: cannot be written ({error})") from None
