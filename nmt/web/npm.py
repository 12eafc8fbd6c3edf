"""onnxruntime-web, which runs graphs in a browser: from the npm registry, once, or from a file."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from nmt.errors import UserError
from nmt.files import MB, read_regular, replace_bytes

NAME, VERSION = "onnxruntime-web", "1.30.0"  # 1.23 refuses our graphs
FILE = f"{NAME}-{VERSION}.tgz"
# What the registry says of it.
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# The smallest build: the CPU alone. It is served as .js, which every web server knows.
FILES = {
    "ort.js": "package/dist/ort.wasm.bundle.min.mjs",
    "ort.wasm": "package/dist/ort-wasm-simd-threaded.wasm",
}
_MOST, _SECONDS = 100 * MB, 60
_ELSEWHERE = f"give the file that `npm pack {NAME}@{VERSION}` writes with --runtime"


def read_runtime(package: Path | None = None) -> dict[str, bytes]:
    """Return the content of FILES of the package; raises UserError where it cannot be had.

    package: its file; None takes the one that was fetched before, or fetches it from npm's registry.
    """
    data = _fetched() if package is None else _given(package)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        files = {name: archive.extractfile(member) for name, member in FILES.items()}
        return {name: file.read() for name, file in files.items() if file is not None}


def _given(package: Path) -> bytes:
    try:
        data = read_regular(package, _MOST)
    except OSError as error:
        raise UserError(f"--runtime {package}: cannot be read ({error.strerror}); {_ELSEWHERE}") from None
    if not _is_it(data):
        raise UserError(f"--runtime {package}: expected {NAME} {VERSION}, found another file; {_ELSEWHERE}")
    return data


def _fetched() -> bytes:
    kept = _cache() / FILE
    with suppress(OSError):
        data = read_regular(kept, _MOST)
        if _is_it(data):
            return data
    data = _fetch(f"{_registry().rstrip('/')}/{NAME}/-/{FILE}")
    with suppress(OSError, UserError):  # then it is fetched again the next time
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(kept, data)
    return data


def _fetch(address: str) -> bytes:
    try:
        with urlopen(address, timeout=_SECONDS) as answer:
            data: bytes = answer.read(_MOST)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise UserError(
            f"{NAME} {VERSION} cannot be fetched from {address} ({reason}); {_ELSEWHERE}"
        ) from None
    if not _is_it(data):
        raise UserError(f"{address} is not {NAME} {VERSION}: its checksum is another; {_ELSEWHERE}")
    return data


def _is_it(data: bytes) -> bool:
    return f"sha512-{b64encode(hashlib.sha512(data).digest()).decode()}" == INTEGRITY


def _registry() -> str:
    """Return the registry that npm's environment variable names, or that npm itself says."""
    named = (os.environ.get(name) for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"))
    if found := next(filter(None, named), None):
        return found
    command = [shutil.which("npm") or "npm", "config", "get", "registry"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        raise UserError(
            f"{NAME} is in npm's registry, and npm, which knows its address, is not installed or does not "
            f"answer; name it in npm_config_registry, or {_ELSEWHERE}"
        ) from None


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nmt"
