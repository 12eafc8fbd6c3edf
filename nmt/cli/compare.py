"""nmt compare: is one configuration better than another, over seeds and sentences together?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli.arguments import Beam, Device, To

if TYPE_CHECKING:
    from nmt.evaluation.verdict import Group

Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN…", help="runs of one configuration", show_default=False)
]
Others = Annotated[
    list[Path],
    typer.Option(
        "--with", metavar="RUN", help="a run of the other configuration; repeatable", show_default=False
    ),
]
SplitOfRuns = Annotated[str, typer.Option(help="split of the runs' data")]


def compare(
    runs: Runs,
    others: Others,
    split: SplitOfRuns = "test",
    to: To = None,
    beam: Beam = None,
    device: Device = "auto",
) -> None:
    """Compare two configurations, each by its runs with several seeds, on the test split.

    Prints the mean BLEU of each with the standard deviation over the seeds, the difference with its 95 %
    interval, p, and the smallest difference that could be told from chance. The bootstrap resamples seeds and
    sentences together. All runs translate the same text.
    """
    from nmt.workflows.compare import compare_configurations

    verdict, signature = compare_configurations(runs, others, split=split, to=to, beam=beam, device=device)
    _print("A", runs, verdict.a)
    _print("B", others, verdict.b)
    print(
        f"A − B  {verdict.difference:+.2f}   95 % from {verdict.low:+.2f} to {verdict.high:+.2f}, "
        f"p = {verdict.p:.4f}"
    )
    print(f"Smaller differences than {verdict.smallest:.2f} cannot be told from chance here.")
    alone = [name for name, group in (("A", verdict.a), ("B", verdict.b)) if len(group.scores) == 1]
    if alone:
        print(f"{' and '.join(alone)}: one seed, whose luck p ignores; train two more.")
    print(signature)


def _print(name: str, runs: list[Path], group: "Group") -> None:
    spread = "" if group.deviation is None else f" ± {group.deviation:.2f}"
    each = " ".join(f"{score:.2f}" for score in group.scores)
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    print(f"{name}  BLEU {group.mean:.2f}{spread}   {count}: {each}")
