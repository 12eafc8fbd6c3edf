"""Cells to compare: any that a configuration can name, with widths that give equal parameter counts."""

import json
from collections.abc import Sequence
from itertools import count as counting
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from nmt.builders.cell import build_cell
from nmt.config.cell import CellConfig
from nmt.errors import UserError
from nmt.layers.cells import AnyCell

_CELL: TypeAdapter[CellConfig] = TypeAdapter(CellConfig)
FAR = 0.1  # largest relative error of a cell's number of parameters: widths are whole numbers


class Reader(nn.Module):
    """A cell over a sequence and a linear map of its outputs: x (B, T, D) → (B, T, O)."""

    def __init__(self, cell: AnyCell, output_size: int) -> None:
        super().__init__()
        self.cell: Any = cell
        self.output = nn.Linear(cell.hidden_size, output_size)

    def forward(self, x: Tensor, last: int) -> Tensor:
        """Return the outputs at the last positions (B, last, O), by the cell's fastest kernel."""
        read: Tensor = self.output(self.cell(x)[0][:, -last:])
        return read

    @property
    def parameter_count(self) -> int:
        """The number of parameters of the cell and the map."""
        return sum(parameter.numel() for parameter in self.parameters())


def split_names(cells: str) -> list[str]:
    """Return the names in a list such as `lstm,gru,lstm:chrono=T`; UserError if one is repeated or wrong."""
    names = [name.strip() for name in cells.split(",") if name.strip()]
    if not names:
        raise UserError("--cells names no cell; expected a list such as lstm,gru,rnn")
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"--cells names {twice[0]} twice; leave one out")
    for name in names:
        cell_config(name, length=100)
    return names


def cell_config(name: str, length: int) -> CellConfig:
    """Return the section that a name such as `lstm` or `lstm:chrono=T:input=uniform` stands for.

    After the kind come keys of its section in `nmt/config/cell.py`; T is the length of the sequences.
    Raises UserError if there is no such kind, key or value.
    """
    kind, *options = name.split(":")
    section: dict[str, object] = {"kind": kind}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise UserError(f"--cells {name}: expected KEY=VALUE as in lstm:chrono=T, found {option!r}")
        section[key] = length if value == "T" else _value(value)
    try:
        config: CellConfig = _CELL.validate_python(section)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
        if error["type"] == "union_tag_invalid":
            expected = error["ctx"]["expected_tags"]
            raise UserError(
                f"--cells {name}: no cell is called {kind!r}; expected one of {expected}"
            ) from None
        where = ".".join(str(part) for part in error["loc"][1:])
        message = error["msg"].removeprefix("Value error, ")
        raise UserError(f"--cells {name}: {where + ': ' if where else ''}{message}") from None
    return config


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def matched_reader(config: CellConfig, input_size: int, output_size: int, parameters: int) -> Reader:
    """Return a newly initialised reader whose number of parameters is nearest to `parameters`.

    The weights follow torch's seed. Raises UserError if the nearest width misses the number by more than
    10 %, which happens for small numbers.
    """
    rng = torch.get_rng_state()
    cell = build_cell(config)

    def count(width: int) -> int:
        return Reader(cell(input_size, width), output_size).parameter_count

    narrow, wide = 1, 2
    while count(wide) < parameters:
        narrow, wide = wide, 2 * wide
    while wide - narrow > 1:
        middle = (narrow + wide) // 2
        narrow, wide = (middle, wide) if count(middle) < parameters else (narrow, middle)
    width = min((narrow, wide), key=lambda w: abs(count(w) - parameters))
    torch.set_rng_state(rng)
    reader = Reader(cell(input_size, width), output_size)
    if abs(reader.parameter_count - parameters) > FAR * parameters:
        # The worst case between two neighbouring widths is the number halfway.
        steps = ((count(width), count(width + 1)) for width in counting(1))
        enough = next(less for less, more in steps if more - less <= FAR * (more + less))
        raise UserError(
            f"--parameters {parameters}: the nearest {config.kind} has {reader.parameter_count}, more than "
            f"{100 * FAR:.0f} % away; every number from {enough} on can be matched"
        )
    return reader


def beside(found: int, wanted: int) -> str:
    """Return a number of parameters and its distance from the wanted one, such as `5116 (+2.3 %)`."""
    return f"{found} ({100 * (found / wanted - 1):+.1f} %)"


def mean_norms(gradients: Sequence[Tensor]) -> list[float]:
    """Return for each gradient (B, H) the mean Euclidean norm of its rows."""
    return [float(gradient.double().norm(dim=1).mean()) for gradient in gradients]
