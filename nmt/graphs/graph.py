"""An ONNX graph under construction: operators by call, weights in float32 or in 8 bits.

8-bit weights are signed and lie in [−64, 64]; what they multiply is unsigned with zero point 128. Then no sum
of two products exceeds 16 bits, where a CPU without VNNI would saturate: products are exact on every CPU.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor

Array: TypeAlias = "NDArray[np.generic] | np.generic"
Attribute: TypeAlias = "int | float | str | Sequence[int] | Sequence[str] | GraphProto"
Precision = Literal["float32", "int8"]

MICROSOFT = "com.microsoft"
OPSET, MICROSOFT_OPSET, IR = 21, 1, 10
ZERO = np.uint8(128)  # zero point of what is multiplied
LARGEST = 64  # of a weight
TINY = np.float32(1e-30)


@dataclass(frozen=True)
class Value:
    """A tensor of the graph, by its name.

    bounded: its numbers lie in [−1, 1], so that one fixed scale quantises them. constant: it depends on
    weights alone, so that ONNX Runtime computes it once, when it loads the graph.
    """

    name: str
    graph: "Graph" = field(repr=False)
    bounded: bool = False
    constant: bool = False

    def within_one(self) -> "Value":
        """Return the same tensor, known to lie in [−1, 1]."""
        return replace(self, bounded=True)


Declared: TypeAlias = (
    "tuple[str, int, Sequence[str | int] | None]"  # name, type of number, dimensions where known
)
Named: TypeAlias = "tuple[Value, str, int]"  # an output: its value, its name, its type of number
Input: TypeAlias = "Value | Array | None"  # None: an optional input that is left out


def int64(*numbers: int) -> NDArray[np.int64]:
    """Return a list of whole numbers, as shapes and axes are given."""
    return np.array(numbers, np.int64)


class Graph:
    """Nodes in the order in which they were added. A body (of a Loop or If) sees the values around it.

    A node goes into the outermost graph that has its inputs: a loop repeats nothing that stays the same.
    """

    def __init__(self, precision: Precision, around: "Graph | None" = None, *, lazy: bool = False) -> None:
        """lazy: its nodes stay inside, because it does not always run."""
        self.precision: Precision = precision
        self._lazy = lazy
        self.depth: int = around.depth + 1 if around else 0
        self._nodes: list[NodeProto] = []
        self._root: Graph = around._root if around else self
        self._quantised: dict[str, Value] = {}
        self._numbers: Iterator[int] = around._numbers if around else count(1)
        # Of the root alone: bodies refer to its weights.
        self._initializers: list[TensorProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._joined: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}
        self._weights: dict[tuple[int, str], tuple[Tensor, Value]] = {}

    def body(self, *, lazy: bool = False) -> "Graph":
        """Return a graph inside this one."""
        return Graph(self.precision, self, lazy=lazy)

    def number(self) -> int:
        """Return a number that is new in the whole graph."""
        return next(self._numbers)

    def constant(self, array: Array) -> Value:
        """Return an array as a value; equal arrays are kept once."""
        root = self._root
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in root._constants:
            name = f"c{next(self._numbers)}"
            root._initializers.append(
                numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            )
            root._constants[key] = Value(name, root, constant=True)
        return root._constants[key]

    def ops(
        self,
        kind: str,
        *inputs: Input,
        outputs: int,
        attributes: Mapping[str, Attribute] | None = None,
        domain: str = "",
    ) -> list[Value]:
        """Add a node with several outputs and return them."""
        given = [each if isinstance(each, Value) or each is None else self.constant(each) for each in inputs]
        bodies = any(isinstance(value, GraphProto) for value in (attributes or {}).values())
        constant = not bodies and all(each is None or each.constant for each in given)
        if constant:
            owner = self._root
        elif bodies or self._lazy:
            owner = self
        else:
            owner = max((each.graph for each in given if each is not None), key=lambda graph: graph.depth)
        names = [f"{kind}_{self.number()}" for _ in range(outputs)]
        node = helper.make_node(kind, [each.name if each else "" for each in given], names, domain=domain)
        for key, value in (attributes or {}).items():
            node.attribute.append(helper.make_attribute(key, value))
        owner._nodes.append(node)
        return [Value(name, owner, constant=constant) for name in names]

    def op(
        self,
        kind: str,
        *inputs: Input,
        attributes: Mapping[str, Attribute] | None = None,
        domain: str = "",
    ) -> Value:
        """Add a node and return its one output."""
        return self.ops(kind, *inputs, outputs=1, attributes=attributes, domain=domain)[0]

    def split(self, x: Value, *sizes: int, axis: int = -1) -> list[Value]:
        """Return parts of x of the given sizes; they lie in [−1, 1] where x does."""
        if len(sizes) == 1:
            return [x]
        parts = self.ops("Split", x, int64(*sizes), outputs=len(sizes), attributes={"axis": axis})
        return [part.within_one() if x.bounded else part for part in parts]

    def concat(self, *parts: Value, axis: int = -1) -> Value:
        """Return parts side by side; they lie in [−1, 1] where all of them do."""
        if len(parts) == 1:
            return parts[0]
        both = self.op("Concat", *parts, attributes={"axis": axis})
        return both.within_one() if all(part.bounded for part in parts) else both

    def size(self, x: Value, axis: int) -> Value:
        """Return the size of one dimension, as a list of one number; −1 is the last one."""
        end = {} if axis == -1 else {"end": axis + 1}
        return self.op("Shape", x, attributes={"start": axis, **end})

    def cast(self, x: Value, kind: int) -> Value:
        """Return x as another type of number."""
        return self.op("Cast", x, attributes={"to": kind})

    def array(self, parameter: Tensor) -> NDArray[np.float32]:
        """Return a parameter as an array in float32."""
        found: NDArray[np.float32] = parameter.detach().float().cpu().numpy()
        return found

    def weight(self, parameter: Tensor) -> Value:
        """Return a matrix (out, in) as (in, out) in float32, kept in 8 bits where the graph is in int8."""
        if not self.in_int8(parameter):
            return self._once(parameter, "float", lambda: self.constant(self.array(parameter).T))
        integers, scales = self.integers(parameter)
        return self._once(parameter, "float", lambda: self._dequantised(integers, scales))

    def in_int8(self, parameter: Tensor) -> bool:
        """Say whether the graph keeps a matrix in 8 bits: one that is worth it."""
        return self.precision == "int8" and min(parameter.shape) >= 64

    def integers(self, parameter: Tensor) -> tuple[Value, Value]:
        """Return a matrix (out, in) as 8-bit numbers (in, out) and a scale for each output (out,)."""
        w = self.array(parameter)
        scales = (np.maximum(np.abs(w).max(axis=1), TINY) / LARGEST).astype(np.float32)

        def made() -> Value:
            return self.constant(np.rint(w / scales[:, None]).clip(-LARGEST, LARGEST).astype(np.int8).T)

        return self._once(parameter, "integers", made), self.constant(scales)

    def joined(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the product of two matrices as a weight of its own, the same one for the same two."""
        key = (id(left), id(right))
        made = self._root._joined
        if key not in made:
            made[key] = (left, right, (left.detach() @ right.detach()))
        return made[key][2]

    def quantised(self, x: Value) -> Value:
        """Return numbers in [−1, 1] as 8-bit ones of scale 1/127."""
        known = x.graph._quantised
        if x.name not in known:
            known[x.name] = self.op("QuantizeLinear", x, np.float32(1 / 127), ZERO)
        return known[x.name]

    def model(self, inputs: Sequence[Declared], outputs: Sequence[Named]) -> ModelProto:
        """Return the whole as a model with named inputs and outputs."""
        graph = self.closed("nmt", inputs, outputs)
        used = {name for node in graph.node for name in reads(node)}
        graph.initializer.extend(each for each in self._initializers if each.name in used)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, MICROSOFT_OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR)

    def closed(self, name: str, inputs: Sequence[Declared], outputs: Sequence[Named]) -> GraphProto:
        """Return the nodes as a graph with named inputs and outputs: (name, type, dimensions)."""
        nodes = live(self._nodes, [value.name for value, _, _ in outputs])
        weights = self._own_weights(nodes) if self.depth >= 2 else []
        nodes += [helper.make_node("Identity", [value.name], [given]) for value, given, _ in outputs]
        return helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(given, kind, shape) for given, kind, shape in inputs],
            [helper.make_tensor_value_info(given, kind, None) for _, given, kind in outputs],
            weights,
        )

    def _own_weights(self, nodes: Sequence[NodeProto]) -> list[TensorProto]:
        """Let products read weights of this graph itself, and return those.

        ONNX Runtime packs weights once, when it loads them, where they belong to the graph of the product or
        to the one around it; those from further out it would pack for every product anew, and multiply
        another way where there is a single row.
        """
        shared = {each.name: each for each in self._root._initializers}
        own: dict[str, TensorProto] = {}
        for node in nodes:
            if node.op_type not in ("MatMul", "MatMulIntegerToFloat") or node.input[1] not in shared:
                continue
            name = node.input[1]
            if name not in own:
                own[name] = TensorProto()
                own[name].CopyFrom(shared[name])
                own[name].name = f"{name}_{self.number()}"
            node.input[1] = own[name].name
        return list(own.values())

    def _once(self, parameter: Tensor, form: str, make: Callable[[], Value]) -> Value:
        """Return what `make` returns for a parameter, made on the first call."""
        key = (id(parameter), form)
        if key not in self._root._weights:
            self._root._weights[key] = (parameter, make())
        return self._root._weights[key][1]

    def _dequantised(self, integers: Value, scales: Value) -> Value:
        return self.op("Mul", self.cast(integers, TensorProto.FLOAT), scales)


def loop(
    g: Graph,
    limit: Value,
    carried: Sequence[tuple[Value, int]],
    step: Callable[[Graph, Value, list[Value]], tuple[Value, Sequence[Value]]],
) -> list[Value]:
    """Repeat a step, `limit` times at most, and return what it carried out of the last round.

    carried: first values with their types of number; they may change shape. step: from a graph, the number of
    the round (from 0) and the carried values to whether there is another round, and the values after.
    """
    body, n = g.body(), g.number()
    round_, inside = Value(f"round_{n}", body), [Value(f"carried_{g.number()}", body) for _ in carried]
    going, after = step(body, round_, inside)
    inputs: list[Declared] = [(round_.name, TensorProto.INT64, ()), (f"go_{n}", TensorProto.BOOL, ())]
    inputs += [(value.name, kind, None) for value, (_, kind) in zip(inside, carried, strict=True)]
    outputs: list[Named] = [(going, f"going_{n}", TensorProto.BOOL)]
    for value, then, (_, kind) in zip(inside, after, carried, strict=True):
        outputs.append((then, f"after_{value.name}", kind))
    first = [value for value, _ in carried]
    closed = body.closed(f"body_{n}", inputs, outputs)
    return g.ops("Loop", limit, np.array(True), *first, outputs=len(first), attributes={"body": closed})


def branch(
    g: Graph,
    condition: Value,
    then: Callable[[Graph], Sequence[Value]],
    otherwise: Callable[[Graph], Sequence[Value]],
    kinds: Sequence[int],
) -> list[Value]:
    """Return the values of one of two graphs, of which only that one runs. kinds: their types of number."""
    closed = {}
    for name, make in (("then_branch", then), ("else_branch", otherwise)):
        n, body = g.number(), g.body(lazy=True)
        values = make(body)
        outputs = [
            (value, f"{name}_{n}_{i}", kind)
            for i, (value, kind) in enumerate(zip(values, kinds, strict=True))
        ]
        closed[name] = body.closed(f"{name}_{n}", [], outputs)
    return g.ops("If", condition, outputs=len(kinds), attributes=closed)


def scan(
    g: Graph,
    xs: Sequence[Value],
    first: Sequence[Value],
    step: Callable[[Graph, list[Value], list[Value]], tuple[Sequence[Value], Sequence[Value]]],
) -> list[Value]:
    """Return ys of every position of xs (T, …), in float32, from a step (xs_t, state) → (ys_t, state).

    The state is in float32. It is a Loop, because a Scan wants to know every shape beforehand.
    """
    body, n = g.body(), g.number()
    round_, inside = Value(f"round_{n}", body), [Value(f"state_{g.number()}", body) for _ in first]
    ys, after = step(body, [body.op("Gather", x, round_) for x in xs], inside)
    going = Value(f"go_{n}", body)
    inputs: list[Declared] = [(round_.name, TensorProto.INT64, ()), (going.name, TensorProto.BOOL, ())]
    inputs += [(value.name, TensorProto.FLOAT, None) for value in inside]
    outputs: list[Named] = [(going, f"going_{n}", TensorProto.BOOL)]
    for value, then in zip(inside, after, strict=True):
        outputs.append((then, f"after_{value.name}", TensorProto.FLOAT))
    outputs += [(y, f"y_{g.number()}", TensorProto.FLOAT) for y in ys]
    attributes = {"body": body.closed(f"body_{n}", inputs, outputs)}
    count = g.op("Squeeze", g.size(xs[0], 0))
    found = g.ops("Loop", count, np.array(True), *first, outputs=len(first) + len(ys), attributes=attributes)
    return found[len(first) :]


def live(nodes: Sequence[NodeProto], wanted: Iterable[str]) -> list[NodeProto]:
    """Return the nodes that the wanted values depend on, in their order."""
    needed, kept = set(wanted), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(reads(node))
    return kept[::-1]


def reads(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, those in its bodies too."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from reads(inner)
