"""Several references of a sentence, of which some may be missing."""

from collections.abc import Sequence

from nmt.errors import UserError


def with_gaps(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Return None for a blank reference of a sentence that has another one, so that it does not count.

    A sentence has fewer references then, and the signature says nrefs:var.
    """
    some = [any(line.strip() for line in of_sentence) for of_sentence in zip(*references, strict=True)]
    return [
        [line if line.strip() or not other else None for line, other in zip(lines, some, strict=True)]
        for lines in references
    ]


def check_no_blank(references: Sequence[Sequence[str]], name: str) -> None:
    """Raise UserError for a sentence whose references are all blank; name: of the files."""
    for number, of_sentence in enumerate(zip(*references, strict=True), 1):
        if not any(line.strip() for line in of_sentence):
            raise UserError(
                f"{name}: line {number}: expected a reference, found a blank line; "
                "remove the line from all files, or fill it"
            )
