"""Parallel and monolingual text as a stream of pairs: text files, TSV, the builtin corpus."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, islice, takewhile, zip_longest
from pathlib import Path
from typing import Literal, NamedTuple

from nmt.data.lines import read_lines
from nmt.errors import UserError

Split = Literal["train", "validation", "test"]
Rows = Literal["pairs", "text", "labels"]  # translations, monolingual text, labelled text


class Pair(NamedTuple):
    """A sentence and its translation; a line of monolingual text has the source ""."""

    src: str
    trg: str


class Languages(NamedTuple):
    """The languages of both sides; None if unknown or if the corpus is no translation."""

    src: str | None
    trg: str | None


UNKNOWN = Languages(None, None)


class Member(NamedTuple):
    """One of several corpora, and the token that is put before its sources, if any."""

    corpus: "Corpus"
    tag: str | None = None


class Corpus(ABC):
    """Examples by split, read again each time and never held in memory as a whole.

    name: what results call it. splits: train, validation and test, as far as the configuration names them.
    continuous: whether it is one long text, of which no line may be left out. streamed: whether each reading
    fetches the text anew. needs_library: whether reading loads `datasets`. Making a corpus reads nothing.
    """

    name: str
    splits: tuple[Split, ...]
    languages: Languages = UNKNOWN
    rows: Rows = "pairs"
    continuous: bool = False
    streamed: bool = False
    needs_library: bool = False

    @abstractmethod
    def pairs(self, split: Split) -> Iterator[Pair]:
        """Yield the pairs of a split in order; raises UserError if the text cannot be read."""

    @abstractmethod
    def fingerprint(self, split: Split) -> str:
        """Return a sha256 that changes if the text of the split may have changed."""

    @abstractmethod
    def describe(self, split: Split = "train") -> str:
        """Return a short description for a message, such as the file names of the split."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The corpora that it is made of, whose pairs follow one another; itself if there is just one."""
        return (Member(self),)

    def tagged(self, split: Split) -> Iterator[tuple[Pair, str]]:
        """Yield the pairs of a split in order, each with the tag of its source, "" for none."""
        for corpus, tag in self.members:
            for pair in corpus.pairs(split) if split in corpus.splits else ():
                yield pair, tag or ""


class WrappedCorpus(Corpus):
    """A corpus that is read in another way; its name, splits and fingerprint stay the same."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.name, self.splits, self.languages = corpus.name, corpus.splits, corpus.languages
        self.rows, self.continuous = corpus.rows, corpus.continuous
        self.streamed, self.needs_library = corpus.streamed, corpus.needs_library

    def fingerprint(self, split: Split) -> str:
        return self.corpus.fingerprint(split)

    def describe(self, split: Split = "train") -> str:
        return self.corpus.describe(split)


class TextFile(NamedTuple):
    """A text file, and the key or option that names it."""

    key: str
    path: Path

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file; raises UserError if there is no file."""
        self._check()
        return read_lines(self.path)

    def sha256(self) -> bytes:
        """Return the checksum of the file's bytes, and whether its name ends in .gz."""
        self._check()
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest() + bytes([self.path.suffix == ".gz"])
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror})") from error

    def _check(self) -> None:
        if not self.path.is_file():
            there = "a folder" if self.path.is_dir() else "no regular file"
            found = there if self.path.exists() else "no such file"
            raise UserError(f"{self.key}: expected a text file, found {found}: {self.path}")


class FileCorpus(Corpus):
    """Text files for each split: line n of all of them is a pair.

    parse: returns the pair of the lines, one from each file, or raises ValueError. kind: what such a file is
    called in messages. way: how lines are parsed, for the fingerprint, if there are several ways.
    """

    def __init__(
        self,
        files: Mapping[Split, Sequence[TextFile]],
        parse: Callable[..., Pair],
        kind: str,
        languages: Languages = UNKNOWN,
        rows: Rows = "pairs",
        way: str = "",
    ) -> None:
        self._files, self._parse, self._kind, self._way = files, parse, kind, way
        self.languages, self.rows = languages, rows
        self.splits = tuple(files)
        self.name = files["train"][0].path.name

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Yield the pair of each line; raises UserError for a wrong line, or files of different length."""
        files = self._files[split]
        readers = [file.lines() for file in files]
        for number, lines in enumerate(zip_longest(*readers), 1):
            if None in lines:
                counts = [
                    f"{file.path} has {number - (line is None) + sum(1 for _ in reader)}"
                    for file, line, reader in zip(files, lines, readers, strict=True)
                ]
                raise UserError(
                    f"{' lines and '.join(counts)}; line n of one must translate line n of the other"
                )
            try:
                yield self._parse(*lines)
            except ValueError as error:
                raise UserError(f"{files[0].path}: line {number}: {error}") from None

    def fingerprint(self, split: Split) -> str:
        """Return a sha256 over the bytes of the files and the way they are parsed."""
        digest = hashlib.sha256(b"".join(file.sha256() for file in self._files[split])).hexdigest()
        return f"{digest}{self._way}"

    def describe(self, split: Split = "train") -> str:
        return f"{self._kind} {' and '.join(str(file.path) for file in self._files[split])}"


def parse_tsv(line: str) -> Pair:
    """Return a source, one tab and a target as a pair; raises ValueError unless there is exactly one tab."""
    columns = line.split("\t")
    if len(columns) != 2:
        raise ValueError(f"expected a source, one tab and a target, found {len(columns) - 1} tabs")
    return Pair(*columns)


class MonolingualCorpus(FileCorpus):
    """Lines of one language, each a pair without a source, in one file for each split.

    held_out: the fraction of train that is validation; None if validation has its own file.
    continuous: whether the lines are one long text, whose end is held out.
    """

    def __init__(
        self,
        files: Mapping[Split, Sequence[TextFile]],
        *,
        held_out: float | None = None,
        continuous: bool = False,
    ) -> None:
        super().__init__(files, lambda line: Pair("", line), "text file", rows="text")
        self._held_out, self.continuous = held_out, continuous

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Yield the lines of the split in order.

        In one long text the end is held out. In separate lines, lines at equal distances are, because a list
        may be sorted.
        """
        pairs, held_out = super().pairs(split), self._held_out
        if held_out is None or split == "test":
            return pairs
        if self.continuous:
            return islice(pairs, None, self._kept) if split == "train" else islice(pairs, self._kept, None)
        return (
            pair
            for i, pair in enumerate(pairs)
            if (int((i + 1) * held_out) > int(i * held_out)) != (split == "train")
        )

    def fingerprint(self, split: Split) -> str:
        """Return a sha256 over the bytes of the file and the held-out fraction."""
        spread = "" if self.continuous else " of the lines"
        share = "" if self._held_out is None or split == "test" else f":{self._held_out}{spread}"
        return super().fingerprint(split) + share

    @cached_property
    def _kept(self) -> int:
        """Return how many lines of one long text are not held out."""
        assert self._held_out is not None
        (file,) = self._files["train"]
        kept = (1 - self._held_out) * sum(len(line) + 1 for line in file.lines())
        ends = accumulate(len(line) + 1 for line in file.lines())
        return sum(1 for _ in takewhile(lambda end: end <= kept, ends))


def parse_swapped_tsv(line: str) -> Pair:
    """Return a target, one tab and a source as a pair; see `parse_tsv`."""
    trg, src = parse_tsv(line)
    return Pair(src, trg)


class BuiltinCorpus(Corpus):
    """The German and English pairs that the package generates, with a number for each split."""

    name = "builtin"

    def __init__(self, counts: Mapping[Split, int], seed: int, languages: Languages) -> None:
        from nmt.data.builtin import LANGUAGES

        if set(languages) != set(LANGUAGES):
            raise UserError(
                f"data.src and data.trg: expected {' and '.join(LANGUAGES)}, which the builtin corpus has, "
                f"found {' and '.join(map(str, languages))}"
            )
        self._counts, self._seed, self.languages = counts, seed, languages
        self._turned = tuple(languages) != LANGUAGES
        self.splits = tuple(counts)

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Yield the pairs of the split, in the configured languages."""
        from nmt.data import builtin

        for src, trg in builtin.pairs(split, self._counts[split], seed=self._seed):
            yield Pair(trg, src) if self._turned else Pair(src, trg)

    def fingerprint(self, split: Split) -> str:
        """Return a sha256 over the text, which is generated again for it."""
        digest = hashlib.sha256()
        for pair in self.pairs(split):
            digest.update(f"{pair.src}\t{pair.trg}\n".encode())
        return digest.hexdigest()

    def describe(self, split: Split = "train") -> str:
        return f"the builtin corpus, seed {self._seed}"
