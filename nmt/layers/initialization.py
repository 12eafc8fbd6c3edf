"""How the weight matrices of a cell are initialised."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from nmt.shapes import Float

Matrix = Float[Tensor, "out in"]
Initializer = Callable[[Matrix], object]  # fills a matrix in place

glorot: Initializer = nn.init.xavier_uniform_  # Glorot & Bengio 2010
orthogonal: Initializer = nn.init.orthogonal_  # Saxe et al. 2014
identity: Initializer = nn.init.eye_


def uniform(matrix: Matrix) -> Matrix:
    """Fill from ± 1/√out, as torch's own recurrent layers do: a gate's matrix has H outputs."""
    bound = len(matrix) ** -0.5
    return nn.init.uniform_(matrix, -bound, bound)


def empty_linear(input_size: int, output_size: int, *, bias: bool) -> nn.Linear:
    """Return a linear layer whose numbers are not initialised yet; it takes nothing from torch's seed."""
    device = torch.get_default_device()
    made = nn.utils.skip_init(nn.Linear, input_size, output_size, bias=bias, device=device)
    return cast("nn.Linear", made)


def linear_by_gate(
    gates: int, hidden_size: int, *inputs: tuple[int, Initializer], bias: bool = False
) -> nn.Linear:
    """Return a linear layer to `gates` gates of H units, the matrix of each gate initialised by itself.

    inputs: the width of each part of the input, and how its columns are initialised. A bias begins at 0.
    """
    sizes = [size for size, _ in inputs]
    linear = empty_linear(sum(sizes), gates * hidden_size, bias=bias)
    with torch.no_grad():
        for (size, initialize), columns in zip(inputs, linear.weight.split(sizes, dim=1), strict=True):
            for matrix in columns.split(hidden_size) if size else ():
                initialize(matrix)
        if bias:
            linear.bias.zero_()
    return linear
