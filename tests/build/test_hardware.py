"""nmt.build.hardware: what was asked for, or what there is."""

import pytest
import torch

from nmt.build import hardware
from nmt.build.hardware import choose_device, choose_precision, has_bfloat16_units
from nmt.errors import UserError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("there", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_cuda_where_there_is_one(
    there: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose_device("auto") == torch.device(device)


def test_a_named_device_is_taken() -> None:
    assert choose_device("cpu") == CPU


def test_a_device_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="'gpu' is unknown; try auto, cpu or cuda"):
        choose_device("gpu")


def test_cuda_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="is cuda:0, and this machine"):
        choose_device("cuda:0")


@pytest.mark.parametrize(("units", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bfloat16_where_it_has_units(
    units: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "has_bfloat16_units", lambda device: units)
    assert choose_precision("auto", CPU) == dtype


@pytest.mark.parametrize("name", ["float64", "float32", "bfloat16"])
def test_a_named_precision_is_taken(name: str) -> None:
    assert choose_precision(name, CPU) == getattr(torch, name)


def test_the_hardware_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(has_bfloat16_units(CPU), bool)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not has_bfloat16_units(CPU)
