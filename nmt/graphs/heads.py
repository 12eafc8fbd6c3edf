"""Heads: features become logits.

B sentences, N = B · K rows, Tx source positions, E embedding, H feature width, V vocabulary.
"""

from torch import nn

from nmt.errors import CannotExport
from nmt.graphs.attention import Memory
from nmt.graphs.graph import Graph, Value, int64
from nmt.graphs.linear import linear, product
from nmt.layers.heads import Head, LexicalHead, PlainHead, TiedHead


def keeps(g: Graph, head: Head, embedded: Value) -> Value | None:
    """Return what the memory keeps of the embedded source (B, Tx, E)."""
    return embedded if isinstance(head, LexicalHead) else None


def logits(g: Graph, head: Head, features: Value, alignment: Value, memory: Memory) -> Value:
    """Return logits (N, V) of features (N, H) and alignment (N, Tx)."""
    if isinstance(head, LexicalHead):
        plain = of_features(g, head.plain, features)
        return g.op("Add", plain, _lexical(g, head, alignment, memory))
    return of_features(g, head, features)


def of_features(g: Graph, head: nn.Module, features: Value) -> Value:
    """Return logits (…, V) of features (…, H), from a head that reads nothing else."""
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


def _lexical(g: Graph, head: LexicalHead, alignment: Value, memory: Memory) -> Value:
    """Return what the attended words give to the logits (N, V), for alignment (N, Tx)."""
    assert memory.words is not None
    size, length = (g.size(memory.words, axis) for axis in (0, 1))
    rows = g.op("Reshape", alignment, g.concat(size, g.constant(int64(-1)), length, axis=0))  # (B, K, Tx)
    attended = g.op("Reshape", g.op("MatMul", rows, memory.words), int64(-1, head.hidden.in_features))
    word = g.op("Tanh", attended).within_one()  # (N, E)
    return linear(g, g.op("Add", g.op("Tanh", linear(g, word, head.hidden)), word), head.lexical)
