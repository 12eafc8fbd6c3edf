"""How the weight matrices of a cell are drawn."""

from collections.abc import Callable

from torch import Tensor, nn

Draw = Callable[[Tensor], object]  # fills a matrix (out, in) in place

glorot: Draw = nn.init.xavier_uniform_  # Glorot & Bengio 2010
orthogonal: Draw = nn.init.orthogonal_  # Saxe et al. 2014
identity: Draw = nn.init.eye_


def uniform(matrix: Tensor) -> Tensor:
    """Draw from ± 1/√out, as torch's own recurrent layers do: a gate's matrix has H outputs."""
    bound = len(matrix) ** -0.5
    return nn.init.uniform_(matrix, -bound, bound)


def draw_by_gate(draw: Draw, weight: Tensor | None, hidden_size: int) -> None:
    """Draw the matrix of each gate of a weight (gates · H, in) by itself; without inputs, nothing."""
    if weight is None or not weight.numel():
        return
    for matrix in weight.split(hidden_size):
        draw(matrix)
