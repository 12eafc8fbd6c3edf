"""Models on the Hugging Face hub by name, hf://user/repo or hf://user/repo@revision → folders here."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from nmt.errors import UserError, message_of
from nmt.files import MB, one_at_a_time, remove

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

# What is fetched of a repository; nmt reads nothing else of a model.
FILES = (
    "manifest.json",
    "model.onnx",
    "config.yaml",
    "model.safetensors",
    "tokenizer/lengths.json",
    *(
        f"tokenizer/{side}.{end}"
        for side in ("src", "trg", "shared")
        for end in ("json", "model", "pieces.json")
    ),
)
PROBE_SECONDS = 5.0
COPIES = "nmt"  # the folder of the copies, in the hub's cache of a repository
_MOST_BYTES = 10_000 * MB
_COMMIT = re.compile("[0-9a-f]{40}")


class HubName(NamedTuple):
    """A repository of the hub, and a branch, tag or commit of it."""

    repo: str
    revision: str | None

    @classmethod
    def parse(cls, text: str | Path) -> Self | None:
        """Return the name in a text, or in a path made of it; None where it is no hf:// name.

        Raises UserError where it begins as one and is none.
        """
        if not str(text).startswith("hf:/"):
            return None
        found = re.fullmatch(r"hf:/{1,2}([\w.-]+/[\w.-]+)(?:@([^\s@]+))?", str(text), re.ASCII)
        if found is None or ".." in str(text):
            raise UserError(f"{text}: expected hf://USER/REPOSITORY or hf://USER/REPOSITORY@REVISION")
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")

    @property
    def commit(self) -> str | None:
        """The commit, where the name says which one."""
        return self.revision if self.revision and _COMMIT.fullmatch(self.revision) else None


def local(model: Path) -> Path:
    """Return the folder of a model: a copy here of one on the hub, else the path itself.

    The copy is of one commit. It is fetched once; without a network the last one that was fetched is taken.
    Raises UserError for a name of no model, and where it cannot be fetched.
    """
    name = HubName.parse(model)
    if name is None:
        return model
    with hub_errors(name):
        return _fetched(name)


def name_of_copy(folder: Path) -> str | None:
    """Return the name of what `local` fetched, hf://user/repo@commit, by its folder; None for another."""
    place, among = folder.parent.parent.name, folder.parent.name
    found = re.fullmatch("models--([^/]+?)--([^/]+)", place)
    if found is None or among != COPIES or not _COMMIT.fullmatch(folder.name):
        return None
    return str(HubName(f"{found[1]}/{found[2]}", folder.name))


@contextmanager
def hub_errors(name: HubName) -> Iterator[None]:
    """Raise UserError, in one line, for what goes wrong with a repository of the hub."""
    try:
        from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
    except ImportError:
        raise UserError(f"{name}: needs the package huggingface_hub; pip install huggingface_hub") from None
    try:
        yield
    except UserError:
        raise
    except RevisionNotFoundError:
        raise UserError(f"{name}: the repository has no revision {name.revision}") from None
    except RepositoryNotFoundError as error:
        raise UserError(
            f"{name}: is not on the hub, or not open to you (HTTP {error.response.status_code}); check the "
            "name, or log in with `hf auth login`"
        ) from None
    except HfHubHTTPError as error:
        if error.response.status_code not in (401, 403):
            raise UserError(f"{name}: the hub cannot do what is asked ({message_of(error)})") from error
        raise UserError(
            f"{name}: the hub does not allow it (HTTP {error.response.status_code}); log in with "
            "`hf auth login`, with a token that may write"
        ) from None
    except Exception as error:  # of several libraries below the hub's own
        raise UserError(f"{name}: the hub cannot do what is asked ({message_of(error)})") from error


def _fetched(name: HubName) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    copies = Path(constants.HF_HUB_CACHE) / f"models--{name.repo.replace('/', '--')}" / COPIES
    if name.commit and (copies / name.commit).is_dir():
        return copies / name.commit
    info = _asked(name)
    if info is None:
        try:
            found = snapshot_download(
                name.repo, revision=name.revision, allow_patterns=[*FILES], local_files_only=True
            )
        except LocalEntryNotFoundError:
            raise UserError(
                f"{name}: {constants.ENDPOINT} cannot be reached, and {constants.HF_HUB_CACHE} has no whole "
                "copy of it; connect to the network, or give a folder"
            ) from None
        return _copied(Path(found), copies)
    if info.sha and _COMMIT.fullmatch(info.sha) and (copies / info.sha).is_dir():
        return copies / info.sha
    _check(name, {file.rfilename: file.size or 0 for file in info.siblings or []})
    with _quiet():
        found = snapshot_download(name.repo, revision=name.revision, allow_patterns=[*FILES])
    folder = _copied(Path(found), copies)
    if not name.commit:
        always = name._replace(revision=folder.name)
        print(f"nmt: {name} is now commit {folder.name}; {always} always means it", file=sys.stderr)
    return folder


def _asked(name: HubName) -> "ModelInfo | None":
    """Return what the hub says of a repository, None where it cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return HfApi().model_info(
            name.repo, revision=name.revision, files_metadata=True, timeout=PROBE_SECONDS
        )
    except (HfHubHTTPError, HFValidationError):
        raise
    except Exception:  # no name, no route, no answer, offline mode: each HTTP library has its own
        return None


def _check(name: HubName, sizes: dict[str, int]) -> None:
    """Raise UserError, before anything is fetched, where the files are no model or too large."""
    if not {"manifest.json", "config.yaml"} & sizes.keys():
        raise UserError(
            f"{name}: expected a model of nmt publish, found a repository without manifest.json or "
            "config.yaml; check the name"
        )
    if (size := sum(sizes.get(file, 0) for file in FILES)) > _MOST_BYTES:
        raise UserError(
            f"{name}: its files have {size:,} bytes, more than the {_MOST_BYTES:,} that nmt fetches"
        )


def _copied(snapshot: Path, copies: Path) -> Path:
    """Return a folder with the files of a snapshot, where they are links that nmt does not follow."""
    folder = copies / snapshot.name
    try:
        copies.mkdir(exist_ok=True)
        with one_at_a_time(copies):
            if folder.is_dir():
                return folder
            temporary = copies / f".{snapshot.name}.tmp"
            remove(temporary)
            (temporary / "tokenizer").mkdir(parents=True)
            for file in FILES:
                if (snapshot / file).is_file():
                    _link_or_copy(Path(os.path.realpath(snapshot / file)), temporary / file)
            temporary.rename(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error})") from None
    return folder


def _link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, which takes no room, or copy it where the file system cannot do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the hub's progress bars out of what is no terminal."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    change = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if change:
        disable_progress_bars()
    try:
        yield
    finally:
        if change:
            enable_progress_bars()
