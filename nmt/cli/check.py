"""nmt check: whether the output depends on batch size, order or precision; what the search missed."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli.arguments import MOST, Beam, Device, LengthPenalty, Model, Threads, To, given, use_threads
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.workflows.search_errors import Judged

SHOWN = 10  # sentences in which the search missed most


def check(
    context: typer.Context,
    model: Model,
    data: Annotated[Path, typer.Option(metavar="FILE", help="text file to translate", show_default=False)],
    search: Annotated[
        bool,
        typer.Option("--search", help="instead, count where the model prefers another text; needs --ref"),
    ] = False,
    ref: Annotated[
        Path | None, typer.Option(metavar="FILE", help="with --search: the reference of each line")
    ] = None,
    budget: Annotated[
        int,
        typer.Option(
            min=0, max=MOST, help="with --search: prefixes extended per line, by exact search; 0: none"
        ),
    ] = 1000,
    length_penalty: LengthPenalty = None,
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

    With --search: in how many lines the model gives the reference a higher score than the translation, so
    that the search is at fault, and in how many an exact search finds a better output or proves that there
    is none. Scores are the search's own, with its length penalty, in float64.
    """
    use_threads(threads)
    options = TranslationOptions(
        models=(model,), to=to, beam=beam, length_penalty=length_penalty, device=device
    )
    if search:
        if ref is None:
            raise UserError("--search: expected a reference for each line; give --ref FILE")
        _check_search(options, data, ref, budget)
    elif idle := given(context, "ref", "budget"):
        raise UserError(f"{idle}: no effect without --search; leave it out")
    else:
        _check_invariance(options, data)


def _check_invariance(options: TranslationOptions, data: Path) -> None:
    from nmt.data.lines import in_memory, read_lines
    from nmt.workflows.check_invariance import check_run

    lines = in_memory(read_lines(data), str(data))
    if not any(line.strip() for line in lines):
        raise UserError(f"--data {data}: expected lines to translate, found none with text")
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


def _check_search(options: TranslationOptions, data: Path, ref: Path, budget: int) -> None:
    from nmt.workflows.score import read_together
    from nmt.workflows.search_errors import judge

    lines = enumerate(zip(*read_together(data, ref), strict=True), 1)
    pairs = {number: pair for number, pair in lines if pair[0].strip()}
    if not pairs:
        raise UserError(f"--data {data}: expected lines to translate, found none with text")
    found = dict(zip(pairs, judge(options, list(pairs.values()), most=budget), strict=True))
    print("\n".join(_summary(list(found.values()), budget)))
    missed = {number: each for number, each in found.items() if each.gap}
    for number, each in sorted(missed.items(), key=lambda item: -item[1].gap)[:SHOWN]:
        print(f"\n{data}: line {number}, score gap {each.gap:.3f}")
        print(f"  found   {each.translation.text}\n  better  {each.best.text}")


def _summary(found: "list[Judged]", budget: int) -> list[str]:
    def row(text: str, of: "list[Judged]") -> str:
        return f"{text:<52} {len(of):>7,} {len(of) / len(found):>7.1%}"

    rows = [
        row("lines", found),
        row(
            "the model prefers the reference: search errors", [each for each in found if each.reference_wins]
        ),
        row("the search may not write the reference", [each for each in found if each.reference is None]),
    ]
    if budget:
        better = [each for each in found if each.better is not None]
        rows += [
            row("the translation is the best output", [each for each in found if each.is_best]),
            row("exact search found a better one", better),
            row("… which is empty", [each for each in better if each.better and not each.better.text]),
            row(
                "not known: the budget ran out", [each for each in found if not each.proved and not each.gap]
            ),
        ]
    return rows
