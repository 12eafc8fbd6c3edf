"""What the options of all commands have in common."""

from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import typer

from nmt.cli import app

CHECKED = ("temperature", "top_p")  # by the commands, in words of their own


def commands(group: typer.Typer) -> Iterator[Callable[..., Any]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance)


def test_every_number_has_a_lower_and_an_upper_bound() -> None:
    found = 0
    for command in commands(app):
        for name, hint in get_type_hints(command, include_extras=True).items():
            kind, *notes = get_args(hint) or (hint,)
            if {int, float} & {kind, *get_args(kind)} and name not in CHECKED:
                found += 1
                assert notes, f"{command.__name__} {name}"
                assert notes[0].min is not None, f"{command.__name__} {name}"
                assert notes[0].max is not None, f"{command.__name__} {name}"
    assert found > 30
