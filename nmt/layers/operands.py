"""Operands: objects in the place of weight matrices, whose products go another way than a tensor's.

A module is not told: `F.linear(x, w, b)` reaches the operand, every other torch function sees the tensor
that it stands for.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

Module = TypeVar("Module", bound=nn.Module)


class Operand:
    """What stands for a tensor and takes its products over."""

    def tensor(self) -> Tensor:
        """Return the tensor, for whatever is no product."""
        raise NotImplementedError

    def linear(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b (…, out) for x (…, in)."""
        return F.linear(x, self.tensor(), bias)

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what a torch function gives that is not F.linear(x, self)."""
        return function(*plain(args), **plain(kwargs))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.tensor(), name)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.linear and not kwargs and isinstance(args[1], Operand) and isinstance(args[0], Tensor):
            return args[1].linear(args[0], args[2] if len(args) > 2 else None)
        return _first([*args, *(kwargs or {}).values()]).call(func, args, kwargs or {})


def plain(value: Any) -> Any:
    """Return the arguments of a torch function with tensors in the place of operands."""
    match value:
        case Operand():
            return value.tensor()
        case list() | tuple():
            return type(value)(map(plain, value))
        case dict():
            return {name: plain(part) for name, part in value.items()}
        case _:
            return value


def _first(value: Any) -> Any:
    """Return the first operand among the arguments of a torch function, None if there is none."""
    if isinstance(value, Operand):
        return value
    if isinstance(value, list | tuple):
        return next((found for part in value if (found := _first(part)) is not None), None)
    return None


def twin(module: Module, operand: Callable[[nn.Parameter], Any]) -> Module:
    """Return a copy of the module that shares all with it, but has an operand for each weight matrix.

    A matrix that several modules share has one operand.
    """
    made: dict[nn.Parameter, Any] = {}

    def of(parameter: nn.Parameter | None) -> Any:
        if parameter is None or parameter.ndim != 2:
            return parameter
        if parameter not in made:
            made[parameter] = operand(parameter)
        return made[parameter]

    def copied(original: nn.Module) -> nn.Module:
        twin = copy.copy(original)
        twin._parameters = {}
        twin._modules = {name: child and copied(child) for name, child in original._modules.items()}
        for name, parameter in original._parameters.items():
            twin.__dict__[name] = of(parameter)
        return twin

    return copied(module)  # type: ignore[return-value]
