"""One long text as parallel streams that are read window by window (truncated back-propagation).

Legend: B rows of a batch, R streams (rows) of the text, L tokens of a row, T positions of a window.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from nmt.data.batches import ALL, Batch, StreamState, TrainingBatches
from nmt.data.encoded import EncodedSplit, Ids
from nmt.tokenization.vocabulary import EOS, PAD


class Windows:
    """A text cut into R rows of L consecutive tokens, and these into windows of at most T positions.

    The last row is padded. Every token is predicted from the token before it in the text, the first one
    from EOS, as after the end of a line.
    """

    def __init__(self, text: Ids, rows: int, width: int) -> None:
        length = -(-len(text) // rows)
        flat = np.full(1 + rows * length, PAD, text.dtype)
        flat[0], flat[1 : 1 + len(text)] = EOS, text
        self._in, self._out = flat[:-1].reshape(rows, length), flat[1:].reshape(rows, length)  # (R, L)
        self._width, self.rows = width, rows

    def __len__(self) -> int:
        return -(-self._out.shape[1] // self._width)

    def window(self, number: int, recurrent: StreamState | None = None, rows: slice = ALL) -> Batch:
        """Return these rows of a window, with the recurrent states before it; there is no source."""
        columns = slice(number * self._width, (number + 1) * self._width)
        trg_in, out = (
            torch.from_numpy(side[rows, columns].astype(np.int64)) for side in (self._in, self._out)
        )
        return Batch(
            src=torch.full((len(out), 1), EOS),
            src_len=torch.ones(len(out), dtype=torch.int64),
            trg_in=trg_in,
            trg_out=out,
            trg_len=(out != PAD).sum(dim=1),
            indices=torch.arange(self.rows)[rows],
            recurrent=recurrent,
        )

    def __iter__(self) -> Iterator[Batch]:
        """Yield all windows in order, each with the recurrent states of the one before."""
        recurrent = StreamState(self.rows)
        for number in range(len(self)):
            yield self.window(number, recurrent)
            recurrent.turn()


class StreamBatches(TrainingBatches):
    """Windows of the whole split as one text; each epoch starts again from the beginning.

    R is tokens_per_batch // width, or less for a short text. Up to R − 1 tokens at the end of the text are
    left out, so that all rows are equally long. rows: the rows of every batch for this process.
    """

    def __init__(self, split: EncodedSplit, tokens_per_batch: int, width: int, *, rows: slice = ALL) -> None:
        self._split, self._width, self._part = split, width, rows
        self._most_rows = max(1, tokens_per_batch // width)
        self._begin(0)

    @property
    def per_epoch(self) -> int:
        return len(self._windows)

    def recurrent_state(self) -> dict[str, Tensor]:
        """Return the states (R, W) before the next window; empty at the beginning of the text."""
        states = self._state.states
        return {} if states is None else {"states": states}

    def _next(self) -> Batch:
        self._state.turn()
        return self._windows.window(self.position, self._state, self._part)

    def close(self) -> None:
        """Do nothing: there is no thread."""

    def largest(self) -> list[Batch]:
        """Return the first window: none is larger."""
        return [self._windows.window(0, rows=self._part)]

    def typical(self, count: int) -> list[Batch]:
        numbers = range(0, self.per_epoch, -(-self.per_epoch // count))
        return [self._windows.window(number, rows=self._part) for number in numbers]

    def _begin(self, epoch: int) -> None:
        text = self._split.targets(EOS, epoch)
        rows = min(self._most_rows, len(text))
        self._windows = Windows(text[: len(text) - len(text) % rows], rows, self._width)
        self.epoch = epoch
        self._go_to(0, {})

    def _go_to(self, position: int, recurrent: Mapping[str, Tensor]) -> None:
        self.position = position
        self._state = StreamState(self._windows.rows, recurrent.get("states"))
