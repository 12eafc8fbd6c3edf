"""result.json: what a run scored and everything needed to trust and repeat the number; metrics.jsonl."""

import importlib.metadata
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from nmt.errors import UserError
from nmt.files import MB, open_regular, read_regular, replace_text
from nmt.machine import cores, processor

SCHEMA_VERSION: Final = 1
Figure = float | int | str | None
_FIGURES = TypeAdapter(dict[str, float | Annotated[int, Field(ge=-(2**63), lt=2**63)] | str | None])


class Record(BaseModel):
    """A frozen part of result.json whose unknown keys are errors; NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class Score(Record):
    """One figure of one metric, inseparable from the signature that defines it."""

    # sacreBLEU's name: BLEU, chrF2, TER; of language models perplexity, bits/character; of labels accuracy,
    # macro-F1, and F1 of each label
    metric: str
    form: str  # what was compared, such as "cased, detokenised"
    score: float  # 0 to 100 (TER may exceed 100, and less is better; so may perplexity)
    signature: str

    @property
    def label(self) -> str:
        """The metric with its form, such as "BLEU (lowercased, 13a)"."""
        return f"{self.metric} ({self.form})"


class Training(Record):
    """What the weights cost."""

    updates: int
    epochs: float
    wall_minutes: float  # preparation of the data included
    cpu_minutes: float | None = None  # of all threads together
    # real target tokens, padding not counted; a second of updates, without preparation, validations and saves
    trg_tokens_per_second: float | None = None
    precision: str | None = None


class Decoding(Record):
    """How the hypotheses were found, and how fast."""

    settings: dict[str, JsonValue]  # the configuration's decoding section, resolved
    sentences_per_second: float | None = None
    precision: str | None = None


class Machine(Record):
    """Where it ran."""

    device: str  # cpu, cuda …
    description: str
    threads: int | None = None

    @classmethod
    def here(cls, device: str, *, accelerator: str | None = None, threads: int | None = None) -> Self:
        """This machine; `accelerator` is the name of the GPU, where the device is one."""
        system = f"{processor()}, {cores()} cores, {platform.system()}"
        description = f"{accelerator}; {system}" if accelerator else system
        return cls(device=device, description=description, threads=threads)


class Versions(Record):
    """The software that made the number; null = not installed."""

    python: str
    nmt: str | None = None
    torch: str | None = None
    sacrebleu: str | None = None
    sentencepiece: str | None = None
    datasets: str | None = None

    @classmethod
    def installed(cls) -> Self:
        """The versions of this environment, without importing any of the packages."""
        packages = [name for name in cls.model_fields if name != "python"]
        return cls(python=platform.python_version(), **{name: _version(name) for name in packages})


class Result(Record):
    """The scores of one system on one test set; whatever may be unknown is null.

    `nmt score --hyp F --ref F` knows neither model nor training: it leaves them out.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    date: AwareDatetime
    src: str | None = None  # languages
    trg: str | None = None
    dataset: str
    split: str | None = None
    sentences: int
    scores: tuple[Score, ...]
    decoding: Decoding | None = None
    training: Training | None = None
    parameters: int | None = None
    seed: int | None = None
    commit: str | None = None
    versions: Versions
    machine: Machine | None = None
    data_hashes: dict[str, str] = {}  # split or file → sha256 of its raw text
    tokenizers: dict[str, str] = {}  # src, trg → fingerprint

    def score(self, metric: str, form: str | None = None) -> Score | None:
        """The first score of this metric (and form, where given), or None."""
        return next((s for s in self.scores if s.metric == metric and form in (None, s.form)), None)


def write_result(path: Path, result: Result) -> None:
    """Write `result` to `path` whole or not at all; UserError where the disk refuses."""
    replace_text(path, result.model_dump_json(indent=2) + "\n")


def read_result(path: Path) -> Result:
    """Read a result.json of this schema version; UserError says what is wrong with any other file."""
    try:
        content = json.loads(read_regular(path, 10 * MB, within=path.parent).decode())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 at byte {error.start}; delete it, and write it with nmt score"
        ) from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}:{error.lineno}: broken JSON ({error.msg}); delete it, and write it with nmt score"
        ) from None
    except (ValueError, RecursionError):
        raise UserError(
            f"{path}: a number with thousands of digits, or nested too deeply; delete it, and write it with "
            "nmt score"
        ) from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if type(version) is not int or version < 1:
        raise UserError(
            f"{path}: expected a result with schema_version {SCHEMA_VERSION}, found "
            f"{'none' if version is None else repr(version)}; give a result.json written by nmt"
        )
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path}: schema_version {version} is newer than this nmt, which reads up to "
            f"{SCHEMA_VERSION}; update nmt"
        )
    try:
        # By way of JSON, so that lists become tuples and dates are parsed as they were written.
        return Result.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {key}: {first['msg']}; delete it, and write it with nmt score") from None


def read_metrics(path: Path, *, limit: int | None = None) -> Iterator[tuple[bytes, int, dict[str, Figure]]]:
    """Yield each line of a metrics.jsonl as it stands, its step and its figures.

    A last line without its end is being written and is left out. Raises UserError with file and line for
    what is no object of figures, and OSError for a file that cannot be read or is larger than `limit`.
    """
    with open_regular(path, limit=limit, within=path.parent) as file:
        for number, line in enumerate(iter(lambda: file.readline(MB), b""), 1):
            if not line.endswith(b"\n") and len(line) < MB:
                return
            try:
                figures = _FIGURES.validate_json(line, strict=True)
                step = figures.pop("step", None)
            except ValidationError:
                step = None
            if not isinstance(step, int):
                raise UserError(
                    f"{path}, line {number}: expected a JSON object with a step, found {line[:40]!r}; "
                    "remove the line"
                )
            yield line, step, figures


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
