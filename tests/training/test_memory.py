"""nmt.training.memory: the peak is known, and giving back keeps what is in use."""

import torch

from nmt.training.memory import peak_memory, trim_heap


def test_the_peak_holds_what_there_was_and_never_falls() -> None:
    block = bytearray(b"x") * 2**27
    peak = peak_memory(torch.device("cpu"))
    assert peak > 2**26  # the system counts it a little late
    del block
    trim_heap()
    assert peak_memory(torch.device("cpu")) >= peak


def test_what_is_in_use_is_kept() -> None:
    kept = [bytes([n]) * 2**10 for n in range(200) for _ in range(2)][::2]
    trim_heap()
    assert kept == [bytes([n]) * 2**10 for n in range(200)]
