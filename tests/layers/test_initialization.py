import math

import pytest
import torch

from nmt.layers.initialization import draw_by_gate, glorot, identity, orthogonal, uniform


def test_a_gate_is_drawn_by_itself() -> None:
    weight = torch.zeros(3 * 8, 8)
    draw_by_gate(orthogonal, weight, 8)
    for gate in weight.split(8):
        torch.testing.assert_close(gate @ gate.mT, torch.eye(8))
    draw_by_gate(identity, weight, 8)
    assert torch.equal(weight, torch.eye(8).repeat(3, 1))


@pytest.mark.parametrize(
    ("draw", "bound"), [(glorot, math.sqrt(6 / (100 + 50))), (uniform, 1 / math.sqrt(100))]
)
def test_the_bounds_are_those_of_one_gate(draw: object, bound: float) -> None:
    weight = torch.zeros(4 * 100, 50)
    draw_by_gate(draw, weight, 100)  # type: ignore[arg-type]
    assert 0.99 * bound < weight.abs().max() <= bound
    assert abs(weight.std() / (bound / math.sqrt(3)) - 1) < 0.02


@pytest.mark.parametrize("weight", [None, torch.empty(8, 0)])
def test_without_inputs_there_is_nothing_to_draw(weight: torch.Tensor | None) -> None:
    state = torch.get_rng_state()
    draw_by_gate(glorot, weight, 4)
    assert torch.equal(torch.get_rng_state(), state)
