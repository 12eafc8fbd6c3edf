"""What OUTPUT.json says of a file that nmt augment wrote: of what text it is made, by which models, how."""

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime

from nmt.errors import UserError
from nmt.files import MB, read_regular
from nmt.records import parse_json
from nmt.results import Record, Versions

SCHEMA_VERSION: Final = 1
_MOST_BYTES = 10 * MB
Way = Literal["forward", "back"]  # forward: from the corpus's source to its target


class TranslatingModel(Record):
    """A model, and the sha256 of its weights and of each file of its tokenizers."""

    model: str
    direction: Way
    src: str
    trg: str
    tag: str = ""  # before its sources, of a model with tags
    files: dict[str, str]


class HeldOutText(Record):
    """A test split that no translated line may be in."""

    of: str  # the configuration or run whose it is
    src: str
    trg: str
    pairs: int
    sha256: str | None  # over "src \t trg \n" of all pairs; null where it cannot be read
    problem: str | None = None


class TranslatedText(Record):
    """The lines of one language, and why some are not translated."""

    language: str
    source: str  # the corpus or file
    lines: int
    blank: int
    in_test: int
    repeated: int  # each is translated once
    sha256: str  # over "line \n" of those that are translated


class Sampled(Record):
    """How translations are sampled."""

    seed: int
    temperature: float
    top_k: int | None
    top_p: float


class AugmentJob(Record):
    """All that the pairs of a file depend on."""

    config: str
    dataset: str
    src: str
    trg: str
    train: str  # sha256 over "src \t trg \n" of the training pairs, as in result.json
    texts: tuple[TranslatedText, ...]
    models: tuple[TranslatingModel, ...]
    tests: tuple[HeldOutText, ...]
    originals: bool  # whether the training pairs come first
    beam: int | None  # null: the model's
    sampled: Sampled | None  # null: searched
    device: str
    precision: str

    def check_same(self, path: Path, found: object) -> None:
        """Raise UserError, naming the first key that differs, unless the JSON value found is this job."""
        own: dict[str, object] = json.loads(self.model_dump_json())
        others = found if isinstance(found, dict) else {}
        for key, value in own.items():
            if others.get(key) != value:
                raise UserError(
                    f"{path}: belongs to a job with another {key!r}; resume with the same configuration, "
                    "models and options, or give another --output"
                )


class WrittenPairs(Record):
    """What became of the translations of one model."""

    model: str
    translations: int
    written: int
    empty: int
    already_there: int  # in the training text, or written before


class Provenance(Record):
    """The content of OUTPUT.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    date: AwareDatetime
    commit: str | None
    versions: Versions
    job: AugmentJob
    originals: int  # training pairs in the file
    models: tuple[WrittenPairs, ...]
    output: str
    pairs: int
    sha256: str  # of the file


def as_json(record: Record) -> str:
    """Return a record as JSON text."""
    return record.model_dump_json(indent=2) + "\n"


def read_json(path: Path) -> object:
    """Return the value in a JSON file, None where there is no file; raises UserError for anything else."""
    try:
        return parse_json(read_regular(path, _MOST_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give another --output") from None
    except ValueError as error:
        raise UserError(f"{path}: not what nmt augment writes ({error}); give another --output") from None
