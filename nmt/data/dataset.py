"""A dataset of the Hugging Face hub, or a local folder of the same layout, as a stream of pairs."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nmt.data.corpus import Corpus, Languages, Pair, Split
from nmt.data.lines import one_line
from nmt.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

    from nmt.data.hub import LocalDataset, SavedDataset

Rows: TypeAlias = "Dataset | IterableDataset"


class DatasetCorpus(Corpus):
    """A dataset of the Hugging Face hub, or a local folder of the same layout, which is never written to.

    A row holds the two texts in columns named after the languages, or in one column `translation`:
    {"de": …, "en": …} or {"translation": {"de": …, "en": …}}, where a row may name its languages itself
    (TranslationVariableLanguages). A missing text counts as empty, as does a missing row; a line end inside
    a text becomes a space, because elsewhere one line is one sentence.
    """

    needs_library = True

    def __init__(
        self,
        dataset: str,
        languages: Languages,
        names: Mapping[Split, str],
        *,
        config: str | None = None,
        revision: str | None = None,
        streaming: bool = False,
    ) -> None:
        """names: the dataset's names of the splits. streaming: read rows as they arrive and store none."""
        assert languages.src, "the configuration asks for languages where they choose the text"
        assert languages.trg
        self._dataset, self._names = dataset, names
        self._config, self._revision = config, revision
        self._src, self._trg = languages.src, languages.trg
        self.languages, self.splits, self.streamed = languages, tuple(names), streaming
        self.name = Path(dataset).name if Path(dataset).is_dir() else dataset

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Yield the rows in order; raises UserError for a missing split or column, or a wrong type."""
        rows, wanted = self._rows(split), {self._src, self._trg}
        with self._readable():  # a stream may not know its columns before the first row
            columns = list(rows.column_names or next(iter(rows), ()))
        if wanted <= set(columns):
            yield from self._texts(split, self._values(rows, self._src, self._trg))
            return
        if "translation" in columns:
            columns = self._translations(rows, wanted) or columns
        if not wanted <= set(columns):
            lacking = [key for key in ("src", "trg") if getattr(self, f"_{key}") not in columns]
            named = ", ".join(f"data.{key}: {getattr(self, f'_{key}')}" for key in lacking)
            raise UserError(
                f"{named}: no such column in split {self._names[split]} of {self.describe()}; "
                f"the columns are {', '.join(columns)}"
            )
        texts = (_by_language(row) for (row,) in self._values(rows, "translation"))
        yield from self._texts(split, ((row.get(self._src), row.get(self._trg)) for row in texts))

    def fingerprint(self, split: Split) -> str:
        """Return a hash of split and config with the files of a folder, or with id and commit of the hub."""
        if self._folder is not None:
            return f"{self._local.fingerprint}:{self._names[split]}"
        if self.streamed:
            named = (self._dataset, self._config, self._commit, self._names[split])
            return hashlib.sha256(json.dumps(named).encode()).hexdigest()
        return str(self._rows(split)._fingerprint)

    def describe(self, split: Split = "train") -> str:
        """Return the id or folder, config name and revision."""
        parts = [self._dataset, *(part for part in (self._config, self._revision) if part is not None)]
        return f"dataset {' '.join(parts)}"

    def _rows(self, split: Split) -> Rows:
        name = self._names[split]
        if name not in self._loaded:
            raise UserError(
                f"data.splits.{split}: {self.describe()} has no split {name}; "
                f"it has {', '.join(map(str, self._loaded))}"
            )
        return self._loaded[name]

    def _values(self, rows: Rows, *columns: str) -> Iterator[tuple[object, ...]]:
        """Yield the values of some columns, row by row; None for a missing one."""
        with self._readable():
            if rows.features is not None:
                rows = rows.select_columns(list(columns))
            for chunk in rows.iter(1000):
                lacking = [None] * len(next(iter(chunk.values()), ()))
                yield from zip(*(chunk.get(column, lacking) for column in columns), strict=True)

    def _translations(self, rows: Rows, wanted: set[str]) -> list[str]:
        """Return the languages in the column `translation`; rows are read until all are found if need be."""
        feature = rows.features and rows.features["translation"]
        languages = getattr(feature, "languages", feature)
        if isinstance(languages, dict | list | tuple) and set(languages) != _VARIABLE:
            return list(languages)
        found: dict[str, None] = {}
        for (row,) in self._values(rows, "translation"):
            found |= dict.fromkeys(_by_language(row))
            if wanted <= set(found):
                break
        return sorted(found)

    def _texts(self, split: Split, both: Iterable[tuple[object, ...]]) -> Iterator[Pair]:
        for src, trg in both:
            src, trg = "" if src is None else src, "" if trg is None else trg
            if not (isinstance(src, str) and isinstance(trg, str)):
                raise UserError(
                    f"{self.describe()}, split {self._names[split]}: expected text in columns {self._src} "
                    f"and {self._trg}, found {type(src).__name__} and {type(trg).__name__}"
                )
            yield Pair(one_line(src), one_line(trg))

    @cached_property
    def _folder(self) -> Path | None:
        """Return the folder, or None for a hub id; raises UserError for a path without a folder."""
        path = Path(self._dataset)
        if path.is_dir():
            return path
        if path.exists() or self._dataset.startswith((".", "/", "~")) or self._dataset.count("/") > 1:
            found = "a file" if path.exists() else "nothing"
            raise UserError(
                f"data.dataset: expected a hub id such as bentrevett/multi30k or a local folder, "
                f"found {found} at {self._dataset}; for single files use data.files or data.tsv"
            )
        return None

    @cached_property
    def _local(self) -> "LocalDataset | SavedDataset":
        from nmt.data.hub import LocalDataset, SavedDataset

        assert self._folder is not None
        if not SavedDataset.is_one(self._folder):
            return LocalDataset.find(self._folder, self._config)
        if self._config is not None:
            raise UserError(
                f"data.dataset_config: {self._folder} was written by save_to_disk and has no configurations; "
                f"found {self._config}; leave it out"
            )
        return SavedDataset.find(self._folder)

    @cached_property
    def _commit(self) -> str:
        from nmt.data.hub import commit_of

        return commit_of(self._dataset, self._revision)

    @cached_property
    def _loaded(self) -> "Mapping[str, Rows]":
        from nmt.data.hub import LocalDataset, load, stream

        found: Mapping[str, Rows]
        if self._folder is None and self.streamed:
            found = stream(self._dataset, name=self._config, commit=self._commit)
        elif self._folder is None:
            found = load(self._dataset, name=self._config, revision=self._revision)
        elif self.streamed and isinstance(self._local, LocalDataset):
            found = self._local.stream()
        else:
            found = self._local.load()
        return found

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn errors that appear only while a stream is read into a UserError."""
        try:
            yield
        except Exception as error:  # of many classes
            from nmt.errors import message_of

            raise UserError(f"{self.describe()} cannot be read ({message_of(error)})") from error


_VARIABLE = {"language", "translation"}


def _by_language(row: object) -> dict[str, object]:
    """Return the texts of a row by language, the first if there are several; empty for another type."""
    if not isinstance(row, dict):
        return {}
    if set(row) != _VARIABLE:
        return row
    texts = zip(row["language"] or (), row["translation"] or (), strict=False)
    return dict(reversed(list(texts)))
