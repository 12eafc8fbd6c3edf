"""result.json: scores with everything needed to trust and repeat them; and metrics.jsonl."""

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

SCHEMA_VERSION: Final = 2  # 1 had no command, no configuration, and less of the training
Figure = float | int | str | None
_FIGURES = TypeAdapter(dict[str, float | Annotated[int, Field(ge=-(2**63), lt=2**63)] | str | None])


class Record(BaseModel):
    """A frozen part of result.json whose unknown keys are errors; NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class Score(Record):
    """One number of one metric, with the signature that defines it."""

    # BLEU, chrF2, TER; perplexity, bits/character; accuracy, macro-F1, and F1 for each label
    metric: str
    form: str  # what was compared, such as "cased, detokenised"
    score: float  # 0 to 100, more is better; for TER and perplexity less is better, and they may exceed 100
    signature: str

    @property
    def label(self) -> str:
        """The metric with its form, such as "BLEU (lowercased, 13a)"."""
        return f"{self.metric} ({self.form})"


class Machine(Record):
    """Where it ran."""

    device: str  # cpu, cuda …
    description: str
    threads: int | None = None

    @classmethod
    def here(cls, device: str, *, accelerator: str | None = None, threads: int | None = None) -> Self:
        """Return this machine; `accelerator` is the name of the GPU, if the device is one."""
        system = f"{processor()}, {cores()} cores, {platform.system()}"
        description = f"{accelerator}; {system}" if accelerator else system
        return cls(device=device, description=description, threads=threads)


class Training(Record):
    """The cost of training, and where it was."""

    updates: int
    epochs: float
    wall_minutes: float  # including preparation of the data
    cpu_minutes: float | None = None  # all threads together
    # target tokens without padding, per second of updates: preparation, validation and saving do not count
    trg_tokens_per_second: float | None = None
    precision: str | None = None
    commit: str | None = None
    machine: Machine | None = None
    processes: int | None = None  # that trained together


class Decoding(Record):
    """How the hypotheses were found, and how fast."""

    settings: dict[str, JsonValue]  # the configuration's decoding section, resolved
    sentences_per_second: float | None = None
    precision: str | None = None


class Versions(Record):
    """Versions of the software in use; null = not installed."""

    python: str
    nmt: str | None = None
    torch: str | None = None
    sacrebleu: str | None = None
    sentencepiece: str | None = None
    datasets: str | None = None

    @classmethod
    def installed(cls) -> Self:
        """Return the versions of this environment, without importing the packages."""
        packages = [name for name in cls.model_fields if name != "python"]
        return cls(python=platform.python_version(), **{name: package_version(name) for name in packages})


class Result(Record):
    """The scores of one system on one test set; null means unknown.

    `nmt score --hyp F --ref F` knows neither the model nor its training and leaves them out.
    """

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    name: str
    date: AwareDatetime
    src: str | None = None  # languages
    trg: str | None = None
    dataset: str
    split: str | None = None
    sentences: int = Field(ge=0, lt=2**63)
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
    # The words after "nmt", without those that say which run and where to write; none: unknown.
    command: tuple[str, ...] = ()
    configuration: dict[str, JsonValue] | None = None  # of the training, resolved

    def score(self, metric: str, form: str | None = None) -> Score | None:
        """Return the first score of this metric (and form, if given), or None."""
        return next((s for s in self.scores if s.metric == metric and form in (None, s.form)), None)


def write_result(path: Path, result: Result) -> None:
    """Write a result completely or not at all; raises UserError if it cannot be written."""
    replace_text(path, result.model_dump_json(indent=2) + "\n")


def read_result(path: Path) -> Result:
    """Return the result in a file; raises UserError if it is no result.json of this schema version."""
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
        # Validated as JSON, so that lists become tuples and dates are parsed.
        return Result.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {key}: {first['msg']}; delete it, and write it with nmt score") from None


def read_metrics(path: Path, *, limit: int | None = None) -> Iterator[tuple[bytes, int, dict[str, Figure]]]:
    """Yield each line of a metrics.jsonl, its step and its metrics.

    A last line without a newline is still being written and is left out. Raises UserError with file and line
    for an invalid line, and OSError if the file cannot be read or is larger than `limit`.
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


def package_version(package: str) -> str | None:
    """Return the version of an installed package, without importing it; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
