"""nmt.builders.hardware: what was asked for, or what there is."""

import pytest
import torch

from nmt import machine
from nmt.builders.hardware import choose_device, choose_precision, choose_translation_precision
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
    monkeypatch.setattr(machine, "has_bfloat16_units", lambda: units)
    assert choose_precision("auto", CPU) == dtype


@pytest.mark.parametrize("name", ["float64", "float32", "bfloat16"])
def test_a_named_precision_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_bfloat16", lambda: True)
    assert choose_precision(name, CPU) == getattr(torch, name)
    assert choose_translation_precision(name, CPU) == name


def test_bfloat16_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_bfloat16", lambda: False)
    with pytest.raises(UserError, match=r"^training\.precision is bfloat16: this CPU.*take auto or float32$"):
        choose_precision("bfloat16", CPU)
    with pytest.raises(UserError, match=r"^--precision bfloat16: this CPU.*take auto or float32$"):
        choose_translation_precision("bfloat16", CPU)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_torch_translates_in_float32_and_never_in_int8(device: str) -> None:
    assert choose_translation_precision("auto", torch.device(device)) == "float32"
    with pytest.raises(UserError, match=r"^--precision int8: only a search on a CPU.*take auto or float32$"):
        choose_translation_precision("int8", torch.device(device))
