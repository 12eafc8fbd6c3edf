"""Weights by the names and shapes that models had before their cells were made of linear layers."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_MODULES = [
    (r"^((?:encoder|decoder)\.)?between\.", r"\1stack."),
    (r"^encoder\.forward_cells\.", "encoder.stack.cells."),
    (r"^decoder\.query_cell\.", "decoder.stack.cells.0."),
    (r"^(decoder\.)?cells\.", r"\1stack.cells."),
    (r"^(head(?:\.plain)?)\.bias$", r"\1.output.bias"),
]
_PARAMETERS = {
    "weight_ih": "input_proj.weight",
    "weight_hh": "recurrent_proj.weight",
    "weight_late": "step_input_proj.weight",
    "gain_ih": "input_norm.weight",
    "gain_hh": "recurrent_norm.weight",
    "gain_c": "cell_norm.weight",
    "bias_c": "cell_norm.bias",
}


def by_todays_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights by the names that a model has today; names of today, or of no model, stay.

    A GRU had a bias of the gates r, z, n and a bias_hn. Now r, z and U h have one bias, beside it is bias_n.
    """
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        cell, _, parameter = name.rpartition(".")
        module, of_h = _module(cell + "."), weights.get(f"{cell}.bias_hn")
        if parameter == "bias" and of_h is not None and weight.shape == (3 * of_h.numel(),):
            r_z, n = weight.split([2 * len(of_h), len(of_h)])
            found[f"{module}recurrent_proj.bias"] = torch.cat([r_z, of_h])
            found[f"{module}bias_n"] = n
        elif parameter == "bias" and f"{cell}.weight_hh" in weights:
            normalised = f"{cell}.gain_hh" in weights
            found[f"{module}{'recurrent_norm' if normalised else 'recurrent_proj'}.bias"] = weight
        elif parameter in _PARAMETERS:
            found[module + _PARAMETERS[parameter]] = weight
        elif parameter != "bias_hn":
            found[_module(name)] = weight
    return found if len(found) == len(weights) else dict(weights)


def _module(name: str) -> str:
    above = re.match(r"^decoder\.above\.(\d+)\.", name)
    if above:  # layers of a conditional decoder were counted without the bottom one
        return f"decoder.stack.cells.{int(above[1]) + 1}.{name[above.end() :]}"
    for pattern, today in _MODULES:
        name = re.sub(pattern, today, name)
    return name
