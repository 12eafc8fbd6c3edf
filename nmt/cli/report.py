"""nmt report: a page on runs, the table of a paper, or the table of results in Markdown files."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.arguments import Beam, Device, Metrics, Overrides, Threads, To, given, metric_names, use_threads
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.report.content import Report
    from nmt.workflows.report import ReportOptions

Wandb = Literal["off", "offline", "online"]  # the module that has it loads pydantic
PAGES = (Path("README.md"), Path("experiments/README.md"))
OF_RUNS = (
    "split",
    "src",
    "ref",
    "metrics",
    "overrides",
    "to",
    "beam",
    "device",
    "threads",
    "without_text",
    "wandb",
)
OF_TRANSLATING = (*OF_RUNS, "markdown", "latex")
OF_RESULTS = ("results", "check")

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[RUN…|FILE…]",
        help="run folders, with --html, --markdown or --latex; without, Markdown files with both markers",
        show_default=False,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="new file: a page on the runs, which needs no other file and no network"
    ),
]
Markdown = Annotated[
    Path | None, typer.Option(metavar="FILE", help="new file: the table of a paper in Markdown")
]
Latex = Annotated[Path | None, typer.Option(metavar="FILE", help="new file: the table of a paper in LaTeX")]
WithoutText = Annotated[
    bool,
    typer.Option(
        "--without-text",
        help="of runs: a small page that shows no sentence of the data, for data not to be passed on",
    ),
]
Tracked = Annotated[
    Wandb,
    typer.Option(
        "--wandb", help="of runs: also log verdicts and sentences to Weights & Biases, from FILE-wandb"
    ),
]
SplitOfRuns = Annotated[str, typer.Option(help="of runs: split of their data that they translate")]
Sources = Annotated[Path | None, typer.Option(metavar="FILE", help="of runs: sources, in place of --split")]
References = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", help="of runs: references of --src; give several files for several references"
    ),
]
Results = Annotated[Path, typer.Option(metavar="FOLDER", help="of files: folder of the experiments")]
Check = Annotated[
    bool, typer.Option("--check", help="of files: write nothing; exit with code 1 if a table differs")
]


def report(
    context: typer.Context,
    paths: Paths = None,
    html: Html = None,
    markdown: Markdown = None,
    latex: Latex = None,
    split: SplitOfRuns = "test",
    src: Sources = None,
    ref: References = None,
    metrics: Metrics = "bleu,chrf",
    overrides: Overrides = None,
    to: To = None,
    beam: Beam = None,
    device: Device = "auto",
    threads: Threads = None,
    without_text: WithoutText = False,
    wandb: Tracked = "off",
    results: Results = Path("experiments"),
    check: Check = False,
) -> None:
    """Report on runs: a page (--html), the table of a paper (--markdown, --latex). Or update files.

    nmt report RUN… --html out.html: the runs translate their test split as nmt score does. Runs that differ
    only in their seed are one system; the first system is what the others are compared with. The page holds
    verdicts, scores, curves, all sentences with their attention, and how to repeat it.

    Of experiments without their model, and of runs that do not translate, the page (--html) holds what their
    folders record: scores, curves, configuration, and how to repeat it.

    nmt report [FILE…]: writes the table of results between the markers of Markdown files, by default from
    experiments/*/result.json into README.md and experiments/README.md.
    """
    outputs = {"--html": html, "--markdown": markdown, "--latex": latex}
    asked = {option: path for option, path in outputs.items() if path is not None}
    if not asked:
        _refuse(context, OF_RUNS, "is for runs; give --html FILE too")
        _update_files(paths or PAGES, results, check=check)
        return
    _refuse(context, OF_RESULTS, f"has no effect with {next(iter(asked))}; leave it out")
    _check_outputs(asked)
    if not paths:
        raise UserError(
            f"{next(iter(asked))}: a report on no run; give the folder of a run, such as runs/demo"
        )
    from nmt.workflows.recorded import is_record

    if is_record(paths[0]):
        _refuse(
            context, OF_TRANSLATING, f"has no effect: {paths[0]} records scores but holds no model to run"
        )
        _record(paths, html)
        return
    chosen = metric_names(metrics)
    if not {"bleu", "chrf"} <= {*chosen}:
        raise UserError(f"--metrics {metrics}: a report always has bleu and chrf; add them")
    if (src is None) != (not ref):
        raise UserError("--src and --ref belong together: sources and their references; give both")
    if wandb != "off" and html is None:
        raise UserError(f"--wandb {wandb}: logs what a page shows; give --html FILE too")
    if without_text and html is None:
        raise UserError("--without-text: is about the page; give --html FILE too")
    if without_text and wandb != "off":
        raise UserError(f"--without-text: --wandb {wandb} logs the sentences; give only one of them")
    if src is not None and given(context, "split"):
        raise UserError(f"--split {split}: has no effect with --src and --ref; give only one of them")
    use_threads(threads)
    from nmt.workflows.report import ReportOptions

    options = ReportOptions(
        split=split,
        files=(src, *ref) if src and ref else (),
        metrics=chosen,
        overrides=overrides or (),
        to=to,
        beam=beam,
        device=device,
    )
    found = _report_runs(paths, options, asked, with_text=not without_text)
    if wandb != "off" and html is not None:
        _track(found, html, wandb)


def _record(folders: Sequence[Path], page: Path | None) -> None:
    from nmt.files import replace_text
    from nmt.report.page import render_recorded
    from nmt.workflows.recorded import recorded_runs

    assert page is not None  # the other outputs are refused
    replace_text(page, render_recorded(recorded_runs(folders, command=shlex.join(["nmt", *sys.argv[1:]]))))
    print(page)


def _report_runs(
    runs: Sequence[Path], options: "ReportOptions", outputs: dict[str, Path], *, with_text: bool
) -> "Report":
    """Translate, print verdicts, write each output, and return what they are made of."""
    from nmt.files import replace_text
    from nmt.report.content import verdicts
    from nmt.report.page import render
    from nmt.report.tables import latex_table, markdown_table
    from nmt.workflows.report import report_runs

    command = shlex.join(["nmt", *sys.argv[1:]])
    found = report_runs(runs, options, command=command, log=lambda text: print(text, flush=True))
    print("\n".join(verdicts(found)))
    write: dict[str, Callable[[Report], str]] = {
        "--html": partial(render, with_text=with_text),
        "--markdown": markdown_table,
        "--latex": latex_table,
    }
    for option, path in outputs.items():
        replace_text(path, write[option](found))
        print(path)
    return found


def _track(report: "Report", page: Path, wandb: Wandb) -> None:
    """Log the verdicts and the table of sentences as a run of wandb, whose files lie beside the page."""
    from nmt.config.tracking import TrackingConfig
    from nmt.report.content import sentence_table, verdicts
    from nmt.training.tracking import show

    folder = page.with_name(f"{page.name}-wandb")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be created ({error.strerror}); the page is written") from None
    show(
        folder,
        TrackingConfig(wandb=wandb, group="report"),
        name=f"report-{page.stem}",
        settings={"text": report.text.label, "verdicts": verdicts(report), "command": report.command},
        pictures={},
        table=sentence_table(report),
        kept=page,
    )


def _check_outputs(outputs: dict[str, Path]) -> None:
    """Raise UserError unless each is a new file of its own."""
    from nmt.files import check_new

    for option, path in outputs.items():
        check_new(path, option)
    if len({os.path.realpath(path) for path in outputs.values()}) < len(outputs):
        raise UserError(f"{' and '.join(outputs)}: are one file; give each its own")


def _refuse(context: typer.Context, names: Sequence[str], why: str) -> None:
    if idle := given(context, *names):
        raise UserError(f"{idle}: {why}")


def _update_files(paths: Sequence[Path], results: Path, *, check: bool) -> None:
    from nmt.evaluation.report import load_results, table_is_current, update_tables

    if folders := [path for path in paths if path.is_dir()]:
        raise UserError(f"{folders[0]}: a folder; a report on runs needs --html, --markdown or --latex FILE")
    found = load_results(results)
    if check:
        stale = [path for path in paths if not table_is_current(path, found)]
        for path in stale:
            print(f"{path}: differs from the results; run nmt report")
        raise typer.Exit(1 if stale else 0)
    for path, updated in zip(paths, update_tables(paths, found), strict=True):
        print(f"{path}: {'updated' if updated else 'already current'}")
    if not found:
        print(f"nmt: {results} holds no result.json: the table is empty", file=sys.stderr)
