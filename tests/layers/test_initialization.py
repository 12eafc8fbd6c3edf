import math

import pytest
import torch

from nmt.layers.initialization import Initializer, glorot, identity, linear_by_gate, orthogonal, uniform


def test_each_gate_is_initialised_by_itself() -> None:
    for gate in linear_by_gate(3, 8, (8, orthogonal)).weight.split(8):
        torch.testing.assert_close(gate @ gate.mT, torch.eye(8))
    assert torch.equal(linear_by_gate(3, 8, (8, identity)).weight, torch.eye(8).repeat(3, 1))


@pytest.mark.parametrize(
    ("initialize", "bound"), [(glorot, math.sqrt(6 / (100 + 50))), (uniform, 1 / math.sqrt(100))]
)
def test_the_bounds_are_those_of_one_gate(initialize: Initializer, bound: float) -> None:
    weight = linear_by_gate(4, 100, (50, initialize)).weight
    assert 0.99 * bound < weight.abs().max() <= bound
    assert abs(weight.std() / (bound / math.sqrt(3)) - 1) < 0.02


def test_each_part_of_the_input_has_columns_of_its_own() -> None:
    linear = linear_by_gate(2, 8, (0, glorot), (3, glorot), (8, identity), bias=True)
    step_input, own = linear.weight.split([3, 8], dim=1)
    assert torch.equal(own, torch.eye(8).repeat(2, 1))
    assert step_input.abs().max() <= math.sqrt(6 / 11)
    assert not linear.bias.any()
