"""Hugging Face `datasets` at our border: quiet, quick to see that there is no network, errors of one line.

Importing this module costs a second; corpus.py waits with it until text is read.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from nmt.errors import UserError

PROBE_SECONDS = 5.0


def load(
    dataset: str, folder: Path | None, *, name: str | None = None, revision: str | None = None
) -> datasets.DatasetDict:
    """All splits of a local folder, or of the hub when folder is None.

    Without a network the copy that `datasets` keeps from an earlier download is taken; where there is none,
    or a revision is asked for, which the library would not check then, UserError says what was tried.
    """
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if folder is not None:
        return _load(str(folder), name, None, f"data.dataset: the folder {dataset} cannot be read")
    if _reachable(dataset, revision):
        return _load(dataset, name, revision, f"data.dataset: {dataset} cannot be loaded from the hub")
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


def _load(path: str, name: str | None, revision: str | None, lead: str) -> datasets.DatasetDict:
    try:
        return datasets.load_dataset(path, name, revision=revision)
    except Exception as error:  # the library raises many kinds; all of them mean that there is no data
        cause = error.__cause__ or error
        first_line = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
        raise UserError(f"{lead} ({first_line})") from error


def _reachable(dataset: str, revision: str | None) -> bool:
    """One request, since `datasets` itself tries for 20 s to minutes before it gives up."""
    try:
        huggingface_hub.HfApi().dataset_info(dataset, revision=revision, timeout=PROBE_SECONDS)
    except RevisionNotFoundError:
        raise UserError(f"data.revision: {dataset} has no revision {revision} on the hub") from None
    except RepositoryNotFoundError as error:
        raise UserError(
            f"data.dataset: {dataset} is not on the hub, or not open to you "
            f"(HTTP {error.response.status_code}); check the id, or log in with `hf auth login`"
        ) from None
    except HfHubHTTPError:
        return True  # answered: let the library say what is wrong
    except Exception:  # no name, no route, no answer, offline mode: each HTTP library has its own
        return False
    return True


@contextmanager
def _offline() -> Iterator[None]:
    """The library's offline mode, which it otherwise reads from the environment once at import."""
    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE = before
