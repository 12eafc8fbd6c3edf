"""Choose the device and the precision that the hardware supports."""

import torch

from nmt import machine
from nmt.errors import UserError
from nmt.machine import Precision, TrainingPrecision


def choose_device(name: str) -> torch.device:
    """Return the device of this name; auto takes CUDA if there is a GPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r} is unknown; try auto, cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device {name!r} is not supported; try auto, cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device is {name}, and this machine or this torch has no CUDA; take auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device is {name}, and there is cuda:0 to cuda:{torch.cuda.device_count() - 1}")
    return device


def choose_precision(name: TrainingPrecision, device: torch.device) -> torch.dtype:
    """Return the precision of products in training; auto takes bfloat16 if the hardware has units for it.

    Raises UserError if the device does not support the precision.
    """
    if name == "auto":
        if device.type == "cuda":
            units = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            units = machine.has_bfloat16_units()
        return torch.bfloat16 if units else torch.float32
    if name == "bfloat16" and device.type == "cpu" and not machine.has_bfloat16():
        raise UserError(f"training.precision is bfloat16: {NO_BFLOAT16}; take auto or float32")
    return {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def choose_translation_precision(name: Precision, device: torch.device) -> Precision:
    """Return the precision in which torch translates; auto takes float32.

    Raises UserError if torch or the device does not support the precision.
    """
    if name == "int8":
        raise UserError("--precision int8: only a search on a CPU computes in it; take auto or float32")
    if name == "bfloat16" and device.type == "cpu" and not machine.has_bfloat16():
        raise UserError(f"--precision bfloat16: {NO_BFLOAT16}; take auto or float32")
    return "float32" if name == "auto" else name


NO_BFLOAT16 = "this CPU (or what its kernels are limited to) has no products in bfloat16"
