"""Heads: features become logits.

N rows, H feature width, V vocabulary.
"""

from nmt.errors import CannotExport
from nmt.graphs.attention import Memory
from nmt.graphs.graph import Graph, Value
from nmt.graphs.linear import linear, product
from nmt.layers.heads import Head, PlainHead, TiedHead


def keeps(g: Graph, head: Head, embedded: Value) -> Value | None:
    """Return what the memory keeps of the embedded source (B, Tx, E)."""
    return None


def logits(g: Graph, head: Head, features: Value, alignment: Value, memory: Memory) -> Value:
    """Return logits (N, V) of features (N, H) and alignment (N, Tx)."""
    match head:
        case PlainHead():
            return linear(g, features, head.output)
        case TiedHead():
            return _tied(g, head, features)
        case _:
            raise CannotExport.of(head)


def _tied(g: Graph, head: TiedHead, features: Value) -> Value:
    """Return E (P f) + b, in 8 bits (E P) f + b where that is hardly more work: f has one fixed scale."""
    between, width = head.project.weight.shape
    if not g.in_int8(head.output.weight) or width > 1.5 * between:
        return linear(g, linear(g, features, head.project), head.output)
    joined = g.joined(head.output.weight, head.project.weight)
    return product(g, features, joined, head.output.bias)
