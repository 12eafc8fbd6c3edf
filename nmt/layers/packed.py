"""Weights packed for translation, as the CPU's kernels read them: float32, bfloat16 or 8-bit integers."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nmt.layers.operands import Module, Operand, plain, twin


class PackedMatrix(Operand):
    """A weight matrix (out, in) in oneDNN's own layout; takes and gives float32, multiplies in `dtype`.

    A plain product lays the matrix out anew every time, which for few rows takes longer than the product.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        self._weight, self._dtype = weight.detach(), dtype
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self._weight.to(dtype))

    def tensor(self) -> Tensor:
        """Return the matrix in float32."""
        return self._weight

    def linear(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b (…, out) for x (…, in), all in float32."""
        bias = None if bias is None else bias.to(self._dtype)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x.to(self._dtype), self._packed, bias, "none", [], "")
        return y.to(x.dtype)

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what a torch function gives; the fused LSTM computes in `dtype`."""
        if function is not torch.lstm or self._dtype == torch.float32:
            return super().call(function, args, kwargs)
        return _map(
            lambda t: t.float(), torch.lstm(*_map(lambda t: t.to(self._dtype), plain(args)), **kwargs)
        )


class Int8Matrix(PackedMatrix):
    """A weight matrix in 8-bit integers, one scale an output; the rows of x have a scale each.

    q(x) = round(127 x / max |x|), by row, so that no row depends on its neighbours; sums are exact in
    32 bits; y = q(x) q(W)ᵀ · scale of the row · scale of the output + b. A fused LSTM over a whole sequence
    computes in bfloat16.
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight, self._dtype = weight.detach(), torch.bfloat16
        self._scales = self._weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        integers = (self._weight / self._scales.unsqueeze(1)).round().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self._packed_for_few = _fbgemm(self._weight, self._scales)

    def linear(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b (…, out) for x (…, in), all in float32."""
        rows = x.reshape(-1, x.shape[-1])
        largest = rows.abs().amax(dim=1, keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny)  # (n, 1)
        if self._packed_for_few is not None and len(rows) < MANY:
            y: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
                rows / largest, 1 / 127, 128, self._packed_for_few
            )
            y.mul_(largest)
        else:
            scale = largest.div_(127)
            signed = (rows / scale).round_().to(torch.int8)
            # The kernel is fast for unsigned inputs alone: 128 is added, and named as the zero point.
            unsigned = signed.view(torch.uint8).bitwise_xor_(128)
            y = torch.ops.onednn.qlinear_pointwise(
                *(unsigned, 1.0, 128, self._packed, self._scales, self._zeros),
                *(None, 1.0, 0, torch.float32, "none", [], ""),
            )
            y.mul_(scale)
        return (y if bias is None else y.add_(bias)).view(*x.shape[:-1], -1)


MANY = 64  # rows, from which oneDNN's product is the faster of the two


def _fbgemm(weight: Tensor, scales: Tensor) -> Any:
    """Return the matrix packed for fbgemm, whose product of a few rows is quicker to begin; None without it.

    torch means to give up the tensors that it is packed from; then every product is oneDNN's.
    """
    if "fbgemm" not in torch.backends.quantized.supported_engines or not hasattr(
        torch, "quantize_per_channel"
    ):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        integers = torch.quantize_per_channel(
            weight, scales.double(), torch.zeros(len(weight), dtype=torch.long), 0, torch.qint8
        )
        return torch.ops.quantized.linear_prepack(integers, None)


def packed(module: Module, precision: str) -> Module:
    """Return a twin of a module on the CPU whose products are float32, bfloat16 or int8; for inference only.

    It shares everything else with the module and must not outlive a change of its weights.
    """

    def operand(parameter: nn.Parameter) -> Any:
        if precision == "int8":
            return Int8Matrix(parameter)
        return PackedMatrix(parameter, {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision])

    return twin(module, operand)


def _map(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Apply a function to every tensor of a nest of lists and tuples."""
    if isinstance(value, Tensor):
        return function(value)
    return type(value)(_map(function, part) for part in value) if isinstance(value, list | tuple) else value
