"""Checkpoints: atomic to save, verified to load, without pickle."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from nmt.errors import UserError


class DamagedCheckpoint(Exception):
    """A checkpoint whose files are missing, cut short or changed."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Ask the disk to hold what was written to a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a safetensors file: temporary name, fsync, rename. A full disk is a UserError."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        _write(temporary, tensors, metadata)
        temporary.replace(path)
        sync(path.parent)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise UserError(
            f"{path} could not be written: {error}; what was there before is unchanged"
        ) from error


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(content, path, metadata)
    # safetensors lets nobody else read what it writes.
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
    sync(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; a missing or damaged file is DamagedCheckpoint."""
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise DamagedCheckpoint(f"{path}: {error}") from error


class Checkpoints:
    """The folder of a run's checkpoints, step-N each.

    The newest `keep` stay, and so do the newest `keep` of those that were due, which are every `every`
    updates: one saved out of turn, by a signal or at the end, takes no place from what an average is made of.
    """

    def __init__(self, folder: Path, *, keep: int, every: int) -> None:
        self.folder, self.keep, self.every = folder, keep, every

    def steps(self) -> list[int]:
        """Return the updates of which there is a checkpoint, the oldest first."""
        names = (p.name for p in self.folder.glob("step-*"))
        return sorted(int(n[5:]) for n in names if n[5:].isdigit())

    def due(self) -> list[int]:
        """Return the updates of the checkpoints that were due, the oldest first."""
        return [step for step in self.steps() if step % self.every == 0]

    def path(self, step: int) -> Path:
        """Return the folder of one checkpoint."""
        return self.folder / f"step-{step}"

    def save(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Write one file of tensors for each group, and state.json with their checksums; drop the oldest.

        A folder under a temporary name is filled, synced and renamed, so that step-N is whole or absent.
        Checkpoints of later updates go too: they are damaged ones, or the run would not be here.
        """
        temporary = self.folder / f".step-{step}.tmp"
        try:
            for left in (*self.folder.glob(".step-*.tmp"), *self.folder.glob(".step-*.old")):
                shutil.rmtree(left, ignore_errors=True)
            temporary.mkdir(parents=True)
            for group, content in tensors.items():
                _write(temporary / f"{group}.safetensors", content)
            sums = {f"{group}.safetensors": sha256(temporary / f"{group}.safetensors") for group in tensors}
            body = json.dumps({"state": state, "sha256": sums}, sort_keys=True)
            seal = hashlib.sha256(body.encode()).hexdigest()
            (temporary / "state.json").write_text(f"{body}\n{seal}\n", encoding="utf-8")
            sync(temporary / "state.json")
            sync(temporary)
            aside = self.folder / f".step-{step}.old"
            if self.path(step).exists():
                self.path(step).rename(aside)
            temporary.rename(self.path(step))
            sync(self.folder)
            shutil.rmtree(aside, ignore_errors=True)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            self.mend()
            raise UserError(
                f"checkpoint {self.path(step)} could not be written: {error}; "
                "make room and run the same command again, it goes on from the checkpoint before"
            ) from error
        newest = [s for s in self.steps() if s <= step][-self.keep :]
        newest_due = [s for s in self.due() if s <= step][-self.keep :]
        for old in {*self.steps()} - {*newest, *newest_due}:
            shutil.rmtree(self.path(old), ignore_errors=True)

    def load(self, step: int) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Return the tensors by group and the state of one checkpoint, or raise DamagedCheckpoint."""
        path = self.path(step)
        try:
            # As bytes: text would read other line ends, and so a changed file, as if it were whole.
            body, seal, rest = (path / "state.json").read_bytes().split(b"\n")
            if rest or hashlib.sha256(body).hexdigest().encode() != seal:
                raise DamagedCheckpoint(f"{path / 'state.json'} does not match its checksum")
            content = json.loads(body)
            for name, expected in content["sha256"].items():
                if sha256(path / name) != expected:
                    raise DamagedCheckpoint(f"{path / name} does not match its checksum")
        except (OSError, ValueError) as error:
            raise DamagedCheckpoint(f"{path}: {error}") from error
        groups = {name.removesuffix(".safetensors"): read_tensors(path / name) for name in content["sha256"]}
        return groups, content["state"]

    def newest(self) -> tuple[int, dict[str, dict[str, Tensor]], dict[str, Any], list[str]] | None:
        """Return step, tensors and state of the newest whole checkpoint, and what is wrong with newer ones.

        None if there is no checkpoint at all; if there are some and none is whole, a UserError names them.
        """
        damaged: list[str] = []
        for step in reversed(self.steps()):
            try:
                return step, *self.load(step), damaged
            except DamagedCheckpoint as error:
                damaged.append(str(error))
        if damaged:
            raise UserError(
                f"no checkpoint in {self.folder} is whole ({'; '.join(damaged)}); "
                "delete the run folder or give another --run to begin anew"
            )
        return None

    def mend(self) -> None:
        """Undo a replacement that was killed between its two renames; for the process that holds the run."""
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
