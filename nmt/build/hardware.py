"""Which device and which precision: asked of the hardware."""

import torch

from nmt.errors import UserError


def choose_device(name: str) -> torch.device:
    """Return the device of that name; auto takes CUDA where there is one."""
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


def has_bfloat16_units(device: torch.device) -> bool:
    """Say whether matrix products in bfloat16 run on units of their own there."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    units = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.backends.mkldnn.is_available() and units)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the precision of the matrix products; auto takes bfloat16 where there are units for it."""
    if name == "auto":
        return torch.bfloat16 if has_bfloat16_units(device) else torch.float32
    return {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def choose_translation_precision(name: str, device: torch.device) -> str:
    """Return the precision that translation multiplies in; auto takes int8 on a CPU with units for it.

    UserError where the device has no such products.
    """
    on_cpu, packs = device.type == "cpu", torch.backends.mkldnn.is_available()
    has_int8 = bool(on_cpu and packs and torch.cpu._is_vnni_supported())
    if name == "auto":
        return "int8" if has_int8 else "float32"
    if name == "int8" and not has_int8:
        raise UserError(
            f"--precision int8 needs a CPU with 8-bit products (VNNI) and torch with oneDNN, found {device}; "
            "take auto, float32 or bfloat16"
        )
    return name
