"""The memory of this process: its peak, and what it no longer needs."""

import ctypes
import resource
import sys

import torch


def peak_memory(device: torch.device) -> int:
    """Return the most bytes there were so far: resident in this process, or allocated on its GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def trim_heap() -> None:
    """Return to the system what the C library keeps of freed memory, where it is glibc.

    Batches of many shapes leave holes in the heap that are of no use to what comes next, such as a
    validation, and would add to its peak.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
