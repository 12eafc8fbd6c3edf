"""Pairs in files of JSON lines: the raw text of a split, and a copy of a corpus that is streamed."""

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
    """The pairs that `write_pairs` wrote; OSError or ValidationError for another file."""
    with open_regular(path) as file:
        for line in file:
            yield Pair(*_PAIR.validate_json(line))


class SpooledCorpus(WrappedCorpus):
    """A corpus of which each split is read once, into a folder, and from there ever after."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        super().__init__(corpus)
        self._folder = folder
        folder.mkdir()

    def pairs(self, split: Split) -> Iterator[Pair]:
        """The pairs of a split, from the copy, which is made first where there is none."""
        path = self._folder / f"{split}.jsonl"
        if not path.exists():
            write_pairs(self.corpus.pairs(split), path)
        return read_pairs(path)
