"""nmt align: word links of given sentence pairs, and their error rate."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.cli.arguments import Device, To, given
from nmt.errors import UserError

Model = Annotated[
    Path, typer.Option(metavar="MODEL", help="a run or exported model that translates", show_default=False)
]
Reverse = Annotated[
    Path | None, typer.Option(metavar="MODEL", help="one that translates the other way, to align with both")
]
ReverseTo = Annotated[str | None, typer.Option(metavar="LANGUAGE", help="--to of the model of --reverse")]
Source = Annotated[Path, typer.Option("--src", metavar="FILE", help="source text", show_default=False)]
Target = Annotated[Path, typer.Option("--trg", metavar="FILE", help="its translation", show_default=False)]
Kind = Annotated[
    Literal["intersection", "union", "grow-diag", "grow-diag-final-and"],
    typer.Option("--symmetrise", help="how the links of both directions become one alignment"),
]
GoldFile = Annotated[
    Path | None,
    typer.Option("--gold", metavar="FILE", help="links by people, 0-0 or possible 0p0: print the error rate"),
]


def align(
    context: typer.Context,
    model: Model,
    src: Source,
    trg: Target,
    reverse: Reverse = None,
    to: To = None,
    reverse_to: ReverseTo = None,
    kind: Kind = "grow-diag-final-and",
    gold: GoldFile = None,
    device: Device = "auto",
) -> None:
    """Align the words of sentence pairs by where a model looks when it is given the translation.

    Writes a line of links source-target for each pair (Pharaoh format), words between spaces counted from 0;
    with --gold, instead, the alignment error rate of Och & Ney 2003.
    """
    from nmt.evaluation.alignment import pharaoh
    from nmt.evaluation.links import error_rate, read_gold
    from nmt.workflows.align import align_pairs
    from nmt.workflows.score import read_together

    if reverse is None and (idle := given(context, "kind", "reverse_to")):
        raise UserError(f"{idle}: no effect without --reverse; leave it out")
    pairs = list(zip(*read_together(src, trg), strict=True))
    expected = read_gold(gold, pairs) if gold else None
    found = align_pairs(pairs, model, reverse, to=to, reverse_to=reverse_to, kind=kind, device=device)
    if expected is None:
        for each in found:
            print(pharaoh(each))
        return
    rate = error_rate(found, expected)
    print(
        f"AER {rate.aer:.3f}   precision {rate.precision:.3f}, recall {rate.recall:.3f} of sure links; "
        f"{rate.found:,} links, {rate.sure:,} sure ones"
    )
