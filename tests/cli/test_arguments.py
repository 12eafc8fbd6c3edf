"""What the options of all commands have in common."""

from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import pytest
import typer

from nmt.cli import make_app
from nmt.cli.arguments import words
from nmt.errors import UserError

CHECKED = ("temperature", "top_p")  # by the commands, in words of their own


def commands(group: typer.Typer) -> Iterator[Callable[..., Any]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance)


def parsers(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        yield from parsers(command) if hasattr(command, "commands") else [command]


def test_an_option_of_one_value_is_given_once() -> None:
    tried = 0
    for command in parsers(typer.main.get_command(make_app())):
        for option in command.params:
            if option.param_type_name != "option" or option.is_flag or option.multiple:
                continue
            tried += 1
            for name in {option.opts[0], option.opts[-1]}:
                with pytest.raises(UserError, match=rf"^{option.opts[0]} is given 2 times, expected once"):
                    command.make_context("nmt", [name, "1", f"{name}=2"])
    assert tried > 60


def test_an_option_of_several_values_is_given_several_times() -> None:
    command = typer.main.get_command(make_app()).commands["translate"]  # type: ignore[attr-defined]
    found = command.make_context("translate", ["--model", "a", "--resume", "--model", "b", "--resume"])
    assert list(map(str, found.params["model"])) == ["a", "b"]


def test_every_number_has_a_lower_and_an_upper_bound() -> None:
    found = 0
    for command in commands(make_app()):
        for name, hint in get_type_hints(command, include_extras=True).items():
            kind, *notes = get_args(hint) or (hint,)
            if {int, float} & {kind, *get_args(kind)} and name not in CHECKED:
                found += 1
                assert notes, f"{command.__name__} {name}"
                assert notes[0].min is not None, f"{command.__name__} {name}"
                assert notes[0].max is not None, f"{command.__name__} {name}"
    assert found > 30


def test_the_words_of_a_command_can_be_typed_again() -> None:
    command = typer.main.get_command(make_app()).commands["score"]  # type: ignore[attr-defined]
    typed = ["--set", "decoding.beam=3", "--set", "data.src=de", "--metrics", "bleu", "--papers"]
    context = command.make_context("score", ["--model", "runs/a", *typed])
    found = words(context, without=("model",))
    assert found == ("score", *typed)
