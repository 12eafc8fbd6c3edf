"""Weights packed for translation, as the CPU's kernels read them: float32, bfloat16 or 8-bit integers."""

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.operands import Module, Operand, plain, twin


class PackedMatrix(Operand):
    """A weight matrix (out, in) in oneDNN's own layout; takes and gives float32, multiplies in `dtype`.

    A plain product lays the matrix out anew every time, which for few rows takes longer than the product.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        self._weight, self._dtype = weight.detach(), dtype
        self._tables: dict[Any, Tensor] = {}
        self._patience = 0

    @cached_property
    def _packed(self) -> Any:
        return torch.ops.mkldnn._reorder_linear_weight(self._low)

    @cached_property
    def _low(self) -> Tensor:
        """The matrix in `dtype`."""
        return self._weight.to(self._dtype)

    def tensor(self) -> Tensor:
        """Return the matrix in float32."""
        return self._weight

    def linear(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b (…, out) for x (…, in), all in float32."""
        bias = None if bias is None else bias.to(self._dtype)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x.to(self._dtype), self._packed, bias, "none", [], "")
        return y.to(x.dtype)

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what a torch function gives; the fused LSTM computes in `dtype`, embedded ids may wait."""
        if function is F.embedding and args[1] is self:
            return Embedded(args[0], self)
        if function is not torch.lstm or self._dtype == torch.float32:
            return super().call(function, args, kwargs)
        return _map(lambda t: t.float(), torch.lstm(*_map(self._rounded, args), **kwargs))

    def _rounded(self, value: Any) -> Tensor:
        """Return a tensor, or an operand's, in `dtype`; a weight is rounded once."""
        low: Tensor = value._low if isinstance(value, PackedMatrix) else plain(value).to(self._dtype)
        return low

    def product(self, matrix: Operand, bias: Tensor | None) -> Tensor | None:
        """Return W Mᵀ + b (rows of W, out), made once; None while or where it is not worth making.

        So it is for a bias that was made for this product alone, as it will be for the next.
        """
        self._patience -= 1
        key = matrix, bias
        lasting = bias is None or isinstance(bias, nn.Parameter)
        small = len(self._weight) * len(matrix.tensor()) <= _LARGEST_TABLE
        if key not in self._tables and lasting and small and self._patience < 0:
            self._tables[key] = matrix.linear(self._weight, bias)
        return self._tables.get(key)


class Embedded(Operand):
    """The rows of an embedding that ids (…) name, not yet looked up.

    Their product with a matrix is a row of a table, which a loop over single steps need not multiply for.
    """

    def __init__(self, ids: Tensor, embedding: PackedMatrix) -> None:
        self._ids, self._embedding = ids, embedding

    def tensor(self) -> Tensor:
        """Return the rows (…, E)."""
        return F.embedding(self._ids, self._embedding.tensor())

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what a torch function gives; a product is looked up."""
        if function is F.linear and self._ids.ndim == 1 and isinstance(args[1], Operand):
            table = self._embedding.product(args[1], args[2] if len(args) > 2 else None)
            if table is not None:
                return table.index_select(0, self._ids)
        return function(*_looked_up(args), **kwargs)


_LARGEST_TABLE = 2**26  # numbers, 256 MB


def _looked_up(args: Any) -> Any:
    """Return the arguments of a torch function with tensors in the place of embedded ids."""
    if isinstance(args, Embedded):
        return args.tensor()
    return type(args)(map(_looked_up, args)) if isinstance(args, list | tuple) else args


class Int8Matrix(PackedMatrix):
    """A weight matrix in 8-bit integers, one scale an output; the rows of x have a scale each.

    q(x) = round(127 x / max |x|), by row, so that no row depends on its neighbours; sums are exact in
    32 bits; y = q(x) q(W)ᵀ · scale of the row · scale of the output + b. A fused layer over a whole sequence
    computes in float32: in bfloat16 a single row would round elsewhere than among others.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__(weight, torch.float32)
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        self._patience = PATIENCE

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what a torch function gives; the fused LSTM's kernel for one row would give other bits."""
        if function is not torch.lstm or len(args[0]) != 1:
            return super().call(function, args, kwargs)
        x, states, *rest = args
        states = tuple(state.expand(-1, 2, -1).contiguous() for state in states)
        y, *last = super().call(function, (x.expand(2, -1, -1), states, *rest), kwargs)
        return y[:1], *(state[:, :1] for state in last)

    @cached_property
    def _scales(self) -> Tensor:
        return self._weight.abs().amax(dim=1).clamp(min=_TINY) / 127

    @cached_property
    def _integers(self) -> Tensor:
        return (self._weight / self._scales.unsqueeze(1)).round().to(torch.int8)

    @cached_property
    def _packed(self) -> Any:
        return torch.ops.onednn.qlinear_prepack(self._integers, None)

    @cached_property
    def kernel(self) -> Any:
        """What fbgemm takes in the place of the matrix, for few rows; None where there is no fbgemm."""
        return _fbgemm(self._integers, self._scales)

    def linear(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b (…, out) for x (…, in), all in float32."""
        if x.ndim != 2:
            return self.linear(x.reshape(-1, x.shape[-1]), bias).view(*x.shape[:-1], -1)
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
        return y.mul_(scale) if bias is None else torch.addcmul(bias, y, scale)


PATIENCE = 24  # products; a single line needs no table, whose rows are the products' own bits
_SMALL = 16  # inputs or outputs: fewer are no work for a kernel of their own
MANY = 64  # rows, from which oneDNN's product is the faster of the two
_FEW: Any = getattr(torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32", None)
_TINY = torch.finfo(torch.float32).tiny


def _fbgemm(integers: Tensor, scales: Tensor) -> Any:
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
    """Return a twin of a module on the CPU whose products are float32, bfloat16 or int8; for inference only.

    It shares everything else with the module and must not outlive a change of its weights.
    """

    def operand(parameter: nn.Parameter) -> Any:
        if min(parameter.shape) < _SMALL:
            return parameter
        if precision == "int8":
            return Int8Matrix(parameter)
        return PackedMatrix(parameter, {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision])

    return twin(module, operand)


def kernels(module: nn.Module) -> list[Any]:
    """Return what products of few rows of a module packed in int8 were made with so far, each object once."""
    values = (value for part in module.modules() for value in vars(part).values())
    matrices = dict.fromkeys(value for value in values if isinstance(value, Int8Matrix))
    return [matrix.kernel for matrix in matrices if "kernel" in vars(matrix)]


def _map(function: Callable[[Any], Tensor], value: Any) -> Any:
    """Apply a function to every tensor and operand of a nest of lists and tuples."""
    if isinstance(value, Tensor | Operand):
        return function(value)
    return type(value)(_map(function, part) for part in value) if isinstance(value, list | tuple) else value
