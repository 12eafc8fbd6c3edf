"""Output for a person during training: a progress bar in a terminal, plain lines elsewhere."""

from collections.abc import Mapping
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


def readable(figures: Mapping[str, float]) -> str:
    """Return validation figures as part of a line, without nll, of which perplexity is the exponential."""
    shown = {name: value for name, value in figures.items() if name != "nll" or "perplexity" not in figures}
    return "  ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in shown.items())


class Progress:
    """A bar with loss, tokens per second and time left; messages and validations stay above it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%  update {task.fields[update]}  {task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("training", total=1.0, update=0, figures="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.stop()

    def log(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, update: int, done: float, figures: Mapping[str, float | int]) -> None:
        """Move the bar; done: fraction of the budget used."""
        loss, speed = figures.get("train/loss", float("nan")), figures["train/trg_tokens_per_s"]
        text = f"loss {loss:.3f}  {speed:,.0f} tokens/s"
        self._bar.update(self._task, completed=done, update=update, figures=text)

    def validated(self, update: int, minutes: float, figures: Mapping[str, float], *, improved: bool) -> None:
        """Print one validation."""
        text = readable(figures)
        self.log(f"update {update:>6}  {minutes:6.1f} min  {text}{'  best' if improved else ''}")
