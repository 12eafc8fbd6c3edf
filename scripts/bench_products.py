"""The products of a decoder's step: what each engine gives on one core.

    python scripts/bench_products.py [--rounds 20]

Every engine computes the same linear: float32 in, float32 out, quantising x included, the weight packed
beforehand. Prints Markdown: G operations a second (a multiply-add is 2) for 5 rows (one sentence, beam 5) to
320 (64 sentences). In each round every engine runs in turn for some 2 ms; the best round counts. Seconds are
of the process's CPU time, so that a second thread helps nobody. The error is the largest over all shapes,
relative to the largest output of float64; neighbours: how far row 0 moves, on the same scale, when the other
rows grow 8 times as large. torchao is optional. "(nmt)" is the product that nmt
exports; its weights have 7 bits, so that it is exact on every CPU.
"""

import argparse
import math
import os
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.results import Machine

SHAPES = ((1024, 2048), (512, 512), (512, 256), (256, 4000), (256, 8000))  # (in, out)
ROWS = (5, 40, 160, 320)
TINY = torch.finfo(torch.float32).tiny

Linear = Callable[[Tensor], Tensor]
Build = Callable[[Tensor], Linear]  # from W (out, in)


def linear_of(weight: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight, requires_grad=False)
    return linear


def bfloat16(weight: Tensor) -> Linear:
    w = weight.bfloat16()
    return lambda x: F.linear(x.bfloat16(), w).float()


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return 8-bit integers (out, in) and a scale an output (out,)."""
    scales = weight.abs().amax(dim=1).clamp(min=TINY) / 127
    return (weight / scales.unsqueeze(1)).round().to(torch.int8), scales


def int_mm(weight: Tensor) -> Linear:
    integers, scales = quantised(weight)
    w = integers.t().contiguous()  # for few rows faster than the view

    def linear(x: Tensor) -> Tensor:
        scale = x.abs().amax(dim=1, keepdim=True).clamp_(min=TINY).div_(127)
        return torch._int_mm((x / scale).round_().to(torch.int8), w).float().mul_(scale).mul_(scales)

    return linear


def prepacked(engine: str, weight: Tensor) -> object:
    """Return the weight as torch.ao.quantization's engine of that name lays it out."""
    torch.backends.quantized.engine = engine
    scales, zeros = quantised(weight)[1].double(), torch.zeros(len(weight), dtype=torch.long)
    w = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(w, None)


def dynamic(engine: str) -> Build:
    def build(weight: Tensor) -> Linear:
        w = prepacked(engine, weight)
        return lambda x: torch.ops.quantized.linear_dynamic(x, w)

    return build


def fbgemm_by_row(weight: Tensor) -> Linear:
    w = prepacked("fbgemm", weight)

    def linear(x: Tensor) -> Tensor:
        largest = x.abs().amax(dim=1, keepdim=True).clamp_(min=TINY)
        # With every row in [-1, 1] one scale, given, serves all: 1 / 127, zero point 128.
        kernel = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        return kernel(x / largest, 1 / 127, 128, w).mul_(largest)

    return linear


def torchao(weight: Tensor) -> Linear:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    linear = linear_of(weight)
    quantize_(linear, Int8DynamicActivationInt8WeightConfig())
    return linear


ONNX_TENSOR = """q, s, z = DynamicQuantizeLinear(x)  i = MatMulInteger(q, integers, z)  f = Cast<to=1>(i)
    both = Mul(s, scales)  y = Mul(f, both)"""
# Rows as unsigned integers with the zero point 128: signed ones take some 20 times as long.
ONNX_ROW = """a = Abs(x)  m = ReduceMax<keepdims=1>(a, axes)  n = Max(m, tiny)  s = Div(n, largest)
    v = Div(x, s)  r = Round(v)  u = Add(r, half)  q = Cast<to=2>(u)
    i = MatMulInteger(q, integers, zero)  f = Cast<to=1>(i)  g = Mul(f, s)  y = Mul(g, scales)"""


def onnx_runtime(body: str) -> Build:
    """Return how to build an ONNX Runtime session over a graph from x to y."""

    def build(weight: Tensor) -> Linear:
        import onnxruntime
        from onnx import numpy_helper, parser

        integers, scales = quantised(weight)
        constants = {
            "integers": integers.t().contiguous(),
            "scales": scales,
            "axes": torch.tensor([1]),
            "tiny": torch.tensor(TINY),
            "largest": torch.tensor(127.0),
            "half": torch.tensor(128.0),
            "zero": torch.tensor(128, dtype=torch.uint8),
        }
        outputs, inputs = weight.shape
        head = (
            f'<ir_version: 10, opset_import: ["": 18]> graph (float[n,{inputs}] x) => (float[n,{outputs}] y)'
        )
        model = parser.parse_model(f"{head} {{ {body} }}")
        used = {name for node in model.graph.node for name in node.input} & constants.keys()
        model.graph.initializer.extend(numpy_helper.from_array(constants[c].numpy(), c) for c in used)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])

    return build


def graph_in(precision: str) -> Build:
    """Return how to build a session of the product that nmt exports."""

    def build(weight: Tensor) -> Linear:
        from onnx import TensorProto

        from nmt.graphs.graph import Graph, Value
        from nmt.graphs.linear import product
        from nmt.onnx_runtime import open_session

        g = Graph(precision)
        y = product(g, Value("x", g), weight)
        inputs, outputs = ("x", TensorProto.FLOAT, ("n", weight.shape[1])), (y, "y", TensorProto.FLOAT)
        session = open_session(g.model([inputs], [outputs]).SerializeToString())
        return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])

    return build


# In int8: with a scale for each row of x, or one for all of x.
ENGINES: dict[str, Build] = {
    "float32, F.linear": linear_of,
    "float32, ONNX Runtime (nmt)": graph_in("float32"),
    "bfloat16, F.linear": bfloat16,
    "int8 by row, torch._int_mm": int_mm,
    "int8 by row, ONNX Runtime (nmt)": graph_in("int8"),
    "int8 by row, fbgemm": fbgemm_by_row,
    "int8 by row, torchao eager": torchao,
    "int8 by row, MatMulInteger": onnx_runtime(ONNX_ROW),
    "int8, MatMulInteger": onnx_runtime(ONNX_TENSOR),
    "int8, oneDNN dynamic": dynamic("onednn"),
    "int8, fbgemm dynamic": dynamic("fbgemm"),
}


def installed() -> dict[str, Build]:
    """Return the engines whose packages are there and that this CPU runs; print a line for each other one."""
    found = {}
    for name, build in ENGINES.items():
        try:
            build(torch.randn(64, 64))(torch.randn(3, 64))
            found[name] = build
        except ImportError as error:
            print(f"{name}: left out, {error.name} is not installed\n")
        except RuntimeError as error:
            print(f"{name}: left out, not on this CPU ({str(error).splitlines()[0]})\n")
    return found


def seconds(linear: Linear, x: Tensor, calls: int) -> float:
    """Return the CPU time of one call, the mean over so many."""
    began = time.process_time()
    for _ in range(calls):
        linear(x)
    return (time.process_time() - began) / calls


def fastest(linears: dict[str, Linear], x: Tensor, rounds: int) -> dict[str, float]:
    """Return the seconds of a call of each, all of them in turn in each round."""
    best = {name: min(seconds(linear, x, 1) for _ in range(3)) for name, linear in linears.items()}
    calls = {name: math.ceil(0.002 / once) for name, once in best.items()}
    for _ in range(rounds):
        best = {name: min(best[name], seconds(linears[name], x, calls[name])) for name in linears}
    return best


def errors(linear: Linear, x: Tensor, weight: Tensor) -> tuple[float, float]:
    """Return the relative error, and how far row 0 moves when its neighbours grow."""
    exact, y = x.double() @ weight.double().t(), linear(x).clone()
    moved = linear(torch.cat([x[:1], 8 * x[1:]]))[0] - y[0]
    return float((y - exact).abs().max() / exact.abs().max()), float(moved.abs().max() / exact[0].abs().max())


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    for cells in (columns, ["---"] + ["---:"] * (len(columns) - 1), *rows):
        print("| " + " | ".join(cells) + " |")


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # torch announces the end of its quantised tensors
    torch.manual_seed(1)
    torch.set_num_threads(1)
    engines = installed()
    spent: dict[tuple[int, int, int], dict[str, float]] = {}
    worst = dict.fromkeys(engines, (0.0, 0.0))
    for inputs, outputs in SHAPES:
        weight = torch.randn(outputs, inputs) * inputs**-0.5
        linears = {name: build(weight) for name, build in engines.items()}
        for rows in ROWS:
            x = torch.randn(rows, inputs)
            spent[rows, inputs, outputs] = fastest(linears, x, args.rounds)
            for name, linear in linears.items():
                worst[name] = tuple(map(max, worst[name], errors(linear, x, weight)))
    versions = ", ".join(f"{p} {version(p)}" for p in ("torch", "torchao", "onnxruntime") if find_spec(p))
    print(f"{Machine.here('cpu').description}, 1 thread; {versions}; load {os.getloadavg()[0]:.1f}\n")
    print_table(["engine", "error", "neighbours"], [[n, *(f"{w:.1e}" for w in worst[n])] for n in engines])
    for rows in ROWS:
        print(f"\n{rows} rows, G operations/s\n")
        work = {shape: 2e-9 * rows * shape[0] * shape[1] for shape in SHAPES}
        table = []
        for name in engines:
            took = {shape: spent[rows, *shape][name] for shape in SHAPES}
            rates = [*(work[s] / took[s] for s in SHAPES), sum(work.values()) / sum(took.values())]
            table.append([name, *(f"{rate:.0f}" for rate in rates)])
        print_table(["engine", *(f"{i} → {o}" for i, o in SHAPES), "all"], table)


if __name__ == "__main__":
    main()
