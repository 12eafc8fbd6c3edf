"""What nmt augment translates: the sides of a corpus, without the texts of test splits."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from nmt.builders.corpus import open_corpus
from nmt.config.data import DataConfig, OneCorpus
from nmt.data.corpus import Corpus, Pair
from nmt.data.lines import read_lines
from nmt.errors import UserError
from nmt.workflows.provenance import HeldOutText, TranslatedText, Way
from nmt.workflows.result import readable

Fate = Literal["translated", "blank", "in_test", "repeated"]  # of a line


class HeldOut(NamedTuple):
    """The texts of test splits by language, and a record of each split."""

    by_language: dict[str, set[str]]
    records: tuple[HeldOutText, ...]


def parts_of(data: DataConfig, name: str) -> Sequence[OneCorpus]:
    """Return the corpora of pairs in a data section; raises UserError where there are none."""
    if not data.pairs:
        raise UserError(f"{name}: expected a corpus of translations, found other text; give one with pairs")
    return data.members or (data,)


def languages_of(corpus: OneCorpus, name: str) -> tuple[str, str]:
    """Return the languages of translations; raises UserError where they are unknown."""
    if corpus.src is None or corpus.trg is None:
        raise UserError(
            f"{name}: its languages are unknown, and they say what is translated into what; set src and trg "
            "in it, such as de and en"
        )
    return corpus.src, corpus.trg


def read_tests(
    own: tuple[str, DataConfig], others: Iterable[tuple[str, DataConfig]], log: Callable[[str], None]
) -> HeldOut:
    """Read the test splits of a configuration and of runs, each with its name, as far as they have one.

    Only that of a run, whose files may be elsewhere, may be unreadable.
    """
    by_language: dict[str, set[str]] = {}
    records = []
    parts = [(name, part) for name, data in (own, *others) for part in parts_of(data, name)]
    for name, part in parts:
        corpus = open_corpus(part)
        if "test" not in corpus.splits:
            continue
        src, trg = languages_of(part, name)
        found: dict[str, set[str]] = {src: set(), trg: set()}
        pairs, digest = 0, hashlib.sha256()
        sha256: str | None
        try:
            for pair in corpus.pairs("test"):
                pairs += 1
                digest.update(as_line(pair))
                found[src].add(_comparable(pair.src))
                found[trg].add(_comparable(pair.trg))
            sha256, problem = digest.hexdigest(), None
        except UserError as error:
            if part is own[1]:
                raise
            pairs, sha256, problem = 0, None, readable(str(error.args[0]))
            log(f"{name}: its test split cannot be read, so no text is compared with it ({problem})")
        for language, texts in found.items():
            by_language.setdefault(language, set()).update(texts - {""})
        records.append(
            HeldOutText(of=readable(name), src=src, trg=trg, pairs=pairs, sha256=sha256, problem=problem)
        )
    return HeldOut(by_language, tuple(records))


class Texts:
    """The training pairs, and the lines that are translated in each direction; read again each time.

    text: a file of lines in place of a side of the pairs. tests: the texts of test splits by language.
    """

    def __init__(
        self, corpus: Corpus, languages: tuple[str, str], text: Path | None, tests: dict[str, set[str]]
    ) -> None:
        self.corpus, self.languages = corpus, languages
        self._text, self._tests = text, tests

    def pairs(self) -> Iterator[Pair]:
        """Yield the training pairs, each side fit for a column of a file."""
        return (Pair(column(pair.src), column(pair.trg)) for pair in self.corpus.pairs("train"))

    def chosen(self, direction: Way) -> Iterator[str]:
        """Yield the lines that are translated."""
        return (line for fate, line in self._fates(direction) if fate == "translated")

    def read(self, direction: Way, *, drop_test: bool) -> TranslatedText:
        """Count the lines of a direction; raises UserError for none, or one in a test split not to drop."""
        counts, digest, first = Counter[Fate](), hashlib.sha256(), None
        for number, (fate, line) in enumerate(self._fates(direction), 1):
            counts[fate] += 1
            if fate == "in_test":
                first = first or (number, line)
            elif fate == "translated":
                digest.update(f"{line}\n".encode())
        source = str(self._text or self.corpus.describe("train"))
        if first and not drop_test:
            number, line = first
            raise UserError(
                f"{source}: {counts['in_test']:,} of {counts.total():,} lines to translate are in a test "
                f"split, the first is line {number}: {line[:60]!r}; --drop-test leaves them out"
            )
        if not counts["translated"]:
            raise UserError(f"{source}: no line to translate")
        return TranslatedText(
            language=self._language(direction),
            source=readable(source),
            lines=counts.total(),
            blank=counts["blank"],
            in_test=counts["in_test"],
            repeated=counts["repeated"],
            sha256=digest.hexdigest(),
        )

    def in_test(self, pair: Pair) -> bool:
        """Say whether a side of the pair is in a test split."""
        sides = zip(pair, self.languages, strict=True)
        return any(_comparable(text) in self._tests.get(language, ()) for text, language in sides)

    def _language(self, direction: Way) -> str:
        return self.languages[direction == "back"]

    def _lines(self, direction: Way) -> Iterable[str]:
        if self._text:
            return map(column, read_lines(self._text))
        return (pair.src if direction == "forward" else pair.trg for pair in self.pairs())

    def _fates(self, direction: Way) -> Iterator[tuple[Fate, str]]:
        test, seen = self._tests.get(self._language(direction), set()), set[int]()
        for line in self._lines(direction):
            if not line:
                yield "blank", line
            elif _comparable(line) in test:
                yield "in_test", line
            elif hash(line) in seen:  # 64 bits
                yield "repeated", line
            else:
                seen.add(hash(line))
                yield "translated", line


def column(text: str) -> str:
    """Return a text that fits into a column of a TSV file."""
    return text.replace("\t", " ").strip()


def as_line(pair: Pair) -> bytes:
    """Return a pair as a line of a TSV file."""
    return f"{column(pair.src)}\t{column(pair.trg)}\n".encode()


def _comparable(text: str) -> str:
    return unicodedata.normalize("NFC", column(text))
