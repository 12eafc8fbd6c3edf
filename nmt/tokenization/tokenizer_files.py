"""A tokenizer in a folder: SIDE.json describes it; SIDE.model or SIDE.pieces.json holds it."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nmt.errors import UserError
from nmt.files import MB, read_regular, replace_bytes

SubwordKind = Literal["bpe", "unigram", "char"]
Kind = Literal[SubwordKind, "word", "torchtext"]
_MOST = 256 * MB  # largest model or list of tokens
_REPAIR = "copy the tokenizer folder again from where the model was trained"


class Descriptor(BaseModel):
    """The content of SIDE.json: everything but the model or list of tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1] = 1
    kind: Kind
    sha256: str
    dropout: float = Field(0.0, ge=0, lt=1, allow_inf_nan=False)
    lowercase: bool = False


def write_tokenizer(
    folder: Path, side: str, data: bytes, *, kind: Kind, dropout: float = 0.0, lowercase: bool = False
) -> None:
    """Write `data` and then its description, each atomically."""
    digest = hashlib.sha256(data).hexdigest()
    descriptor = Descriptor(kind=kind, sha256=digest, dropout=dropout, lowercase=lowercase)
    folder.mkdir(parents=True, exist_ok=True)
    replace_bytes(_data_path(folder, side, kind), data)
    replace_bytes(folder / f"{side}.json", (descriptor.model_dump_json(indent=2) + "\n").encode())


def read_tokenizer(folder: Path, side: str) -> tuple[Descriptor, Path, bytes]:
    """Return the description, and path and content of the file it describes.

    Raises UserError that names a file that is missing, invalid or changed.
    """
    path = folder / f"{side}.json"
    try:
        descriptor = Descriptor.model_validate_json(_read(path, MB))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise UserError(f"{path}: describes no tokenizer ({where}: {first['msg']}); {_REPAIR}") from None
    path = _data_path(folder, side, descriptor.kind)
    data = _read(path, _MOST)
    found = hashlib.sha256(data).hexdigest()
    if found != descriptor.sha256:
        raise UserError(
            f"{path}: changed since it was written (sha256 {descriptor.sha256[:12]}… expected, "
            f"{found[:12]}… found); {_REPAIR}"
        )
    return descriptor, path, data


def _data_path(folder: Path, side: str, kind: Kind) -> Path:
    return folder / (f"{side}.pieces.json" if kind in ("word", "torchtext") else f"{side}.model")


def _read(path: Path, limit: int) -> bytes:
    try:
        return read_regular(path, limit, within=path.parent)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {_REPAIR}") from None
