"""Linear layers prepacked for translation as the CPU's kernels read them: float32, bfloat16 or int8."""

import copy
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from nmt.layers.cells import Cell, LSTMCell, LSTMState
from nmt.layers.deep_transition import DeepTransitionCell
from nmt.layers.sru import SRUCell
from nmt.shapes import Float, Int

Module = TypeVar("Module", bound=nn.Module)


class PackedLinear(nn.Module):
    """A linear layer in oneDNN's own layout; takes and gives float32, multiplies in `dtype`.

    A plain product lays the matrix out anew every time, which for few rows takes longer than the product.
    weight and bias are those of the layer, for kernels that read them.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight, self.bias, self._dtype = linear.weight, linear.bias, dtype

    @cached_property
    def _packed(self) -> tuple[Any, Tensor | None]:
        weight = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach().to(self._dtype))
        return weight, None if self.bias is None else self.bias.detach().to(self._dtype)

    def forward(self, x: Float[Tensor, "*rows in"]) -> Float[Tensor, "*rows out"]:
        """Return x Wᵀ + b, all in float32."""
        weight, bias = self._packed
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x.to(self._dtype), weight, bias, "none", [], "")
        return y.to(x.dtype)


class Int8Linear(nn.Module):
    """A linear layer in 8-bit integers, one scale an output; the rows of x have a scale each.

    q(x) = round(127 x / max |x|), by row, so that no row depends on its neighbours; sums are exact in
    32 bits; y = q(x) q(W)ᵀ · scale of the row · scale of the output + b.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    @cached_property
    def _scales(self) -> Tensor:
        return self.weight.detach().abs().amax(dim=1).clamp(min=_TINY) / 127

    @cached_property
    def _zeros(self) -> Tensor:
        return torch.zeros(len(self.weight), dtype=torch.int32)

    @cached_property
    def _integers(self) -> Tensor:
        return (self.weight.detach() / self._scales.unsqueeze(1)).round().to(torch.int8)

    @cached_property
    def _packed(self) -> Any:
        return torch.ops.onednn.qlinear_prepack(self._integers, None)

    @cached_property
    def kernel(self) -> Any:
        """What fbgemm takes in the place of the matrix, for few rows; None where there is no fbgemm."""
        return _fbgemm(self._integers, self._scales)

    def forward(self, x: Float[Tensor, "*rows in"]) -> Float[Tensor, "*rows out"]:
        """Return x Wᵀ + b, all in float32."""
        if x.ndim != 2:
            rows: Tensor = self(x.reshape(-1, x.shape[-1]))
            return rows.view(*x.shape[:-1], -1)
        scale = x.abs().amax(dim=1, keepdim=True).clamp_(min=_TINY).div_(127.0)  # (n, 1)
        x = (x / scale).round_()  # both kernels see integers, and give the same bits
        if len(x) < MANY and self.kernel is not None:
            y: Tensor = _FEW(x, 1.0, 128, self.kernel)
        else:
            # The kernel is fast for unsigned inputs alone: 128 is added, and named as the zero point.
            unsigned = x.to(torch.int8).view(torch.uint8).bitwise_xor_(128)
            y = torch.ops.onednn.qlinear_pointwise(
                *(unsigned, 1.0, 128, self._packed, self._scales, self._zeros),
                *(None, 1.0, 0, torch.float32, "none", [], ""),
            )
        return y.mul_(scale) if self.bias is None else torch.addcmul(self.bias, y, scale)


MANY = 64  # rows, from which oneDNN's product is the faster of the two
_LARGEST_FOLDED = 2**24  # numbers
_SMALL = 16  # inputs or outputs: fewer are no work for a kernel of their own
_FEW: Any = getattr(torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32", None)
_TINY = torch.finfo(torch.float32).tiny


def _fbgemm(integers: Int[Tensor, "out in"], scales: Float[Tensor, "out"]) -> Any:
    """Return the matrix packed for fbgemm, whose product of a few rows is quicker to begin; None without it.

    torch means to give up the tensors that it is packed from; then every product is oneDNN's.
    """
    engines = torch.backends.quantized.supported_engines
    make = getattr(torch, "_make_per_channel_quantized_tensor", None)
    if _FEW is None or "fbgemm" not in engines or make is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zeros = torch.zeros(len(scales), dtype=torch.long)
        return torch.ops.quantized.linear_prepack(make(integers, scales.double(), zeros, 0), None)


def packed(module: Module, precision: str) -> Module:
    """Return a shallow copy of a module on the CPU with its linear layers packed; for inference only.

    precision: float32, bfloat16 or int8. The copy shares everything else with the module and must not
    outlive a change of its weights.
    """
    made: dict[nn.Module, nn.Module] = {}

    def swapped(part: nn.Module) -> nn.Module:
        if part not in made:
            made[part] = _packed_linear(part, precision) if isinstance(part, nn.Linear) else copied(part)
        return made[part]

    def copied(part: nn.Module) -> nn.Module:
        shallow = copy.copy(part)
        shallow._modules = {name: child and swapped(child) for name, child in part._modules.items()}
        if type(shallow) is LSTMCell and precision in _SEQUENCE:
            shallow.forward = _SEQUENCE[precision](shallow)  # type: ignore[method-assign]
        return shallow

    return cast("Module", swapped(module))


def _packed_linear(linear: nn.Linear, precision: str) -> nn.Module:
    if min(linear.weight.shape) < _SMALL:
        return linear
    if precision == "int8":
        return Int8Linear(linear)
    return PackedLinear(linear, {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision])


def folded(embedding: nn.Embedding, cell: Cell[Any]) -> nn.Embedding:
    """Return an embedding of what a cell projects the rows to; from then on the cell projects nothing itself.

    For a cell whose x is always a row of the embedding, and for its `step` alone. The embedding is returned
    as it is where the cell reads x in another way too, or where the rows would take more than 64 MB.
    """
    while isinstance(cell, DeepTransitionCell):
        cell = cell.first
    project = getattr(cell, "input_proj", None)
    if isinstance(cell, SRUCell) or project is None:
        return embedding
    if len(embedding.weight) * len(project.weight) > _LARGEST_FOLDED:
        return embedding
    with torch.no_grad():
        rows = nn.Embedding.from_pretrained(project(embedding.weight))
    cell.input_proj = nn.Identity()  # type: ignore[assignment]
    return cast("nn.Embedding", rows)


def kernels(module: nn.Module) -> list[Any]:
    """Return the prepacked int8 weights that products of few rows have used so far, for a trace."""
    made = [part for part in module.modules() if isinstance(part, Int8Linear)]
    return [linear.kernel for linear in made if "kernel" in vars(linear)]


Sequence = Callable[..., tuple[Tensor, LSTMState]]  # of a cell: x, state → y, last state


def _in_bfloat16(cell: LSTMCell) -> Sequence:
    """Return the cell's fused kernel in bfloat16, from float32 to float32."""

    def forward(
        x: Float[Tensor, "B T D"], state: LSTMState | None = None
    ) -> tuple[Float[Tensor, "B T H"], LSTMState]:
        with torch.autocast("cpu", torch.bfloat16):
            y, after = LSTMCell.forward(cell, x, state)
        return y.float(), LSTMState(after.h.float(), after.c)

    return forward


def _of_two_rows(cell: LSTMCell) -> Sequence:
    """Return the cell's fused kernel for two rows at least: that for one row would give other bits.

    It computes in float32: in bfloat16 a single row would round elsewhere than among others.
    """

    def forward(
        x: Float[Tensor, "B T D"], state: LSTMState | None = None
    ) -> tuple[Float[Tensor, "B T H"], LSTMState]:
        if len(x) != 1:
            return LSTMCell.forward(cell, x, state)
        state = cell.zero_state(x) if state is None else state
        y, after = LSTMCell.forward(
            cell, x.expand(2, -1, -1), LSTMState(*(part.expand(2, -1) for part in state))
        )
        return y[:1], LSTMState(*(part[:1] for part in after))

    return forward


_SEQUENCE = {"bfloat16": _in_bfloat16, "int8": _of_two_rows}
