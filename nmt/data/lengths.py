"""The lengths of sources and translations in training, stored with the tokenizer."""

import json
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from nmt.data.sentences import count_sentences
from nmt.errors import UserError
from nmt.files import read_regular, replace_text
from nmt.records import Record

USUAL = 0.99  # fraction of training sources within the usual number of tokens
# Fraction of training sources within the usual number of sentences. A model that has seen two sentences
# together now and then leaves one of them out (experiments/LOG.md).
USUAL_SENTENCES = 0.9
RARE = 0.001  # fraction of training pairs below the smallest ratio of target to source tokens
LEAST = 10  # source tokens of a pair whose ratio counts
_FILE, _MOST_BYTES = "lengths.json", 10_000


@dataclass(frozen=True, kw_only=True)
class TrainingLengths:
    """The usual length of a source in training, and the smallest ratio of target to source."""

    tokens: int  # of a source, at least 1
    sentences: int = 1  # of a source, at least 1
    ratio: float = 0.0  # target tokens per source token; 0 if unknown

    def too_short(self, src: int, trg: int) -> bool:
        """Return whether a target is much shorter than its source, in tokens."""
        return src >= LEAST and trg < self.ratio * src

    @classmethod
    def load(cls, tokenizers: Path) -> Self | None:
        """Return what `save` wrote into a folder of tokenizers; None if nothing, as in older runs."""
        path = tokenizers / _FILE
        mend = "restore it, or delete it to translate every sentence by itself"
        try:
            record = Record(read_regular(path, _MOST_BYTES, within=path.parent))
            found = cls(
                tokens=record.whole("tokens", least=1),
                sentences=record.whole("sentences", 1, least=1),
                ratio=record.number("ratio", 0.0, least=0),
            )
            record.end()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); {mend}") from None
        except ValueError as error:
            raise UserError(f"{path}: holds no lengths ({error}); {mend}") from None
        return found

    def save(self, tokenizers: Path) -> None:
        """Write it into a folder of tokenizers."""
        replace_text(tokenizers / _FILE, json.dumps(asdict(self), indent=2) + "\n")


class Lengths:
    """Collects lengths of training pairs; 12 bytes per pair stay in memory."""

    def __init__(self) -> None:
        self._src, self._trg, self._sentences = array("I"), array("I"), array("I")

    def add(self, texts: Sequence[str], src: Sequence[Sequence[int]], trg: Sequence[Sequence[int]]) -> None:
        """Add sources, as text and as ids, and the ids of their targets."""
        self._sentences.extend(map(count_sentences, texts))
        self._src.extend(map(len, src))
        self._trg.extend(map(len, trg))

    def measured(self) -> TrainingLengths:
        """Return the lengths of all pairs, at least one."""
        src, trg = np.array(self._src), np.array(self._trg)
        long = src >= LEAST
        ratio = np.quantile(trg[long] / src[long], RARE, method="lower") if long.any() else 0.0
        return TrainingLengths(
            tokens=max(1, int(np.quantile(src, USUAL, method="higher"))),
            sentences=int(np.quantile(np.array(self._sentences), USUAL_SENTENCES, method="higher")),
            ratio=float(ratio),
        )
