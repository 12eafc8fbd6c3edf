"""The memory of this process: its peak, and giving free heap back to the system."""

import ctypes
import resource
import sys

import torch


def peak_memory(device: torch.device) -> int:
    """Return the peak memory so far, in bytes: resident in this process, or allocated on its GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def trim_heap() -> None:
    """Return freed memory from glibc's heap to the system; does nothing with another C library.

    Batches of many shapes fragment the heap, which would add to the peak of a following validation.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
