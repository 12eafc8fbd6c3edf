"""The output of an experiment of the laboratory: pictures, their numbers, and a table on the terminal."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config.tracking import TrackingConfig, Wandb
from nmt.errors import UserError
from nmt.files import open_regular, replace_text
from nmt.training.tracking import Table, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table as Drawn

DPI = 100  # of the pictures
_BEGIN = b'{"settings":'  # every NAME.json starts with it
LEAST = 14  # smallest width of the first column


@dataclass(frozen=True)
class Page:
    """The result of one experiment.

    settings: all that is needed to repeat it. numbers: the data of the pictures, for JSON. pictures: by name.
    """

    name: str
    settings: Mapping[str, object]
    table: Table
    numbers: object
    pictures: Mapping[str, "Figure"]
    remarks: Sequence[str] = field(default=())


def open_folder(folder: Path, name: str) -> Path:
    """Return the folder for a page of this name, created if missing.

    Raises UserError if it cannot be written, or holds a NAME.json or pictures that `write` did not write.
    """
    try:
        numbers = folder / f"{name}.json"
        foreign = any(folder.glob("*.png")) and not any(map(_is_ours, folder.glob("*.json")))
        if foreign or (numbers.exists() and not _is_ours(numbers)):
            raise UserError(
                f"--output {folder}: holds {numbers.name} or pictures that nmt lab did not write; "
                "give another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"--output {folder}: cannot be written: {error.strerror}; give another folder"
        ) from None
    return folder


def _is_ours(path: Path) -> bool:
    """Return whether `write` wrote the file."""
    try:
        with open_regular(path) as file:
            return file.read(len(_BEGIN)) == _BEGIN
    except OSError:
        return False


def write(page: Page, folder: Path, *, wandb: Wandb) -> None:
    """Write NAME.json and one PNG per picture into the folder, print the table, log to wandb if wanted."""
    from rich.console import Console

    content = {"settings": page.settings, "table": page.table, "numbers": page.numbers}
    text = json.dumps(_plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    replace_text(folder / f"{page.name}.json", text + "\n")
    pictures = {name: folder / f"{name}.png" for name in page.pictures}
    for name, path in pictures.items():
        try:
            page.pictures[name].savefig(path, dpi=DPI)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    console = Console(highlight=False)
    console.width = max(console.width, 110)  # a folded table is unreadable; a terminal may cut it
    console.print(_rich(page.table))
    for line in (*page.remarks, *map(str, (*pictures.values(), folder / f"{page.name}.json"))):
        console.print(line, markup=False, soft_wrap=True)
    if wandb != "off":
        show(
            folder,
            TrackingConfig(wandb=wandb, group="lab"),
            name=f"lab-{page.name}",
            settings=page.settings,
            pictures=pictures,
            table=page.table,
            kept=folder,
        )


def number(value: float | None, digits: int = 4) -> str:
    """Return a number for a table: with this many digits, or in scientific notation, or – for None."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not finite"
    small = value != 0 and not 10**-digits <= abs(value) < 10**digits
    return f"{value:.1e}" if small else f"{value:.{digits}f}"


def _plain(value: object) -> object:
    """Return the tree for JSON: six digits, null for NaN and infinity, a named tuple as a mapping."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _rich(table: Table) -> "Drawn":
    from rich.markup import escape
    from rich.table import Table as Drawn

    drawn = Drawn(box=None, pad_edge=False)
    for place, column in enumerate(table.columns):
        drawn.add_column(
            escape(column),
            justify="left" if place == 0 else "right",
            min_width=LEAST if place == 0 else None,
            no_wrap=place > 0,
        )
    for row in table.rows:
        drawn.add_row(*(escape(str(cell)) for cell in row))
    return drawn
