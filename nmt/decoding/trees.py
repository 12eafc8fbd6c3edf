"""Trees of tensors, as memory and state of a step scorer are: nested tuples, plain or named, or None."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from nmt.shapes import Int

Tree: TypeAlias = "Tensor | tuple[Tree, ...] | None"
T = TypeVar("T", bound=Tree)


def tensors(tree: Tree) -> Iterator[Tensor]:
    """Yield the tensors of a tree, in order."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, tuple):
        for part in tree:
            yield from tensors(part)


def filled(tree: T, others: Iterator[Tensor]) -> T:
    """Return the tree with the next of other tensors in the place of each of its own."""
    if isinstance(tree, Tensor):
        return next(others)  # type: ignore[return-value]
    if isinstance(tree, tuple):
        parts = [filled(part, others) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)  # type: ignore[arg-type, return-value]
    return tree


def select_rows(tree: T, index: Int[Tensor, "N"]) -> T:
    """Return the tree with the given rows of each tensor."""
    return filled(tree, (tensor.index_select(0, index) for tensor in tensors(tree)))


def join_rows(trees: Sequence[T]) -> T:
    """Return the tree with the rows of all, in order."""
    parts = zip(*map(tensors, trees), strict=True)
    return filled(trees[0], (torch.cat(part) for part in parts))
