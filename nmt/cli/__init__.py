"""The command `nmt`: one thin file per command; heavy imports wait until a command runs."""

import atexit
import gc
import sys
from importlib import import_module
from typing import Annotated

import typer

from nmt import __version__
from nmt.cli.commands import add, group
from nmt.cli.streams import one_way_out, open_streams, use_utf8

# Each is a module here, with a function or a group of its name; in the order of `nmt --help`.
COMMANDS = (
    "prepare",
    "train",
    "seeds",
    "translate",
    "augment",
    "score",
    "compare",
    "align",
    "predict",
    "sample",
    "show",
    "serve",
    "export",
    "publish",
    "plot",
    "report",
    "reproduce",
    "check",
    "check_resume",
    "lab",
)


def make_app(*names: str) -> typer.Typer:
    """Return the command line with these commands; without names, with all."""
    app = group("Recurrent neural machine translation: from raw parallel text to translations and BLEU.")
    app.callback()(_before)
    for name in names or COMMANDS:
        command = getattr(import_module(f"nmt.cli.{name}"), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            add(app, command)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"nmt {__version__}")
        raise typer.Exit


def _before(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="print the version")
    ] = False,
) -> None:
    """Do what the options before a command ask for."""


def main(*before: str) -> None:
    """Run the command line, after the given words; a UserError is one line on stderr and exit code 2."""
    # Collecting garbage among torch's million objects finds nothing, and takes 0.25 s at exit.
    gc.set_threshold(20_000)
    atexit.register(gc.freeze)
    use_utf8()
    open_streams()
    words = [*before, *sys.argv[1:]]
    # A line through a model takes 0.3 s, and the modules of all other commands another 0.03.
    asked = [name for name in COMMANDS if words[:1] == [name.replace("_", "-")]]
    with one_way_out():
        sys.exit(make_app(*asked)(args=words, prog_name="nmt", standalone_mode=False) or 0)
