"""A run in TensorBoard: event files in the run folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.evaluation.alignment import Detail
from nmt.evaluation.markdown import table
from nmt.results import Figure
from nmt.training.sessions import Better, Sample, pictures

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardRun:
    """Event files in a folder; each start adds one. TensorBoard keeps no models."""

    name = "tensorboard"

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        """settings: the configuration, which is shown as text."""
        self._folder, self._settings = folder, settings
        self._writer: SummaryWriter | None = None
        self._step = 0

    def start(self) -> None:
        """Load the package; the file is opened at the first update, whose number it needs."""
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError:
            raise ImportError("the package tensorboard is not installed (extra: tensorboard)") from None

    def figures(self, step: int, figures: Mapping[str, Figure]) -> None:
        """Log the figures of an update; text and null are left out."""
        writer = self._open(step)
        for key, value in figures.items():
            if isinstance(value, int | float):
                writer.add_scalar(key, value, step)

    def samples(self, step: int, rows: Sequence[Sample], details: Sequence[Detail]) -> None:
        """Log sample translations as a table, and a picture of the attention of each."""
        writer = self._open(step)
        if rows:
            writer.add_text("samples", table(("source", "reference", "translation"), rows), step)
        for number, _, pixels in pictures(details):
            writer.add_image(f"attention/{number}", pixels, step, dataformats="HW")
        writer.flush()

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None:
        """Do nothing."""

    def finish(self, result: Mapping[str, object] | None) -> None:
        """Log the result as text and close the file."""
        if result is not None:
            self._open(self._step).add_text("result", _as_code(result), self._step)
        if self._writer is not None:
            self._writer.close()

    def _open(self, step: int) -> "SummaryWriter":
        """Return the writer. What an earlier start logged from this step on is struck out."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            before = any(self._folder.glob("events.out.tfevents.*"))
            self._writer = SummaryWriter(str(self._folder), purge_step=step if before else None)
            if not before:
                self._writer.add_text("configuration", _as_code(self._settings), step)
        self._step = max(step, self._step)
        return self._writer


def _as_code(content: Mapping[str, object]) -> str:
    """Return JSON as Markdown that shows it as it is."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return "\n".join(f"    {line}" for line in text.splitlines())
