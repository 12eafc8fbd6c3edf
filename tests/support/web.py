"""A page that translates in the browser, of the models that ship."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hosting import hosting
from nmt.errors import UserError
from nmt.runtime.bundle import PRETRAINED
from nmt.server.models import pairs_of
from nmt.web.folder import web_files, write_folder
from nmt.web.npm import read_runtime


@pytest.fixture(scope="session")
def runtime() -> Mapping[str, bytes]:
    """The scripts of onnxruntime-web; a test that asks is skipped where they cannot be fetched."""
    try:
        return read_runtime()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def hosted(runtime: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page on a plain web server, below the address of another page."""
    root: Path = tmp_path_factory.mktemp("hosted")
    models = pairs_of(PRETRAINED / name for name in ("de-en", "en-de"))
    write_folder(root / "translator", web_files(models, runtime))
    with hosting(root) as address:
        yield f"{address}/translator"
