"""The command `nmt`: one thin file per command; heavy imports wait until a command runs."""

import atexit
import functools
import gc
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from nmt.cli.align import align
from nmt.cli.arguments import OF_MODELS, Command
from nmt.cli.augment import augment
from nmt.cli.check import check
from nmt.cli.check_resume import check_resume
from nmt.cli.compare import compare
from nmt.cli.export import export
from nmt.cli.lab import lab
from nmt.cli.plot import plot
from nmt.cli.predict import predict
from nmt.cli.prepare import prepare
from nmt.cli.publish import publish
from nmt.cli.report import report
from nmt.cli.reproduce import reproduce
from nmt.cli.sample import sample
from nmt.cli.score import score
from nmt.cli.seeds import seeds
from nmt.cli.serve import serve
from nmt.cli.show import show
from nmt.cli.streams import one_way_out, open_streams, use_utf8
from nmt.cli.train import train
from nmt.cli.translate import translate
from nmt.files import usable
from nmt.hub import local

app = typer.Typer(
    name="nmt",
    help="Recurrent neural machine translation: from raw parallel text to translations and BLEU.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    prepare,
    train,
    seeds,
    translate,
    augment,
    score,
    compare,
    align,
    predict,
    sample,
    show,
    serve,
    export,
    publish,
    plot,
    report,
    reproduce,
    check,
    check_resume,
):
    app.command()(command)
app.add_typer(lab, name="lab")


def _with_usable_paths(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with ~ expanded in every path, and models of the hub fetched.

    Shells do not expand ~ after `--key=`.
    """

    def path(key: str, value: object) -> object:
        if isinstance(value, list):
            return [path(key, each) for each in value]
        if not isinstance(value, Path):
            return value
        found = Path(usable(str(value)))
        return local(found) if key in OF_MODELS else found

    @functools.wraps(command)
    def run(**arguments: object) -> None:
        command(**{key: path(key, value) for key, value in arguments.items()})

    return run


for group in (app, lab):
    for registered in group.registered_commands:
        assert registered.callback is not None
        registered.callback = _with_usable_paths(registered.callback)
        registered.cls = Command


def main(*before: str) -> None:
    """Run the command line, after the given words; a UserError is one line on stderr and exit code 2."""
    # Collecting garbage among torch's million objects finds nothing, and takes 0.25 s at exit.
    gc.set_threshold(20_000)
    atexit.register(gc.freeze)
    use_utf8()
    open_streams()
    with one_way_out():
        sys.exit(app(args=[*before, *sys.argv[1:]], prog_name="nmt", standalone_mode=False) or 0)
