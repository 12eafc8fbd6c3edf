"""The library `datasets`, made quiet, fast to detect a missing network, with errors of one line.

Importing this module takes a second, so it is imported only when text is read.
"""

import csv
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import datasets
import huggingface_hub
import pandas
from datasets.packaged_modules.csv.csv import CsvConfig
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from pydantic import BaseModel, Field, ValidationError

from nmt.errors import UserError, message_of
from nmt.files import MB, read_regular

PROBE_SECONDS = 5.0


# Files beside the data that define configurations, columns and their types.
CARDS = ("README.md", ".huggingface.yaml", "dataset_infos.json")


class LocalDataset(NamedTuple):
    """A folder whose files the library has found but not read.

    fingerprint: sha256 over the configuration's name and the path and content of every file. It names the
    library's cache folder, because the library's own name depends only on the folder's name and file times.
    """

    folder: Path
    config: str
    fingerprint: str
    options: dict[str, object]  # for the library, in addition to those of the folder

    @classmethod
    def find(cls, folder: Path, name: str | None) -> "LocalDataset":
        """Find the files of a configuration; raises UserError if there is none, or one outside the folder."""
        _quiet()
        with _reading(folder), _offline():  # an address in the folder's README.md is not followed
            builder = datasets.load_dataset_builder(str(folder), name)
        root, files = folder.resolve(), {}
        for split, paths in (builder.config.data_files or {}).items():
            files[str(split)] = [_inside(root, str(path)) for path in paths]
        hashed: dict[str, object] = {
            split: [(name, _sha256(root / name)) for name in names] for split, names in files.items()
        }
        for split, names in files.items():
            if not any((root / name).stat().st_size for name in names):
                raise UserError(
                    f"data.dataset: split {split} of the folder {folder} is empty: {', '.join(names[:3])}; "
                    "write the file again, or take it out of the folder"
                )
        hashed[""] = [
            builder.config.name,
            *(_sha256(root / card) for card in CARDS if (root / card).exists()),
        ]
        fingerprint = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
        paths = [root / name for names in files.values() for name in names]
        return cls(folder, builder.config.name, fingerprint, _options(builder, paths))

    def load(self) -> datasets.DatasetDict:
        """Return all splits, copied to the library's cache; raises UserError if the files are wrong."""
        cache = Path(datasets.config.HF_DATASETS_CACHE) / "nmt" / self.fingerprint[:32]
        with _reading(self.folder):
            return datasets.load_dataset(str(self.folder), self.config, cache_dir=str(cache), **self.options)

    def stream(self) -> datasets.IterableDatasetDict:
        """Return all splits, read from the files as they arrive; nothing is copied."""
        with _reading(self.folder):
            return datasets.load_dataset(str(self.folder), self.config, streaming=True, **self.options)


class _SavedSplits(BaseModel):
    """The content of dataset_dict.json."""

    splits: list[str]


class _SavedFile(BaseModel):
    filename: str


class _SavedState(BaseModel):
    """The keys of state.json that are used."""

    files: list[_SavedFile] = Field(alias="_data_files")
    split: str | None = Field(None, alias="_split")


class SavedDataset(NamedTuple):
    """A folder written by the library's `save_to_disk`: Arrow files, read in place.

    fingerprint: sha256 over every split's name, columns and data files.
    """

    folder: Path
    fingerprint: str

    @staticmethod
    def is_one(folder: Path) -> bool:
        """Return whether a folder looks like a saved dataset."""
        return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))

    @classmethod
    def find(cls, folder: Path) -> Self:
        """Return the dataset of a folder; raises UserError if it is damaged or names a file outside."""
        root = folder.resolve()
        places = {"": root}  # of one dataset without splits
        if (root / "dataset_dict.json").is_file():
            names = _saved(_SavedSplits, root / "dataset_dict.json").splits
            places = {name: root / _inside(root, name) for name in names}
        hashed: dict[str, list[tuple[str, str]]] = {}
        for name, place in places.items():
            state = _saved(_SavedState, place / "state.json")
            files = [_inside(root, str(place / file.filename)) for file in state.files]
            info = _inside(root, str(place / "dataset_info.json"))
            hashed[name] = [(file, _sha256(root / file)) for file in (info, *files)]
        return cls(folder, hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest())

    def load(self) -> datasets.DatasetDict:
        """Return all splits, mapped from the folder; data without splits keeps its name or is train."""
        _quiet()
        with _reading(self.folder):
            loaded = datasets.load_from_disk(str(self.folder), keep_in_memory=False)
        if isinstance(loaded, datasets.Dataset):
            loaded = datasets.DatasetDict({str(loaded.split or "train"): loaded})
        return loaded.with_format(None)


S = TypeVar("S", bound=BaseModel)


def _saved(schema: type[S], path: Path) -> S:
    repair = "write the folder again with save_to_disk"
    try:
        return schema.model_validate_json(read_regular(path, MB))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {repair}") from None
    except ValidationError as error:
        raise UserError(f"{path}: damaged ({error.errors()[0]['msg']}); {repair}") from None


def _inside(root: Path, path: str) -> str:
    """Return the file's path inside the folder; raises UserError for a file outside or an address."""
    place = Path(os.path.normpath(root / path))
    if "://" in path or not place.is_relative_to(root):
        raise UserError(
            f"data.dataset: the folder {root} names {path}, which is outside of it; "
            "put the file into the folder and correct its path in README.md"
        )
    return str(place.relative_to(root))


def _sha256(path: Path) -> str:
    try:
        if not path.is_file():
            raise UserError(f"{path}: expected a regular file; take it out of the folder")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _options(builder: datasets.DatasetBuilder, paths: list[Path]) -> dict[str, object]:
    """Return options for CSV and TSV: every cell is plain text, null, NA and numbers too; in TSV also quotes.

    A row ends at "\\n" only, or at "\\r\\n" if the header does. Raises UserError if the first row has more
    cells than the header: pandas would use the first ones as row names.
    """
    config = builder.config
    if not isinstance(config, CsvConfig):
        return {}
    options: dict[str, object] = {"keep_default_na": False}
    if config.sep == "\t" and config.quoting == csv.QUOTE_MINIMAL:
        options["quoting"] = csv.QUOTE_NONE
    if config.lineterminator is None and config.engine in (None, "c") and len(config.sep) == 1:
        options["lineterminator"] = "\n"
    arguments = {**config.pd_read_csv_kwargs, **options, "nrows": 1, "chunksize": None}
    try:
        heads = [pandas.read_csv(path, **arguments) for path in paths]
    except Exception:  # the library reports a better error when it reads the file itself
        return options
    for path, head in zip(paths, heads, strict=True):
        if config.index_col is None and len(head) and not isinstance(head.index, pandas.RangeIndex):
            raise UserError(
                f"{path}: line 2: expected {len(head.columns)} cells as in the header, found "
                f"{len(head.columns) + head.index.nlevels}; name every column"
            )
    if heads and builder.info.features is None:
        columns = [str(name) for name in heads[0].columns]
        if any(name.endswith("\r") for name in columns):
            options.pop("lineterminator", None)
        names = (name.removesuffix("\r") for name in columns)
        options["features"] = datasets.Features({name: datasets.Value("string") for name in names})
    return options


def load(dataset: str, *, name: str | None = None, revision: str | None = None) -> datasets.DatasetDict:
    """Return all splits of a dataset of the hub.

    Without a network the cached copy of an earlier download is used. Raises UserError if there is none, or
    if a revision is given, which the library could not check.
    """
    _quiet()
    if _reachable(dataset, revision):
        try:
            return datasets.load_dataset(dataset, name, revision=revision)
        except Exception as error:
            raise UserError(
                f"data.dataset: {dataset} cannot be loaded from the hub ({message_of(error)})"
            ) from error
    tried = (
        f"data.dataset: tried {dataset} at {huggingface_hub.constants.ENDPOINT}, which cannot be reached, "
        f"and the copies in {datasets.config.HF_DATASETS_CACHE}; with the data in a local folder, "
        "add --set data.dataset=FOLDER"
    )
    if revision is not None:
        raise UserError(f"{tried} (without a network, data.revision {revision} cannot be checked)")
    try:
        with _offline():
            return datasets.load_dataset(dataset, name)
    except Exception as error:
        raise UserError(tried) from error


def commit_of(dataset: str, revision: str | None) -> str:
    """Return the current commit of a dataset of the hub, or of its revision."""
    if revision is not None and re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    try:
        commit = _asked(dataset, revision)
    except HfHubHTTPError as error:
        raise UserError(f"data.dataset: {dataset} cannot be streamed ({message_of(error)})") from error
    if commit is None:
        raise UserError(
            f"data.streaming: tried {dataset} at {huggingface_hub.constants.ENDPOINT}, which cannot be "
            "reached; with the data in a local folder, add --set data.dataset=FOLDER"
        )
    return commit


def stream(dataset: str, *, name: str | None, commit: str) -> datasets.IterableDatasetDict:
    """Return all splits of a dataset of the hub at a commit, fetched while they are read."""
    _quiet()
    try:
        return datasets.load_dataset(dataset, name, revision=commit, streaming=True)
    except Exception as error:
        raise UserError(
            f"data.dataset: {dataset} cannot be streamed from the hub ({message_of(error)})"
        ) from error


def _quiet() -> None:
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # other failures are errors of this package
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of many classes; all of them mean that there is no data
        raise UserError(f"data.dataset: the folder {folder} cannot be read ({message_of(error)})") from error


def _reachable(dataset: str, revision: str | None) -> bool:
    """Return whether the hub answers."""
    try:
        return _asked(dataset, revision) is not None
    except HfHubHTTPError:
        return True  # answered: let the library say what is wrong


def _asked(dataset: str, revision: str | None) -> str | None:
    """Return the commit of a dataset, None if the hub cannot be reached.

    One request only: `datasets` itself retries for 20 s to minutes.
    """
    try:
        return huggingface_hub.HfApi().dataset_info(dataset, revision=revision, timeout=PROBE_SECONDS).sha
    except RevisionNotFoundError:
        raise UserError(f"data.revision: {dataset} has no revision {revision} on the hub") from None
    except RepositoryNotFoundError as error:
        raise UserError(
            f"data.dataset: {dataset} is not on the hub, or not open to you "
            f"(HTTP {error.response.status_code}); check the id, or log in with `hf auth login`"
        ) from None
    except HfHubHTTPError:
        raise
    except Exception:  # no name, no route, no answer, offline mode: each HTTP library has its own
        return None


@contextmanager
def _offline() -> Iterator[None]:
    """Set the library's offline mode, which it otherwise reads from the environment only at import."""
    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE = before
