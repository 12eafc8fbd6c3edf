"""Products with one operand inside a loop, whose gradient is taken in a single product at the end.

A recurrent step multiplies by the same weights Ty times. Autograd would form the weight's gradient
at every step, Ty thin products and Ty additions of a full matrix; collected, it is one thick product
over all steps. In float32 on a CPU the loop's products take the weight packed, laid out once for the
kernel and not at every step. The numbers are the same but for the order of the additions.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nmt.layers.operands import Module, Operand, twin
from nmt.layers.packed import PackedMatrix
from nmt.machine import has_packed


def _packs(operand: Tensor) -> bool:
    """Say whether products with an operand are faster packed; in bfloat16 packing takes what it saves."""
    return (
        operand.ndim == 2 and operand.dtype == torch.float32 and operand.device.type == "cpu" and has_packed()
    )


class _Collection:
    """What is kept of an operand: packed forms, and its products' factors as the backward meets them."""

    def __init__(self) -> None:
        self.packed: dict[bool, PackedMatrix] = {}
        self.inputs: list[Tensor] = []
        self.gradients: list[Tensor] = []
        self.backward_pass = -1

    def product(self, x: Tensor, operand: Tensor, *, transposed: bool) -> Tensor:
        """Return x @ operand, or x @ operandᵀ."""
        right = operand.mT if transposed else operand
        if torch.is_grad_enabled() or not _packs(operand):  # a packed product has no derivative
            return x @ right
        if transposed not in self.packed:
            self.packed[transposed] = PackedMatrix(right.mT, operand.dtype)
        return self.packed[transposed].linear(x, None)

    def add(self, x: Tensor, dy: Tensor) -> None:
        """Keep the factors of one product, xᵀ · dy."""
        # A backward pass that never asked for the operand's gradient left its factors behind.
        if (this_pass := torch._C._current_graph_task_id()) != self.backward_pass:
            self.inputs, self.gradients, self.backward_pass = [], [], this_pass
        self.inputs.append(x)
        self.gradients.append(dy)

    def gradient(self) -> Tensor:
        """Return Σ_t x_tᵀ · dy_t as one product."""
        x, dy = torch.cat(self.inputs, dim=-2), torch.cat(self.gradients, dim=-2)
        self.inputs, self.gradients = [], []
        return x.mT @ dy


class _Enter(torch.autograd.Function):
    """The operand as the loop sees it; its backward runs after every product's."""

    @staticmethod
    def forward(ctx: Any, operand: Tensor, collection: _Collection) -> Tensor:
        ctx.collection, ctx.dtype = collection, operand.dtype
        ctx.set_materialize_grads(False)
        kind = operand.device.type
        if torch.is_autocast_enabled(kind) and operand.dtype == torch.float32:
            return operand.to(torch.get_autocast_dtype(kind))
        return operand.view_as(operand)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None]:
        (grad,) = grads
        if ctx.collection.backward_pass == torch._C._current_graph_task_id():
            collected = ctx.collection.gradient()
            grad = collected if grad is None else grad + collected
        return None if grad is None else grad.to(ctx.dtype), None


class _Product(torch.autograd.Function):
    """x @ operand; the operand's share of the gradient is left in the collection."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, operand: Tensor, collection: _Collection, transposed: bool) -> Tensor:
        ctx.dtype = x.dtype
        x = x.to(operand.dtype)
        ctx.save_for_backward(x, operand)
        ctx.collection, ctx.transposed = collection, transposed
        return collection.product(x, operand, transposed=transposed)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, None, None]:
        (dy,) = grads
        x, operand = ctx.saved_tensors
        dx = None
        if ctx.needs_input_grad[0]:
            dx = ctx.collection.product(dy, operand, transposed=not ctx.transposed).to(ctx.dtype)
        if ctx.needs_input_grad[1]:
            if operand.ndim == 2:  # the rows of a batch are summed over as well
                x, dy = x.flatten(0, -2), dy.flatten(0, -2)
            ctx.collection.add(*((dy, x) if ctx.transposed else (x, dy)))
        return dx, None, None, None


class Collecting(Operand):
    """A tensor that is the right-hand operand of many products; anything else done to it is plain torch.

    `F.linear(x, w)`, `x @ w` and `x @ w.mT` are collected where no broadcasting of w is asked for.
    """

    def __init__(self, operand: Tensor, collection: _Collection | None = None, *, transposed: bool = False):
        self._collection = _Collection() if collection is None else collection
        if collection is None:
            operand = _Enter.apply(operand, self._collection)  # type: ignore[no-untyped-call]
        self._operand = operand
        self._transposed = transposed

    @property
    def mT(self) -> "Collecting":  # noqa: N802
        """The transpose, sharing this operand's collection."""
        return Collecting(self._operand, self._collection, transposed=not self._transposed)

    def multiply(self, x: Tensor) -> Tensor:
        """Return x @ self."""
        operand = self._operand
        if x.ndim < 2 or (operand.ndim > 2 and x.shape[:-2] != operand.shape[:-2]):
            return x @ self.tensor()
        product: Tensor = _Product.apply(  # type: ignore[no-untyped-call]
            x, operand, self._collection, self._transposed
        )
        return product

    def tensor(self) -> Tensor:
        """Return the operand as a tensor, for use outside a product."""
        return self._operand.mT if self._transposed else self._operand

    def linear(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b (…, out) for x (…, in)."""
        y = self.mT.multiply(x)
        return y if bias is None else y + bias.to(y.dtype)

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what a torch function gives; x @ self is collected."""
        products = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__)
        if function in products and not kwargs and isinstance(args[0], Tensor) and args[1] is self:
            return self.multiply(args[0])
        return super().call(function, args, kwargs)


def collecting(module: Module) -> Module:
    """Return a twin of the module whose weight matrices collect their gradients, for the length of one loop.

    The twin shares everything else with the module and must not outlive the loop.
    """
    return twin(module, lambda weight: Collecting(weight) if weight.requires_grad else weight)
