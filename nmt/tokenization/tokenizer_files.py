"""A tokenizer in a folder: SIDE.json describes it; SIDE.model or SIDE.pieces.json holds it."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self, get_args

from nmt.errors import UserError
from nmt.files import MB, read_regular, replace_bytes
from nmt.records import Record

SubwordKind = Literal["bpe", "unigram", "char"]
Kind = Literal[SubwordKind, "word", "torchtext"]
_KINDS: tuple[Kind, ...] = get_args(Kind)
_MOST = 256 * MB  # largest model or list of tokens
_REPAIR = "copy the tokenizer folder again from where the model was trained"


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """The content of SIDE.json: everything but the model or list of tokens.

    moses, lowercased: what happens to text first, see `Preprocessing`. reversed: the ids begin with the last
    token, see `ReversedTokenizer`. Each only there if it says something.
    """

    format: Literal[1] = 1
    kind: Kind
    sha256: str
    dropout: float = 0.0  # at least 0, less than 1
    lowercase: bool = False
    moses: str = ""
    lowercased: bool = False
    reversed: bool = False

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Return the description that `to_json` wrote; raises ValueError for anything else."""
        record = Record(data)
        found = cls(
            format=record.choice("format", (1,), 1),
            kind=record.choice("kind", _KINDS),
            sha256=record.text("sha256"),
            dropout=record.number("dropout", 0.0, least=0, below=1),
            lowercase=record.flag("lowercase", False),
            moses=record.text("moses", ""),
            lowercased=record.flag("lowercased", False),
            reversed=record.flag("reversed", False),
        )
        record.end()
        return found

    def to_json(self) -> bytes:
        """Return the fields as a JSON object, one a line."""
        unused = {key for key in ("moses", "lowercased", "reversed") if not getattr(self, key)}
        fields = {key: value for key, value in asdict(self).items() if key not in unused}
        return (json.dumps(fields, indent=2) + "\n").encode()


def write_tokenizer(
    folder: Path, side: str, data: bytes, *, kind: Kind, dropout: float = 0.0, lowercase: bool = False
) -> None:
    """Write `data` and then its description, each atomically."""
    digest = hashlib.sha256(data).hexdigest()
    descriptor = Descriptor(kind=kind, sha256=digest, dropout=dropout, lowercase=lowercase)
    folder.mkdir(parents=True, exist_ok=True)
    replace_bytes(_data_path(folder, side, kind), data)
    replace_bytes(folder / f"{side}.json", descriptor.to_json())


def add_preprocessing(folder: Path, side: str, *, moses: str, lowercase: bool) -> None:
    """Say in the description of a tokenizer what happens to text first."""
    descriptor, _, _ = read_tokenizer(folder, side)
    descriptor = replace(descriptor, moses=moses, lowercased=lowercase)
    replace_bytes(folder / f"{side}.json", descriptor.to_json())


def add_reversal(folder: Path, side: str) -> None:
    """Say in the description of a tokenizer that its ids begin with the last token."""
    descriptor, _, _ = read_tokenizer(folder, side)
    replace_bytes(folder / f"{side}.json", replace(descriptor, reversed=True).to_json())


def read_tokenizer(folder: Path, side: str) -> tuple[Descriptor, Path, bytes]:
    """Return the description, and path and content of the file it describes.

    Raises UserError that names a file that is missing, invalid or changed.
    """
    path = folder / f"{side}.json"
    try:
        descriptor = Descriptor.from_json(_read(path, MB))
    except ValueError as error:
        raise UserError(f"{path}: describes no tokenizer ({error}); {_REPAIR}") from None
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
