"""Shapes: wrong ones are found while tests run, and nobody else pays for it."""

import subprocess
import sys

import pytest
import torch

from nmt.layers.attention import DotAttention, Memory
from nmt.layers.cells import LSTMCell


def test_a_call_with_shapes_that_do_not_agree_is_an_error() -> None:
    cell = LSTMCell(3, 4)
    state = cell.zero_state(torch.zeros(2, 1, 3))
    with pytest.raises(Exception, match="parameter step_input"):
        cell.step(torch.zeros(2, 16), state, torch.zeros(3, 5))


def test_a_result_of_another_shape_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, mask = DotAttention(4, 4), torch.ones(2, 5, dtype=torch.bool)
    memory = attention.build_memory(torch.randn(2, 5, 4), mask)
    monkeypatch.setattr(attention, "normalize", lambda scores: scores[..., :-1])
    with pytest.raises(Exception, match="dimension Tx is 4"):
        attention(torch.randn(2, 3, 4), memory, None)


def test_a_named_tuple_of_parts_that_do_not_agree_is_an_error() -> None:
    keys, mask = torch.randn(2, 5, 4), torch.ones(2, 6, dtype=torch.bool)
    with pytest.raises(Exception, match="dimension Tx is 6"):
        Memory(keys, keys, mask)


def test_outside_of_tests_nothing_is_loaded_or_checked() -> None:
    code = """
import sys
import torch
from nmt.decoding import translator
from nmt.layers.attention import Memory
assert Memory(torch.zeros(1), torch.zeros(2), torch.zeros(3)).keys.shape == (1,)
assert not {"beartype", "jaxtyping"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
