"""Checkpoints: saved atomically, verified on loading, without pickle."""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nmt.errors import UserError
from nmt.files import (
    MB,
    check_within,
    open_regular,
    read_regular,
    remove,
    replace_bytes,
    replacing,
    sha256,
    sync,
)

_TYPES = ("F64", "F32", "BF16", "F16", "I64", "I32", "I16", "I8", "U8", "BOOL")
_LONGEST_HEADER = 10 * MB


class DamagedCheckpoint(Exception):
    """Files of a checkpoint are missing, truncated or changed."""


class UnreadableCheckpoint(DamagedCheckpoint):
    """A file that the system, or the name it has, does not let us read; what is in it may be sound."""


class _Content(BaseModel):
    """The content of state.json: the trainer's state, and the checksums of the other files."""

    model_config = ConfigDict(extra="forbid", strict=True)

    state: dict[str, JsonValue]
    sha256: dict[Annotated[str, Field(pattern=r"^[a-z_]+\.safetensors$")], str]


class Header(NamedTuple):
    """The header of a safetensors file: its metadata, and type and shape of each tensor."""

    metadata: dict[str, str]
    tensors: dict[str, tuple[str, tuple[int, ...]]]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a safetensors file atomically; raises UserError if the disk is full."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            safetensors.torch.save_file(content, temporary, metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_header(path: Path) -> Header:
    """Return the header of a safetensors file without its tensors; see `read_tensors`."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UnreadableCheckpoint(
            f"{path}: a name that is not UTF-8, as safetensors needs; rename the file or folder"
        ) from None
    try:
        with open_regular(path, within=path.parent) as file:
            length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST_HEADER:
            raise DamagedCheckpoint(
                f"{path}: a header of {length:,} bytes, expected {_LONGEST_HEADER:,} at most"
            )
        with safe_open(path, "pt") as content:
            slices = {name: content.get_slice(name) for name in content.keys()}  # noqa: SIM118
            tensors = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
            return Header(content.metadata() or {}, tensors)
    except OSError as error:
        raise UnreadableCheckpoint(f"{path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise DamagedCheckpoint(f"{path}: {error}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises DamagedCheckpoint if the file is missing, damaged, not regular, a link out of its folder, or has a
    number type that nmt does not write.
    """
    for name, (kind, _) in read_header(path).tensors.items():
        if kind not in _TYPES:
            raise DamagedCheckpoint(f"{path}: {name} is of type {kind}, expected one of {', '.join(_TYPES)}")
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise DamagedCheckpoint(f"{path}: {error}") from error


class Checkpoints:
    """The folder of a run's checkpoints, named step-N.

    Keeps the newest `keep` checkpoints, plus the newest `keep` regular ones (every `every` updates), so that
    a checkpoint saved by a signal or at the end never replaces one that checkpoint averaging needs.
    """

    def __init__(self, folder: Path, *, keep: int, every: int) -> None:
        self.folder, self.keep, self.every = folder, keep, every

    def steps(self) -> list[int]:
        """Return the updates that have a checkpoint, oldest first."""
        folders = (path for path in self.folder.glob("step-*") if path.is_dir())
        found = (re.fullmatch("step-(0|[1-9][0-9]{0,17})", path.name) for path in folders)
        return sorted(int(name[1]) for name in found if name)

    def due(self) -> list[int]:
        """Return the updates of the regular checkpoints, oldest first."""
        return [step for step in self.steps() if step % self.every == 0]

    def path(self, step: int) -> Path:
        """Return the folder of one checkpoint."""
        return self.folder / f"step-{step}"

    def save(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, object],
        *,
        drop: bool = True,
    ) -> None:
        """Write one file of tensors per group, and state.json with their checksums; delete the oldest.

        A temporary folder is filled, synced and renamed, so that step-N is complete or absent. Checkpoints of
        later updates are deleted too: they must be damaged, or the run would have resumed from them.
        """
        temporary = self.folder / f".step-{step}.tmp"
        try:
            for left in (*self.folder.glob(".step-*.tmp"), *self.folder.glob(".step-*.old")):
                remove(left)
            temporary.mkdir(parents=True)
            for group, content in tensors.items():
                write_tensors(temporary / f"{group}.safetensors", content)
            sums = {f"{group}.safetensors": sha256(temporary / f"{group}.safetensors") for group in tensors}
            body = json.dumps({"state": state, "sha256": sums}, sort_keys=True)
            checksum = hashlib.sha256(body.encode()).hexdigest()
            replace_bytes(temporary / "state.json", f"{body}\n{checksum}\n".encode())
            aside = self.folder / f".step-{step}.old"
            if self.path(step).exists():
                self.path(step).rename(aside)
            temporary.rename(self.path(step))
            sync(self.folder)
            shutil.rmtree(aside, ignore_errors=True)
        except (OSError, UserError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            self.repair()
            raise UserError(
                f"checkpoint {self.path(step)} could not be written: {error}; "
                "free some space and run the same command again to continue from the previous checkpoint"
            ) from error
        if not drop:
            return
        newest = [s for s in self.steps() if s <= step][-self.keep :]
        newest_due = [s for s in self.due() if s <= step][-self.keep :]
        for old in {*self.steps()} - {*newest, *newest_due}:
            shutil.rmtree(self.path(old), ignore_errors=True)

    def load(
        self, step: int, *, only: str | None = None
    ) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Return the tensors by group and the state of one checkpoint, or raise DamagedCheckpoint.

        only: the one group to read and verify.
        """
        path = self.path(step)
        try:
            check_within(path, self.folder.parent)
            # As bytes: text mode would hide changed line ends.
            body, checksum, rest = read_regular(path / "state.json", 10 * MB, within=path).split(b"\n")
            if rest or hashlib.sha256(body).hexdigest().encode() != checksum:
                raise DamagedCheckpoint(f"{path / 'state.json'} does not match its checksum")
            content = _Content.model_validate_json(body)
            files = [name for name in content.sha256 if only in (None, name.removesuffix(".safetensors"))]
            for name in files:
                if sha256(path / name, within=path) != content.sha256[name]:
                    raise DamagedCheckpoint(f"{path / name} does not match its checksum")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "content"
            raise DamagedCheckpoint(f"{path / 'state.json'}: {where}: {first['msg']}") from error
        except (OSError, ValueError) as error:
            raise DamagedCheckpoint(f"{path}: {error}") from error
        groups = {name.removesuffix(".safetensors"): read_tensors(path / name) for name in files}
        return groups, content.state

    def newest(self) -> tuple[int, dict[str, dict[str, Tensor]], dict[str, Any], list[str]] | None:
        """Return step, tensors and state of the newest intact checkpoint, and what is wrong with newer ones.

        Returns None if there is no checkpoint; raises UserError if all are damaged.
        """
        damaged: list[str] = []
        for step in reversed(self.steps()):
            try:
                return step, *self.load(step), damaged
            except DamagedCheckpoint as error:
                damaged.append(str(error))
        if damaged:
            raise UserError(
                f"no checkpoint in {self.folder} is intact ({'; '.join(damaged)}); "
                "delete the run folder or give another --run to start again"
            )
        return None

    def repair(self) -> None:
        """Undo a replacement that was killed between its two renames; only for the process with the lock."""
        for aside in self.folder.glob(".step-*.old"):
            path = self.folder / aside.name[1:-4]
            if not path.exists():
                aside.rename(path)


def rng_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's random generators."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_rng_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Set torch's random generators to a saved state."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
