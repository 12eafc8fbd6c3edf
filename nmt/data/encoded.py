"""Encoded sentence pairs: token ids in flat arrays, in memory or mapped from disk."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.integer]
Lengths: TypeAlias = NDArray[np.int32]


class Side(NamedTuple):
    """One side of a split: row i is ids[offsets[i] : offsets[i + 1]], without <s> and </s>."""

    ids: Ids
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Side":
        """Return the rows as flat arrays in memory."""
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return cls(np.fromiter((i for row in rows for i in row), np.uint32, offsets[-1]), offsets)

    @classmethod
    def open(cls, path: Path, dtype: str) -> "Side":
        """Map what a SideWriter wrote, read-only, from PATH.ids and PATH.offsets."""
        return cls(_map(_ids(path), dtype), _map(_offsets(path), "int64"))

    def rows(self, indices: Sequence[int] | NDArray[np.integer]) -> list[Ids]:
        """Return the rows with these numbers, as views."""
        return [self.ids[self.offsets[i] : self.offsets[i + 1]] for i in indices]

    def lengths(self) -> Lengths:
        """Number of tokens of every row."""
        return np.diff(self.offsets).astype(np.int32)


class SideWriter(ExitStack):
    """Context manager that appends rows to PATH.ids (in dtype) and PATH.offsets (int64)."""

    def __init__(self, path: Path, dtype: str) -> None:
        super().__init__()
        self._dtype = dtype
        self._ids = self.enter_context(_ids(path).open("wb"))
        self._offsets = self.enter_context(_offsets(path).open("wb"))
        self._offsets.write(np.zeros(1, np.int64).tobytes())
        self.tokens = 0

    def append(self, rows: Sequence[Sequence[int]]) -> None:
        """Append rows."""
        ends = self.tokens + np.cumsum([len(row) for row in rows], dtype=np.int64)
        if not len(ends):
            return
        ids = np.fromiter(chain.from_iterable(rows), self._dtype, int(ends[-1]) - self.tokens)
        self._ids.write(ids.tobytes())
        self._offsets.write(ends.tobytes())
        self.tokens = int(ends[-1])


def _ids(path: Path) -> Path:
    return path.with_name(f"{path.name}.ids")


def _offsets(path: Path) -> Path:
    return path.with_name(f"{path.name}.offsets")


def _map(path: Path, dtype: str) -> NDArray[Any]:
    # An empty file cannot be mapped.
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)


class EncodedSplit:
    """The pairs of one split as token ids; epoch e reads segmentation e mod their number.

    Validation, test, and training without subword regularisation have one segmentation.
    """

    def __init__(self, src: Sequence[Side], trg: Sequence[Side]) -> None:
        sizes = {len(side.offsets) for side in (*src, *trg)}
        if len(src) != len(trg) or len(sizes) != 1:
            raise ValueError(f"{len(src)} and {len(trg)} segmentations with {sorted(sizes)} offsets")
        self._src = tuple(src)
        self._trg = tuple(trg)

    @classmethod
    def of(cls, src: Sequence[Sequence[int]], trg: Sequence[Sequence[int]]) -> "EncodedSplit":
        """Return a split in memory, with one segmentation."""
        return cls([Side.of(src)], [Side.of(trg)])

    def __len__(self) -> int:
        return len(self._src[0].offsets) - 1

    @property
    def segmentations(self) -> int:
        """Number of segmentations, used in turn by the epochs."""
        return len(self._src)

    def lengths(self, epoch: int = 0) -> tuple[Lengths, Lengths]:
        """Return the numbers of tokens of every source and target in an epoch, without </s>."""
        number = epoch % len(self._src)
        return self._src[number].lengths(), self._trg[number].lengths()

    def rows(
        self, indices: Sequence[int] | NDArray[np.integer], epoch: int = 0
    ) -> tuple[list[Ids], list[Ids]]:
        """Return the sources and targets of these examples in an epoch."""
        number = epoch % len(self._src)
        return self._src[number].rows(indices), self._trg[number].rows(indices)

    def targets(self, last: int, epoch: int = 0) -> Ids:
        """Return all targets of an epoch, concatenated, each followed by the id `last`."""
        ids, offsets = self._trg[epoch % len(self._trg)]
        joined, of_text = (
            np.full(len(ids) + len(self), last, ids.dtype),
            np.ones(len(ids) + len(self), np.bool_),
        )
        of_text[offsets[1:] + np.arange(len(self))] = False
        joined[of_text] = ids
        return joined
