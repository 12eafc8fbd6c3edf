"""What stands beside an exported graph: what it was made of, and how it is meant to be used."""

import json
from dataclasses import asdict, dataclass
from itertools import starmap
from pathlib import Path
from typing import Literal, Self

from nmt.data.directions import Direction
from nmt.data.letters import Letters
from nmt.errors import UserError
from nmt.evaluation.calibration import MOST_POINTS, Curve
from nmt.files import read_regular
from nmt.records import Record

FILE, GRAPH = "manifest.json", "model.onnx"
Kind = Literal["seq2seq", "language_model", "classifier", "tagger"]
GraphPrecision = Literal["float32", "int8"]
Form = Literal["none", "nfc"]
MOST_DIRECTIONS = 1_000
_MOST_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of manifest.json.

    graph: SHA-256 of model.onnx. weights: the checksum of the weights it was made of; config: SHA-256 of the
    run's configuration. src_tokens, trg_tokens: fingerprints of the tokenizers. src, trg: languages, "" where
    unknown. continuous: a language model that reads lines as one long text. confidence: that in a word of a
    translation, None where it is not calibrated. letters: the common trigrams of the source language, see
    `Letters`, "" where unknown. directions: what a model with tags translates. The rest is as in the
    configuration; alpha and offset are the length penalty's.
    """

    format: Literal[1] = 1
    nmt: str
    kind: Kind
    precision: GraphPrecision
    graph: str
    weights: str
    config: str
    src_tokens: str
    trg_tokens: str
    src: str
    trg: str
    normalize: Form
    beam: int
    alpha: float
    offset: float
    max_ratio: float
    max_extra: int
    max_source: int
    tokens_per_batch: int
    continuous: bool = False
    confidence: Curve | None = None
    letters: str = ""
    directions: tuple[Direction, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the manifest of a folder, None where there is none; raises UserError if it is damaged."""
        path = folder / FILE
        try:
            return cls.from_json(read_regular(path, _MOST_BYTES, within=folder))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise UserError(f"{path}: describes no exported model ({error}); export it again") from None

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Return the manifest that `to_json` wrote; raises ValueError for anything else."""
        record = Record(data)
        found = cls(
            format=record.choice("format", (1,)),
            nmt=record.text("nmt"),
            kind=record.choice("kind", ("seq2seq", "language_model", "classifier", "tagger")),
            precision=record.choice("precision", ("float32", "int8")),
            graph=record.text("graph"),
            weights=record.text("weights"),
            config=record.text("config"),
            src_tokens=record.text("src_tokens"),
            trg_tokens=record.text("trg_tokens"),
            src=record.text("src"),
            trg=record.text("trg"),
            normalize=record.choice("normalize", ("none", "nfc")),
            beam=record.whole("beam", least=1, most=1_000),
            alpha=record.number("alpha", least=0, below=1_001),
            offset=record.number("offset", least=0, below=1_001),
            max_ratio=record.number("max_ratio", least=0, below=101),
            max_extra=record.whole("max_extra", least=0, most=100_000),
            max_source=record.whole("max_source", least=4, most=100_000),
            tokens_per_batch=record.whole("tokens_per_batch", least=1, most=1_000_000),
            continuous=record.flag("continuous", default=False),
            confidence=_curve(record),
            letters=record.text("letters", ""),
            directions=tuple(starmap(Direction, record.rows("directions", width=3, most=MOST_DIRECTIONS))),
        )
        Letters(found.letters)
        record.end()
        return found

    def to_json(self) -> bytes:
        """Return the fields as a JSON object, one a line."""
        fields = asdict(self) | {"confidence": self.confidence.points if self.confidence else []}
        if not self.directions:  # most models have no tags, and an earlier version reads them
            del fields["directions"]
        lines = (f'  "{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in fields.items())
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _curve(record: Record) -> Curve | None:
    points = record.pairs("confidence", most=MOST_POINTS)
    try:
        return Curve(tuple(points)) if points else None
    except ValueError as error:
        raise ValueError(f"confidence: {error}") from None
