"""nmt.training.memory: what was freed goes back to the system."""

import resource
import sys
from pathlib import Path

import pytest
import torch

from nmt.training.memory import give_back, peak_memory


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_what_was_freed_goes_back() -> None:
    blocks = [bytearray(b"x") * 2**16 for _ in range(2000)]  # 125 MB, too small each to be mapped by itself
    kept = blocks[::100]  # holes all over the heap
    full = resident()
    del blocks
    give_back()
    assert resident() < full - 2**26
    assert len(kept) == 20
    assert peak_memory(torch.device("cpu")) > full * 0.9  # the system counts it a little late
