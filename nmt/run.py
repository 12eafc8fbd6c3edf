"""The run folder: its paths, its lock, and the model it holds."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from nmt.config.experiment import Experiment
from nmt.config.loading import dump_experiment, load_experiment
from nmt.errors import UserError
from nmt.results import replace_text
from nmt.training.checkpoint import DamagedCheckpoint, read_tensors, write_tensors


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors' names and bytes."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


class Run:
    """A folder that is a run and, once something was validated, a model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.tokenizer = folder / "tokenizer"
        self.checkpoints = folder / "checkpoints"
        self.model = folder / "model.safetensors"
        self.metrics = folder / "metrics.jsonl"
        self.result = folder / "result.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; a folder that a live process holds is refused.

        The lock belongs to the process: it is gone when the process is.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            opened = (self.folder / "lock").open("a+")
        except OSError as error:
            raise UserError(
                f"{self.folder} cannot be a run folder: {error.strerror}; give another --run"
            ) from error
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise UserError(
                    f"{self.folder} is in use by process {holder}; wait for it or give another --run"
                ) from None
            # Who holds it is for the message above: a full disk that cannot take it is no reason to stop.
            with suppress(OSError):
                os.truncate(file.fileno(), 0)
                os.write(file.fileno(), f"{os.getpid()}\n".encode())
            yield

    def experiment(self) -> Experiment:
        """Return the resolved configuration."""
        if not self.folder.is_dir():
            raise UserError(f"{self.folder} is not a folder; give the folder of a run, such as runs/demo")
        if not self.config.is_file():
            raise UserError(f"{self.folder} is not a run: it has no config.yaml")
        return load_experiment(self.config)

    def save_experiment(self, experiment: Experiment) -> None:
        """Write the resolved configuration."""
        replace_text(self.config, dump_experiment(experiment))

    def save_tokenizers(self, source: Path) -> None:
        """Put a folder of tokenizers in the place of what is there; a full disk is a UserError."""
        new = self.folder / f".{self.tokenizer.name}.tmp"
        try:
            shutil.rmtree(new, ignore_errors=True)
            shutil.copytree(source, new)
            # As a whole: a shared tokenizer left beside separate ones would be read in their place.
            shutil.rmtree(self.tokenizer, ignore_errors=True)
            new.rename(self.tokenizer)
        except OSError as error:  # shutil.Error, one of them, has no strerror but a list of all that failed
            shutil.rmtree(new, ignore_errors=True)
            raise UserError(f"{self.tokenizer} could not be written: {error.strerror or error}") from error

    def save_model(self, model: nn.Module, tokenizers: tuple[str, str]) -> None:
        """Write the model's present weights, a tied tensor once, sealed by its tokenizers and a checksum."""
        weights = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
        # One key: safetensors writes several in any order, and equal runs should be equal files.
        write_tensors(self.model, weights, {"tokenizers": " ".join([*tokenizers, checksum(weights)])})

    def load_model(self, model: nn.Module, tokenizers: tuple[str, str]) -> None:
        """Fill the model with the run's weights; a file that does not fit is a UserError."""
        if not self.model.is_file():
            raise UserError(
                f"{self.folder} holds no model yet: {self.model.name} is written at the first validation"
            )
        try:
            weights = read_tensors(self.model)
            with safe_open(self.model, "pt") as file:
                sealed = file.metadata() or {}
        except (DamagedCheckpoint, SafetensorError) as error:
            raise UserError(
                f"{self.model} is damaged ({error}); restore it or go on training, which writes it anew"
            ) from error
        fingerprints = sealed.get("tokenizers", "none none").split()
        # A model that was written before there were checksums has none.
        if len(fingerprints) < 2 or fingerprints[2:] not in ([], [checksum(weights)]):
            raise UserError(
                f"{self.model} is damaged: its weights do not have the checksum in it; restore it"
            )
        for side, fingerprint, expected in zip(("src", "trg"), tokenizers, fingerprints, strict=False):
            if fingerprint != expected:
                raise UserError(
                    f"{self.tokenizer} does not belong to {self.model}: the {side} tokenizer has fingerprint "
                    f"{fingerprint[:12]}, the model was trained with {expected[:12]}; restore either"
                )
        parameters = dict(model.named_parameters())
        for name, parameter in parameters.items():
            found = weights[name].shape if name in weights else None
            if found != parameter.shape:
                raise UserError(
                    f"{self.model} does not fit {self.config}: {name} should be {tuple(parameter.shape)}, "
                    f"found {'nothing' if found is None else tuple(found)}"
                )
            if not weights[name].isfinite().all():
                raise UserError(
                    f"{self.model} is damaged: {name} holds numbers that are not finite; restore it"
                )
            parameter.data.copy_(weights[name])
