"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table; numbers: the columns that stand to the right. No text ends its cell."""
    rules = ["---:" if place in numbers else "---" for place in range(len(head))]
    return "\n".join(_row(cells) for cells in (head, rules, *rows))


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
