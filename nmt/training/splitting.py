"""Out of memory: a batch that does not fit is computed in micro-batches, and the run continues."""

from collections.abc import Callable
from functools import reduce
from math import inf

import torch
from torch import Tensor

from nmt.data.batches import Batch
from nmt.errors import UserError
from nmt.training.checkpoint import rng_state, set_rng_state

# Messages of torch on a CPU, of CUDA's libraries and of oneDNN, which have no exception class for it. oneDNN
# uses the same words for other failures, so our message ends with the original reason.
MESSAGES = (
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "out of memory",
    "ALLOC_FAILED",
    "a primitive",
)


def out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed, on a CPU or a GPU."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in MESSAGES)


def positions(batch: Batch) -> int:
    """Return the number of positions of a batch, both sides and padding included."""
    return batch.src.numel() + batch.trg_in.numel()


class Splitting:
    """Computes a batch in `count` micro-batches, and doubles their number until memory suffices.

    undo: discards what a failed attempt left behind; torch's random state is restored here. So the result
    depends only on the final number of micro-batches. A size that did not fit is not tried again: later
    batches with as many positions start with more micro-batches.
    """

    def __init__(
        self, count: int, device: torch.device, *, undo: Callable[[], None], log: Callable[[str], None]
    ) -> None:
        self.count, self.device, self.undo, self.log = count, device, undo, log
        self.too_large = inf  # positions of the smallest micro-batch that did not fit

    def sum(self, compute: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        """Return the sum of compute(part) over the micro-batches of a batch.

        Raises UserError if a single pair does not fit.
        """
        rng, count = rng_state(self.device), self.count
        while True:
            parts = batch.micro_batches(count)
            if len(parts) < len(batch) and max(map(positions, parts)) >= self.too_large:
                count *= 2
                continue
            part = batch
            try:
                sums = []
                for part in parts:
                    sums.append(compute(part))
                return reduce(torch.add, sums)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                reason = (str(error).splitlines() or [type(error).__name__])[0]
            # The tensors of the failed computation are freed only after the except block.
            self.undo()
            set_rng_state(rng, self.device)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self._does_not_fit(part, reason)

    def _does_not_fit(self, part: Batch, reason: str) -> None:
        rows, (tx, ty) = len(part), (part.src.shape[1], part.trg_in.shape[1])
        if rows == 1:
            raise UserError(
                f"out of memory: a single pair of {tx:,} source and {ty:,} target tokens does not fit; "
                f"lower data.filters.max_length or the sizes of the model ({reason})"
            )
        self.too_large = positions(part)
        self.log(
            f"out of memory with {rows} pairs of up to {tx} source and {ty} target tokens; "
            "batches of this size are computed in smaller micro-batches from now on"
        )
