"""A dataset of the Hugging Face hub, or a local folder of the same layout, as a stream of pairs."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.data.corpus import Corpus, Languages, Pair, Split
from nmt.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from nmt.data.hub import LocalDataset


class DatasetCorpus(Corpus):
    """A dataset of the Hugging Face hub, or a local folder of the same layout, which is never written to.

    A row holds the two texts in columns named after the languages, or in one column `translation`:
    {"de": …, "en": …} or {"translation": {"de": …, "en": …}}, where a row may name its languages itself
    (TranslationVariableLanguages). A missing text counts as empty, as does a missing row; a line end inside
    a text becomes a space, since one line is one sentence everywhere else.
    """

    def __init__(
        self,
        dataset: str,
        languages: Languages,
        names: Mapping[Split, str],
        *,
        config: str | None = None,
        revision: str | None = None,
    ) -> None:
        """names: what the splits are called in the dataset."""
        assert languages.src, "the configuration asks for languages where they choose the text"
        assert languages.trg
        self._dataset, self._names = dataset, names
        self._config, self._revision = config, revision
        self._src, self._trg = languages.src, languages.trg
        self.languages, self.splits = languages, tuple(names)
        self.name = Path(dataset).name if Path(dataset).is_dir() else dataset

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
        parts = [self._dataset, *(part for part in (self._config, self._revision) if part is not None)]
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
    def _folder(self) -> Path | None:
        """The folder that is meant, or None for a hub id; UserError for a path where there is no folder."""
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
    def _local(self) -> "LocalDataset":
        from nmt.data.hub import LocalDataset

        assert self._folder is not None
        return LocalDataset.find(self._folder, self._config)

    @cached_property
    def _loaded(self) -> "DatasetDict":
        if self._folder is not None:
            return self._local.load()
        from nmt.data.hub import load

        return load(self._dataset, name=self._config, revision=self._revision)


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
