"""What the folders of runs hold, as tables and pictures: their results, and their curves by update."""

from collections.abc import Iterator, Sequence

from nmt.report import charts
from nmt.report.content import RunPart
from nmt.report.grid import Grid

_CURVES = (
    ("Loss, nats per token", (("train/loss", True), ("validation/loss", False))),
    ("Validation BLEU", (("validation/bleu", False),)),
    ("Validation perplexity", (("validation/ppl", False),)),
    ("Validation accuracy", (("validation/accuracy", False),)),
    ("Gradient norm before clipping", (("train/gradient_norm", True),)),
    ("Learning rate", (("train/lr", True),)),
)
_VALIDATIONS = {
    "loss": "validation/loss",
    "perplexity": "validation/ppl",
    "BLEU": "validation/bleu",
    "accuracy": "validation/accuracy",
}


def recorded_scores(runs: Sequence[RunPart], note: str = "") -> Grid:
    """Return the scores in the result files of the folders."""
    rows = [
        [
            run.name,
            file,
            " ".join(filter(None, [result.dataset, result.split])),
            f"{score.metric} ({score.form})",
            f"{score.score:.2f}",
            f"{result.date:%Y-%m-%d}",
            (result.commit or "–")[:12],
            score.signature,
        ]
        for run in runs
        for file, result in run.recorded.items()
        for score in result.scores
    ]
    columns = ["run", "file", "text", "metric", "score", "date", "commit", "signature"]
    return Grid("Scores that are recorded in the run folders", columns, rows, note)


def training_costs(runs: Sequence[RunPart]) -> Grid:
    """Return what the training of each run cost, as its result records it."""
    rows = []
    for run in runs:
        result = run.trained
        cost = result.training if result else None
        if result is None or cost is None:
            continue
        cells = [
            "–" if result.parameters is None else f"{result.parameters:,}",
            f"{cost.updates:,}",
            f"{cost.epochs:.1f}",
            f"{cost.wall_minutes:.1f}",
            "–" if cost.cpu_minutes is None else f"{cost.cpu_minutes:.1f}",
            "–" if cost.trg_tokens_per_second is None else f"{cost.trg_tokens_per_second:,.0f}",
        ]
        rows.append([run.name, *cells])
    columns = ["run", "parameters", "updates", "epochs", "minutes", "CPU minutes", "target tokens/s"]
    return Grid("Cost of training", columns, rows)


def curves(groups: Sequence[Sequence[RunPart]]) -> Iterator[charts.Chart]:
    """Yield the pictures for which there are points; the runs of a group have one colour."""
    for title, names in _CURVES:
        series, told = list[charts.Series](), list[str]()
        for number, group in enumerate(groups):
            for run in group:
                for name, thin in names:
                    steps, values = run.curves.get(name, ([], []))
                    series.append(charts.Series(number, steps, values, thin))
                if values:
                    told.append(f"{run.name}: from {values[0]:.4g} to {values[-1]:.4g}")
        thin = len(names) > 1
        shown = f"{title} (thin: training, dots: validation)" if thin else title
        if chart := charts.draw(shown, "updates", series, "; ".join(told)):
            yield chart


def validations(runs: Sequence[RunPart]) -> Grid:
    """Return the figures of each validation, a column for each that some run has."""
    shown = {title: name for title, name in _VALIDATIONS.items() if any(name in run.curves for run in runs)}
    rows = []
    for run in runs:
        found = [dict(zip(*run.curves.get(name, ([], [])), strict=True)) for name in shown.values()]
        for step in sorted({step for each in found for step in each}):
            figures = [f"{each[step]:.3f}" if step in each else "–" for each in found]
            rows.append([run.name, f"{step:,}", *figures])
    return Grid("Validations", ["run", "update", *shown], rows)
