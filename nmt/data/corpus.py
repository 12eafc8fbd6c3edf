"""Parallel and monolingual text as a stream of pairs: datasets, text files, TSV, the builtin corpus."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import accumulate, islice, takewhile, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from nmt.config.data import BuiltinCorpus as BuiltinConfig
from nmt.config.data import DataConfig, FilePair, PlainText, SplitNames, TextFiles, TsvFiles
from nmt.data.lines import read_lines
from nmt.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from nmt.data.hub import LocalDataset

Split = Literal["train", "validation", "test"]


class Pair(NamedTuple):
    """A sentence and its translation; a line of monolingual text has the source ""."""

    src: str
    trg: str


class Corpus(Protocol):
    """Sentence pairs by split, read anew each time and never held as a whole."""

    splits: tuple[Split, ...]  # train, validation and, where the configuration names one, test

    def pairs(self, split: Split) -> Iterator[Pair]:
        """The pairs of a split in their order; UserError when the text cannot be read."""

    def fingerprint(self, split: Split) -> str:
        """A sha256 that changes when the text of the split may have changed."""

    def describe(self, split: Split = "train") -> str:
        """What this is, in a few words for a message; of files, those of the split."""


def open_corpus(data: DataConfig) -> Corpus:
    """The corpus that the configuration names; nothing is read yet."""
    if data.files is not None:
        return TextCorpus(data.files)
    if data.tsv is not None:
        return TsvCorpus(data.tsv)
    if data.text is not None:
        return MonolingualCorpus(data.text)
    assert data.src, "DataConfig asks for languages where they choose the text"
    assert data.trg
    if data.builtin is not None:
        return BuiltinCorpus(data.builtin, data.src, data.trg)
    assert data.dataset is not None, "DataConfig admits exactly one corpus"
    return DatasetCorpus(
        data.dataset, data.src, data.trg, name=data.dataset_config, revision=data.revision, splits=data.splits
    )


class TextCorpus:
    """Two text files for each split, line n of one translating line n of the other."""

    def __init__(self, files: TextFiles) -> None:
        pairs: dict[Split, FilePair | None] = {
            "train": files.train,
            "validation": files.validation,
            "test": files.test,
        }
        self._paths = {
            split: (_path(f"data.files.{split}.src", pair.src), _path(f"data.files.{split}.trg", pair.trg))
            for split, pair in pairs.items()
            if pair is not None
        }
        self.splits = tuple(self._paths)

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Line n of both files; UserError with both counts when one has more lines."""
        src_path, trg_path = self._paths[split]
        src_count = trg_count = 0
        for src, trg in zip_longest(read_lines(src_path), read_lines(trg_path)):
            src_count += src is not None
            trg_count += trg is not None
            if src_count == trg_count:
                yield Pair(src, trg)
        if src_count != trg_count:
            raise UserError(
                f"{src_path} has {src_count} lines and {trg_path} has {trg_count}; "
                "line n of one must translate line n of the other"
            )

    def fingerprint(self, split: Split) -> str:
        """sha256 over both files as they lie on disk."""
        return _hash_files(self._paths[split])

    def describe(self, split: Split = "train") -> str:
        """The names of the files."""
        return f"text files {' and '.join(map(str, self._paths[split]))}"


class TsvCorpus:
    """One file for each split; a line is a source, one tab, a target."""

    def __init__(self, files: TsvFiles, key: str = "data.tsv") -> None:
        names: dict[Split, str | None] = {
            "train": files.train,
            "validation": files.validation,
            "test": files.test,
        }
        self._paths = {split: _path(f"{key}.{split}", name) for split, name in names.items() if name}
        self.splits = tuple(self._paths)

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Each line as a pair; UserError names a line without exactly one tab."""
        path = self._paths[split]
        for number, line in enumerate(read_lines(path), 1):
            columns = line.split("\t")
            if len(columns) != 2:
                raise UserError(
                    f"{path}: line {number}: expected a source, one tab and a target, "
                    f"found {len(columns) - 1} tabs"
                )
            yield Pair(*columns)

    def fingerprint(self, split: Split) -> str:
        """sha256 over the file as it lies on disk."""
        return _hash_files([self._paths[split]])

    def describe(self, split: Split = "train") -> str:
        """The name of the file."""
        return f"TSV file {self._paths[split]}"


class MonolingualCorpus:
    """Lines of one language, each a pair without a source."""

    def __init__(self, text: PlainText) -> None:
        self._held_out, self._lines = text.held_out, text.lines
        held_out = text.train if text.validation is None else text.validation
        names: dict[Split, str | None] = {"train": text.train, "validation": held_out, "test": text.test}
        self._paths = {split: _path(f"data.text.{split}", name) for split, name in names.items() if name}
        self.splits = tuple(self._paths)

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Each line of the split, in order."""
        lines = enumerate(read_lines(self._paths[split]))
        for _, line in lines if self._held_out is None or split == "test" else self._part(lines, split):
            yield Pair("", line)

    def _part(self, lines: Iterator[tuple[int, str]], split: Split) -> Iterator[tuple[int, str]]:
        """Of one long text the end is held out; of lines one every so often, since lists may be sorted."""
        assert self._held_out is not None
        held_out = self._held_out
        if not self._lines:
            return islice(lines, None, self._kept) if split == "train" else islice(lines, self._kept, None)
        return (
            (i, line)
            for i, line in lines
            if (int((i + 1) * held_out) > int(i * held_out)) != (split == "train")
        )

    def fingerprint(self, split: Split) -> str:
        """sha256 over the file as it lies on disk, and the share of it that is held out."""
        spread = " of the lines" if self._lines else ""
        share = "" if self._held_out is None or split == "test" else f":{self._held_out}{spread}"
        return _hash_files([self._paths[split]]) + share

    def describe(self, split: Split = "train") -> str:
        """The name of the file."""
        return f"text file {self._paths[split]}"

    @cached_property
    def _kept(self) -> int:
        """How many lines of one long text are not held out."""
        assert self._held_out is not None
        kept = (1 - self._held_out) * sum(len(line) + 1 for line in read_lines(self._paths["train"]))
        ends = accumulate(len(line) + 1 for line in read_lines(self._paths["train"]))
        return sum(1 for _ in takewhile(lambda end: end <= kept, ends))


class BuiltinCorpus:
    """The German and English pairs that the package writes itself."""

    def __init__(self, config: BuiltinConfig, src: str, trg: str) -> None:
        from nmt.data.builtin import LANGUAGES

        if {src, trg} != set(LANGUAGES):
            raise UserError(
                f"data.src and data.trg: expected {' and '.join(LANGUAGES)}, which the builtin corpus has, "
                f"found {src} and {trg}"
            )
        self._config = config
        self._turned = (src, trg) != LANGUAGES
        self.splits: tuple[Split, ...] = ("train", "validation", "test")

    def pairs(self, split: Split) -> Iterator[Pair]:
        """The first so many pairs of the split, in the languages asked for."""
        from nmt.data import builtin

        for src, trg in builtin.pairs(split, self._count(split), seed=self._config.seed):
            yield Pair(trg, src) if self._turned else Pair(src, trg)

    def fingerprint(self, split: Split) -> str:
        """sha256 over the text, which is written anew for it."""
        digest = hashlib.sha256()
        for pair in self.pairs(split):
            digest.update(f"{pair.src}\t{pair.trg}\n".encode())
        return digest.hexdigest()

    def describe(self, split: Split = "train") -> str:
        """Which seed."""
        return f"the builtin corpus, seed {self._config.seed}"

    def _count(self, split: Split) -> int:
        return {
            "train": self._config.train,
            "validation": self._config.validation,
            "test": self._config.test,
        }[split]


class DatasetCorpus:
    """A dataset of the Hugging Face hub, or a local folder of the same layout, which is never written to.

    A row holds the two texts in columns named after the languages, or in one column `translation`:
    {"de": …, "en": …} or {"translation": {"de": …, "en": …}}, where a row may name its languages itself
    (TranslationVariableLanguages). A missing text counts as empty, as does a missing row; a line end inside
    a text becomes a space, since one line is one sentence everywhere else.
    """

    def __init__(
        self,
        dataset: str,
        src: str,
        trg: str,
        *,
        name: str | None = None,
        revision: str | None = None,
        splits: SplitNames | None = None,
    ) -> None:
        self._dataset = dataset
        self._name = name
        self._revision = revision
        self._src = src
        self._trg = trg
        splits = splits or SplitNames()
        names: dict[Split, str | None] = {
            "train": splits.train,
            "validation": splits.validation,
            "test": splits.test,
        }
        self._names = {split: name for split, name in names.items() if name is not None}
        self.splits = tuple(self._names)
        self._folder = _local_folder(dataset)

    def pairs(self, split: Split) -> Iterator[Pair]:
        """The rows in order; UserError for a split, a column or a type that is not there."""
        rows = self._rows(split)
        if {self._src, self._trg} <= set(rows.column_names):
            for chunk in rows.select_columns([self._src, self._trg]).iter(1000):
                yield from self._texts(split, zip(chunk[self._src], chunk[self._trg], strict=True))
            return
        columns = _translation_columns(rows)
        if not {self._src, self._trg} <= set(columns):
            lacking = [key for key in ("src", "trg") if getattr(self, f"_{key}") not in columns]
            wanted = ", ".join(f"data.{key}: {getattr(self, f'_{key}')}" for key in lacking)
            raise UserError(
                f"{wanted}: no such column in split {self._names[split]} of {self.describe()}; "
                f"the columns are {', '.join(columns)}"
            )
        for chunk in rows.select_columns(["translation"]).iter(1000):
            texts = map(_by_language, chunk["translation"])
            yield from self._texts(split, ((row.get(self._src), row.get(self._trg)) for row in texts))

    def fingerprint(self, split: Split) -> str:
        """A hash of split and config with the files of a folder, or with id and commit of the hub."""
        if self._folder is not None:
            return f"{self._local.fingerprint}:{self._names[split]}"
        return str(self._rows(split)._fingerprint)

    def describe(self, split: Split = "train") -> str:
        """The id or folder, config name and revision."""
        parts = [self._dataset, *(part for part in (self._name, self._revision) if part is not None)]
        return f"dataset {' '.join(parts)}"

    def _rows(self, split: Split) -> "Dataset":
        name = self._names[split]
        if name not in self._loaded:
            raise UserError(
                f"data.splits.{split}: {self.describe()} has no split {name}; "
                f"it has {', '.join(map(str, self._loaded))}"
            )
        return self._loaded[name]

    def _texts(self, split: Split, both: Iterable[tuple[object, object]]) -> Iterator[Pair]:
        for src, trg in both:
            src, trg = "" if src is None else src, "" if trg is None else trg
            if not (isinstance(src, str) and isinstance(trg, str)):
                raise UserError(
                    f"{self.describe()}, split {self._names[split]}: expected text in columns {self._src} "
                    f"and {self._trg}, found {type(src).__name__} and {type(trg).__name__}"
                )
            yield Pair(_one_line(src), _one_line(trg))

    @cached_property
    def _local(self) -> "LocalDataset":
        from nmt.data.hub import LocalDataset

        assert self._folder is not None
        return LocalDataset.find(self._folder, self._name)

    @cached_property
    def _loaded(self) -> "DatasetDict":
        if self._folder is not None:
            return self._local.load()
        from nmt.data.hub import load

        return load(self._dataset, name=self._name, revision=self._revision)


def _local_folder(dataset: str) -> Path | None:
    """The folder that is meant, or None for a hub id; UserError for a path where there is no folder."""
    path = Path(dataset)
    if path.is_dir():
        return path
    if path.exists() or dataset.startswith((".", "/", "~")) or dataset.count("/") > 1:
        found = "a file" if path.exists() else "nothing"
        raise UserError(
            f"data.dataset: expected a hub id such as bentrevett/multi30k or a local folder, "
            f"found {found} at {dataset}; for single files use data.files or data.tsv"
        )
    return None


def _translation_columns(rows: "Dataset") -> list[str]:
    """The languages inside the column `translation`, or else the plain columns."""
    feature = rows.features.get("translation")
    languages = getattr(feature, "languages", feature)
    if isinstance(languages, dict | list | tuple) and set(languages) != _VARIABLE:
        return list(languages)
    found: dict[str, None] = {}  # only the rows say
    for chunk in rows.select_columns(["translation"]).iter(1000) if feature is not None else ():
        found |= {language: None for row in chunk["translation"] for language in _by_language(row)}
    return sorted(found) or list(rows.column_names)


_VARIABLE = {"language", "translation"}


def _by_language(row: object) -> dict[str, Any]:
    """The texts of a row by language, the first of several; none of a row that is no such thing."""
    if not isinstance(row, dict):
        return {}
    if set(row) != _VARIABLE:
        return row
    texts = zip(row["language"] or (), row["translation"] or (), strict=False)
    return dict(reversed(list(texts)))


def _one_line(text: str) -> str:
    return text.replace("\r\n", " ").replace("\n", " ")


def _path(key: str, name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise UserError(f"{key}: expected a text file, found {found}: {name}")
    return path


def _hash_files(paths: Iterable[Path]) -> str:
    """sha256 over the contents of the files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()
