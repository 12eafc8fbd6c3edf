"""The run folder: its paths, its lock, and the model it holds."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from nmt import machine
from nmt.config.experiment import Experiment
from nmt.config.loading import dump_experiment, load_experiment
from nmt.errors import UserError
from nmt.files import check_within, open_append, replace_text
from nmt.layers.earlier_names import by_todays_names
from nmt.training.checkpoint import DamagedCheckpoint, Header, read_header, read_tensors, write_tensors

Model = TypeVar("Model", bound=nn.Module)


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
        self._refuse_others()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            opened = open_append(self.folder / "lock")
        except OSError as error:
            raise UserError(
                f"{self.folder} cannot be a run folder: {error.strerror}; give another --run"
            ) from error
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
                raise UserError(
                    f"{self.folder} is in use by process {holder}; wait for it or give another --run"
                ) from None
            # Who holds it is for the message above: a full disk that cannot take it is no reason to stop.
            with suppress(OSError):
                file.truncate(0)
                file.write(f"{os.getpid()}\n".encode())
            self._refuse_links()
            yield

    def experiment(self) -> Experiment:
        """Return the resolved configuration."""
        if not self.folder.is_dir():
            raise UserError(f"{self.folder} is not a folder; give the folder of a run, such as runs/demo")
        if not self.config.is_file():
            raise UserError(f"{self.folder} is not a run: it has no config.yaml")
        self._refuse_links()
        return load_experiment(self.config, within=self.folder)

    def _refuse_others(self) -> None:
        """Raise UserError where the folder holds something and is no run, be it one that has just begun."""
        held = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        of_a_run = self.config.name in held and held & {self.checkpoints.name, self.model.name}
        begun = {"lock", "wandb", *(p.name for p in (self.config, self.tokenizer, self.metrics))}
        others = {name for name in held - begun if not name.startswith(".")}
        if held and not of_a_run and ("lock" not in held or others):
            raise UserError(
                f"{self.folder} holds files and is no run of nmt: {', '.join(sorted(others or held)[:5])}; "
                "give a new folder as --run"
            )

    def _refuse_links(self) -> None:
        """Raise UserError where a folder of the run's is a link out of it: it may come from a stranger."""
        for part in (self.tokenizer, self.checkpoints, self.folder / "wandb"):
            try:
                check_within(part, self.folder)
            except OSError as error:
                raise UserError(f"{part}: {error.strerror}") from None

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

    def load_model(self, build: Callable[[], Model], tokenizers: tuple[str, str]) -> Model:
        """Return the model that `build` makes, with the run's weights; UserError where they do not fit.

        Nothing is allocated before the file's header has the names and shapes that the model has.
        """
        if not self.model.is_file():
            raise UserError(
                f"{self.folder} holds no model yet: {self.model.name} is written at the first validation"
            )
        with torch.device("meta"):
            model = build()
        try:
            header = read_header(self.model)
            self._check_tokenizers(header.metadata, tokenizers)
            self._check_fit(_by_todays_names(header), model)
            needed = 8 * sum(parameter.numel() for parameter in model.parameters())  # as read, and as given
            if needed > (room := machine.memory()):
                raise UserError(
                    f"{self.model} needs {needed / 1e9:,.1f} GB of memory, found {room / 1e9:,.1f} GB; "
                    "take a larger machine or a smaller model"
                )
            weights = read_tensors(self.model)
        except DamagedCheckpoint as error:
            raise UserError(
                f"{self.model} is damaged ({error}); restore it or go on training, which writes it anew"
            ) from error
        # A model that was written before there were checksums has none.
        if _seal(header.metadata)[2:] not in ([], [checksum(weights)]):
            raise UserError(
                f"{self.model} is damaged: its weights do not have the checksum in it; restore it"
            )
        for name, weight in weights.items():
            if not weight.isfinite().all():
                raise UserError(
                    f"{self.model} is damaged: {name} holds numbers that are not finite; restore it"
                )
        _fill(model, by_todays_names(weights))
        return model

    def _check_tokenizers(self, metadata: Mapping[str, str], tokenizers: tuple[str, str]) -> None:
        expected = _seal(metadata)
        if len(expected) < 2:
            raise UserError(f"{self.model} is damaged: it does not say what tokenizers it is for; restore it")
        for side, fingerprint, wanted in zip(("src", "trg"), tokenizers, expected, strict=False):
            if fingerprint != wanted:
                raise UserError(
                    f"{self.tokenizer} does not belong to {self.model}: the {side} tokenizer has fingerprint "
                    f"{fingerprint[:12]}, the model was trained with {wanted[:12]}; restore either"
                )

    def _check_fit(self, tensors: Mapping[str, tuple[str, tuple[int, ...]]], model: nn.Module) -> None:
        expected = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        for name in [*expected, *tensors]:
            kind, shape = tensors.get(name, ("nothing", None))
            if name not in expected:
                problem = f"{name} should not be there, found {shape}"
            elif shape != expected[name]:
                problem = f"{name} should be {expected[name]}, found {shape or kind}"
            elif kind not in ("F32", "F64"):  # what training writes
                problem = f"{name} should be of type F32 or F64, found {kind}"
            else:
                continue
            raise UserError(
                f"{self.model} does not fit {self.config}: {problem}; restore the file that was changed"
            )


def _seal(metadata: Mapping[str, str]) -> list[str]:
    """Return the fingerprints of both tokenizers and, in all but old files, the checksum of the weights."""
    return metadata.get("tokenizers", "none none").split()


def _by_todays_names(header: Header) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of each tensor by the name that a model has for it today."""
    kinds = {kind for kind, _ in header.tensors.values()}
    if len(kinds) != 1:
        return header.tensors
    shapes = {name: torch.empty(shape, device="meta") for name, (_, shape) in header.tensors.items()}
    (kind,) = kinds
    return {name: (kind, tuple(tensor.shape)) for name, tensor in by_todays_names(shapes).items()}


def _fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model on the meta device its weights, in float32."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    made = {name: nn.Parameter(weight.float().clone()) for name, weight in weights.items()}
    for module in model.modules():
        for key, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            setattr(module, key, made[names[id(parameter)]])
