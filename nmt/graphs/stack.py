"""Recurrent layers one above the other, in a step.

N rows, W input width, H hidden width.
"""

from collections.abc import Sequence
from typing import cast

from torch.nn import LayerNorm

from nmt.graphs.cells import State, initial_state, project, step
from nmt.graphs.graph import Graph, Value
from nmt.graphs.linear import layer_norm
from nmt.layers.stack import Stack

States = tuple[State, ...]


def first_states(g: Graph, stack: Stack, h: Sequence[Value]) -> States:
    """Return the first state of each layer, which begins with its h (N, H)."""
    return tuple(initial_state(g, cell, part) for cell, part in zip(stack.layers, h, strict=True))


def run(
    g: Graph, stack: Stack, x: Value, states: States, *, first: int = 0, context: Value | None = None
) -> tuple[Value, States]:
    """Take one step of the layers from `first` up: the top one's output (N, H) and their states.

    x: what the first of them reads (N, W). context: what each layer reads beside the one below.
    """
    reached = []
    for layer, cell in enumerate(stack.layers):
        if layer < first:
            continue
        read = before(g, stack, layer, x if context is None else g.concat(x, context))
        projected, late = (project(g, cell, read), None) if cell.input_size else (None, read)
        y, state = step(g, cell, projected, states[layer], late)
        x = after(g, stack, layer, x, y)
        reached.append(state)
    return x, tuple(reached)


def before(g: Graph, stack: Stack, layer: int, x: Value) -> Value:
    """Return what a layer reads of x (…, W)."""
    if layer and stack.norms is not None:
        return layer_norm(g, x, cast("LayerNorm", stack.norms[layer - 1]))
    return x


def after(g: Graph, stack: Stack, layer: int, x: Value, y: Value) -> Value:
    """Return what a layer passes on, from the output x of the one below and its own output y."""
    return g.op("Add", x, y) if layer >= stack.residual_from else y
