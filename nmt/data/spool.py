"""Pairs in files of JSON lines: the raw text of a split, or a copy of a streamed corpus."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import TypeAdapter

from nmt.data.corpus import Corpus, Pair, Split, WrappedCorpus
from nmt.files import open_regular

_PAIR = TypeAdapter(tuple[str, str])


def write_pairs(pairs: Iterable[Pair], path: Path) -> None:
    """Write a file of pairs, one at a time."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)


def read_pairs(path: Path) -> Iterator[Pair]:
    """Yield the pairs of a file of `write_pairs`; raises OSError or ValidationError for another file."""
    with open_regular(path) as file:
        for line in file:
            yield Pair(*_PAIR.validate_json(line))


class SpooledCorpus(WrappedCorpus):
    """A corpus whose splits are each read once and copied to a folder, then read from the copy."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        super().__init__(corpus)
        self._folder = folder
        folder.mkdir()

    def pairs(self, split: Split) -> Iterator[Pair]:
        """Yield the pairs of a split from its copy; create the copy if there is none."""
        path = self._folder / f"{split}.jsonl"
        if not path.exists():
            write_pairs(self.corpus.pairs(split), path)
        return read_pairs(path)
