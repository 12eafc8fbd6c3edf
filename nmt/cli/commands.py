"""Groups of commands, and what all commands do with their arguments."""

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from nmt.errors import UserError
from nmt.files import usable
from nmt.hub import local

# The parameters of all commands that name models, which may be on the hub.
OF_MODELS = {"model", "lm", "rerank", "reverse", "run", "runs", "others"}


class Command(TyperCommand):
    """A command that refuses to get an option of one value twice; by default the last would win silently."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; raises UserError if an option of one value is repeated."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for option, times in Counter(order).items():
            if times > 1 and isinstance(option, TyperOption) and not (option.multiple or option.is_flag):
                raise UserError(
                    f"{option.opts[0]} is given {times} times, expected once; leave out the others"
                )
        return super().parse_args(ctx, args)


def group(help_: str) -> typer.Typer:
    """Return a group without commands."""
    return typer.Typer(
        help=help_,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def add(to: typer.Typer, command: Callable[..., None]) -> None:
    """Add a function to a group, as the command of its name.

    Its parameters are the options; one that is a NamedTuple stands for an option per field. ~ is expanded in
    every path, since shells do not expand it after `--key=`; models of the hub are fetched.
    """

    def path(key: str, value: object) -> object:
        if isinstance(value, list):
            return [path(key, each) for each in value]
        if not isinstance(value, Path):
            return value
        found = Path(usable(str(value)))
        return local(found) if key in OF_MODELS else found

    parameters = inspect.signature(command).parameters.values()
    groups = {each.name: each.annotation for each in parameters if hasattr(each.annotation, "_fields")}

    @functools.wraps(command)
    def run(**arguments: object) -> None:
        values = {key: path(key, value) for key, value in arguments.items()}
        for name, kind in groups.items():
            values[name] = kind(**{field: values.pop(field) for field in kind._fields})
        command(**values)

    flat: list[inspect.Parameter] = []
    for each in parameters:
        named = each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        flat += _fields(groups[each.name]) if each.name in groups else [named]
    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in flat}
    to.command(cls=Command)(run)


def _fields(kind: Any) -> list[inspect.Parameter]:
    """Return a parameter per field of a NamedTuple."""
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=kind._field_defaults.get(name, inspect.Parameter.empty),
            annotation=kind.__annotations__[name],
        )
        for name in kind._fields
    ]
