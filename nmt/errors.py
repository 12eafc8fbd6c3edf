"""Errors that a person can cause, as opposed to errors of the program."""

from typing import Self


class UserError(Exception):
    """A mistake a person can fix: shown as one clear line, exit code 2, never a traceback.

    The message names the file, line or key, says what was expected and what was found,
    and what to do. Several mistakes at once are several arguments, one line each.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


def message_of(error: Exception) -> str:
    """Return a library's message of an error in one line."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:500] or type(cause).__name__


class CannotExport(UserError):
    """A layer has no ONNX graph."""

    @classmethod
    def of(cls, layer: object) -> Self:
        """Return the error that names the layer."""
        return cls(f"{type(layer).__name__} cannot be exported: there is no ONNX graph for it")


class Diverged(UserError):
    """What a model computes is not a number, or has probability 0."""

    @classmethod
    def giving_no(cls, what: str) -> Self:
        """Return the error of a model that gives no `what` ("translation") a probability above 0."""
        return cls(
            f"the model gives no {what} a probability above 0: its weights are damaged, or too large for the "
            "precision, as after a training that diverged; take another run"
        )
