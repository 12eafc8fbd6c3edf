"""The run folder: its paths, its lock and its model."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import JsonValue, TypeAdapter, ValidationError
from torch import Tensor, nn

from nmt import machine
from nmt.config.experiment import Experiment
from nmt.config.loading import dump_experiment, keys_of_model, load_experiment
from nmt.errors import UserError
from nmt.files import check_within, open_append, remove, replace_text
from nmt.layers.earlier_names import by_todays_names
from nmt.training.checkpoint import (
    DamagedCheckpoint,
    Header,
    UnreadableCheckpoint,
    read_header,
    read_tensors,
    write_tensors,
)

Model = TypeVar("Model", bound=nn.Module)
_KEYS = TypeAdapter(dict[str, JsonValue])


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the names and bytes of tensors."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


class Run:
    """A run folder, which holds a model after the first validation."""

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
        """Lock the folder for this process; raises UserError if another process holds the lock.

        The lock ends with the process.
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
            # Only for the message above; a full disk is no reason to stop.
            with suppress(OSError):
                file.truncate(0)
                file.write(f"{os.getpid()}\n".encode())
            self._refuse_links()
            yield

    def experiment(self) -> Experiment:
        """Return the resolved configuration."""
        if not self.folder.is_dir():
            ships = (Path(__file__).parent / "pretrained" / self.folder).is_dir()
            what = "ships as an exported model, without the run" if ships else "is not a folder"
            raise UserError(f"{self.folder} {what}; give the folder of a run, such as runs/demo")
        if not self.config.is_file():
            if (self.folder / "manifest.json").is_file() and not self.model.exists():
                raise UserError(f"{self.folder} was exported: expected the run that it was made of")
            raise UserError(f"{self.folder} is not a run: it has no config.yaml")
        self._refuse_links()
        return load_experiment(self.config, within=self.folder)

    def _refuse_others(self) -> None:
        """Raise UserError if the folder is neither empty nor a run; a run may have only just begun."""
        held = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        of_a_run = self.config.name in held and held & {self.checkpoints.name, self.model.name}
        begun = {
            "lock",
            "wandb",
            "wandb_id",
            "tensorboard",
            "trackio_id",
            *(p.name for p in (self.config, self.tokenizer, self.metrics)),
        }
        others = {name for name in held - begun if not name.startswith(".")}
        if held and not of_a_run and ("lock" not in held or others):
            raise UserError(
                f"{self.folder} holds files and is not a run: {', '.join(sorted(others or held)[:5])}; "
                "give a new folder as --run"
            )

    def _refuse_links(self) -> None:
        """Raise UserError if a subfolder is a link out of the run, which may come from a stranger."""
        for part in (self.tokenizer, self.checkpoints, self.folder / "wandb", self.folder / "tensorboard"):
            try:
                check_within(part, self.folder)
            except OSError as error:
                raise UserError(f"{part}: {error.strerror}") from None

    def save_experiment(self, experiment: Experiment) -> None:
        """Write the resolved configuration."""
        replace_text(self.config, dump_experiment(experiment))

    def save_tokenizers(self, source: Path) -> None:
        """Replace the run's tokenizers by those of another folder; raises UserError if the disk is full."""
        new = self.folder / f".{self.tokenizer.name}.tmp"
        try:
            remove(new)
            shutil.copytree(source, new)
            # The whole folder: an old shared tokenizer would be read instead of new separate ones.
            remove(self.tokenizer)
            new.rename(self.tokenizer)
        except OSError as error:  # shutil.Error has no strerror but a list of failures
            remove(new)
            raise UserError(f"{self.tokenizer} could not be written: {error.strerror or error}") from error

    def save_model(
        self, model: nn.Module, tokenizers: tuple[str, str], experiment: Experiment | None = None
    ) -> None:
        """Write the model's weights (tied tensors once) with its tokenizers' fingerprints and a checksum.

        experiment: its keys that say how the model computes are written too.
        """
        weights = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
        keys = "" if experiment is None else _json(keys_of_model(experiment))
        # One key: safetensors writes several in any order, and equal runs should give equal files.
        write_tensors(self.model, weights, {"tokenizers": " ".join([*tokenizers, checksum(weights) + keys])})

    def load_model(
        self,
        build: Callable[[], Model],
        tokenizers: tuple[str, str],
        experiment: Experiment | None = None,
    ) -> Model:
        """Return the model that `build` makes, with the run's weights; raises UserError if they do not fit.

        Nothing is allocated before names and shapes in the file's header match the model, and the keys there
        match the experiment.
        """
        if not os.path.lexists(self.model):
            raise UserError(
                f"{self.folder} holds no model yet: {self.model.name} is written at the first validation"
            )
        with torch.device("meta"):
            model = build()
        try:
            header = read_header(self.model)
            self._check_tokenizers(header.metadata, tokenizers)
            self._check_fit(_by_todays_names(header), model)
            if experiment is not None:
                self._check_keys(header.metadata, keys_of_model(experiment))
            needed = 8 * sum(parameter.numel() for parameter in model.parameters())  # file and copy
            if needed > (room := machine.memory()):
                raise UserError(
                    f"{self.model} needs {needed / 1e9:,.1f} GB of memory, found {room / 1e9:,.1f} GB; "
                    "use a larger machine or a smaller model"
                )
            weights = read_tensors(self.model)
        except UnreadableCheckpoint as error:
            raise UserError(f"{self.model}: cannot be read ({self._reason(error)})") from error
        except DamagedCheckpoint as error:
            raise UserError(
                f"{self.model} is damaged ({self._reason(error)}); restore it or continue training, which "
                "writes it again"
            ) from error
        # Early models have no checksum.
        if _checksums(header.metadata)[2:3] not in ([], [checksum(weights)]):
            raise UserError(f"{self.model} is damaged: its weights do not match its checksum; restore it")
        for name, weight in weights.items():
            if not weight.isfinite().all():
                raise UserError(
                    f"{self.model} is damaged: {name} holds numbers that are not finite; restore it"
                )
        _fill(model, by_todays_names(weights))
        return model

    def _reason(self, error: DamagedCheckpoint) -> str:
        """Return what is wrong with the model's file, without the name of the file."""
        return str(error).removeprefix(f"{self.model}: ")

    def _check_tokenizers(self, metadata: Mapping[str, str], tokenizers: tuple[str, str]) -> None:
        expected = _checksums(metadata)
        if len(expected) < 2:
            raise UserError(f"{self.model} is damaged: it does not name its tokenizers; restore it")
        for side, fingerprint, wanted in zip(("src", "trg"), tokenizers, expected, strict=False):
            if fingerprint != wanted:
                raise UserError(
                    f"{self.tokenizer} does not belong to {self.model}: the {side} tokenizer has fingerprint "
                    f"{fingerprint[:12]}, the model was trained with {wanted[:12]}; restore either"
                )

    def _check_keys(self, metadata: Mapping[str, str], found: Mapping[str, object]) -> None:
        for text in _checksums(metadata)[3:]:
            try:
                expected = _KEYS.validate_json(text)
            except ValidationError:
                raise UserError(f"{self.model} is damaged: {text[:40]!r} are not keys; restore it") from None
            for key, value in expected.items():
                if (now := found.get(key)) != value:
                    raise UserError(
                        f"{self.model} does not fit {self.config}: it was trained with {key} {value}, found "
                        f"{now}; restore the file that was changed"
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


def _json(keys: Mapping[str, object]) -> str:
    """Return keys as JSON without spaces."""
    return json.dumps(keys, sort_keys=True, separators=(",", ":"))


def _checksums(metadata: Mapping[str, str]) -> list[str]:
    """Return the fingerprints of both tokenizers and, except in old files, the weights' checksum and keys."""
    *tokenizers, last = metadata.get("tokenizers", "none none").split(" ", 2)
    checksum, brace, keys = last.partition("{")
    return [*tokenizers, checksum, *([brace + keys] if brace else [])]


def _by_todays_names(header: Header) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of each tensor by its current name."""
    kinds = {kind for kind, _ in header.tensors.values()}
    if len(kinds) != 1:
        return header.tensors
    shapes = {name: torch.empty(shape, device="meta") for name, (_, shape) in header.tensors.items()}
    (kind,) = kinds
    return {name: (kind, tuple(tensor.shape)) for name, tensor in by_todays_names(shapes).items()}


def _fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Set the weights of a model on the meta device, in float32."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    made = {name: nn.Parameter(weight.float().clone()) for name, weight in weights.items()}
    for module in model.modules():
        for key, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            setattr(module, key, made[names[id(parameter)]])
