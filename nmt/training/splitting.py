"""Out of memory: a batch that does not fit is computed in pieces, and the run goes on."""

from collections.abc import Callable
from functools import reduce
from math import inf

import torch
from torch import Tensor

from nmt.data.batches import Batch
from nmt.errors import UserError
from nmt.training.checkpoint import rng_state, set_rng_state

# What is said where there is no exception for it: by torch on a CPU, CUDA's libraries, and oneDNN, whose
# words are the same for other failures; hence the reason at the end of what a person is told.
SAID = (
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "out of memory",
    "ALLOC_FAILED",
    "a primitive",
)


def out_of_memory(error: BaseException) -> bool:
    """Say whether this was raised because an allocation failed, on a CPU or a GPU."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAID)


def positions(batch: Batch) -> int:
    """Return the positions of a batch, padding and both sides counted."""
    return batch.src.numel() + batch.trg_in.numel()


class Splitting:
    """Computes a batch in `pieces` pieces, and in twice as many again and again until memory suffices.

    `undo` takes back what a failed computation left behind; torch's random state is put back here. So the
    outcome depends on the pieces that fitted, not on what was tried before. What once did not fit is not
    tried again: later batches of that many positions begin in more pieces.
    """

    def __init__(
        self, pieces: int, device: torch.device, *, undo: Callable[[], None], log: Callable[[str], None]
    ) -> None:
        self.pieces, self.device, self.undo, self.log = pieces, device, undo, log
        self.too_large = inf  # positions of the smallest piece that did not fit

    def sum(self, compute: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        """Return the sum of compute(piece) over the pieces of a batch.

        Raises UserError when a single pair does not fit.
        """
        rng, count = rng_state(self.device), self.pieces
        while True:
            pieces = batch.micro_batches(count)
            if len(pieces) < len(batch) and max(map(positions, pieces)) >= self.too_large:
                count *= 2
                continue
            piece = batch
            try:
                sums = []
                for piece in pieces:
                    sums.append(compute(piece))
                return reduce(torch.add, sums)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                reason = (str(error).splitlines() or [type(error).__name__])[0]
            # Only here, past the except block, are the tensors of the failed computation gone.
            self.undo()
            set_rng_state(rng, self.device)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self._does_not_fit(piece, reason)

    def _does_not_fit(self, piece: Batch, reason: str) -> None:
        rows, (tx, ty) = len(piece), (piece.src.shape[1], piece.trg_in.shape[1])
        if rows == 1:
            raise UserError(
                f"out of memory: a single pair of {tx:,} source and {ty:,} target pieces does not fit; "
                f"lower data.filters.max_length or the sizes of the model ({reason})"
            )
        self.too_large = positions(piece)
        self.log(
            f"out of memory with {rows} pairs of up to {tx} source and {ty} target pieces; "
            "so much is computed in halves from here on"
        )
