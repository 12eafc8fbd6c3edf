"""nmt check: test whether the output depends on batch size, order or precision."""

from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.arguments import Beam, Device, Model, Threads, To, use_threads
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError


def check(
    model: Model,
    data: Annotated[Path, typer.Option(metavar="FILE", help="text file to translate", show_default=False)],
    to: To = None,
    beam: Beam = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Decode lines in several batch sizes, orders and precisions; report every difference.

    The reference is the search in float64. In float64 all tokens must be equal; in float32 fewer than 1 line
    in 2,000 may differ (but one in any file), and only by a tie within 1e-4. In int8, the default of
    nmt translate on a CPU, differences from float64 are only counted; among its batches and orders all tokens
    must be equal. Otherwise the exit code is 1.
    """
    use_threads(threads)
    from nmt.data.lines import in_memory, read_lines
    from nmt.workflows.check_invariance import check_run

    lines = in_memory(read_lines(data), str(data))
    if not any(line.strip() for line in lines):
        raise UserError(f"--data {data}: expected lines to translate, found none with text")
    options = TranslationOptions(models=(model,), to=to, beam=beam, device=device)
    row = "{:<10} {:<10} {:<10} {:>8} {:>8} {:>10}  {}"
    passed, details = True, []
    for number, each in enumerate(check_run(options, lines)):
        if not number:
            print(row.format("precision", "order", "batch", "lines", "differ", "score gap", ""))
        passed = passed and each.passed
        verdict = "passed" if each.passed else "FAILED"
        verdict = verdict if each.judged else "not judged"
        differ = len(each.differences)
        print(row.format(*each.way, each.lines, differ, f"{each.score_gap:.1e}", verdict), flush=True)
        details += [(each.way, difference) for difference in each.differences if each.judged]
    for way, (line, expected, found, closest) in details:
        decision = f"; closest decision of the search: {closest:.1e}" if isfinite(closest) else ""
        print(f"\n{data}: line {line}, {', '.join(way)}{decision}")
        print(f"  expected  {expected}\n  found     {found}")
    if not passed:
        raise typer.Exit(1)
