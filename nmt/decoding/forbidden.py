"""Texts that no output may hold, in whichever tokens they are written.

S states of an automaton, N rows, V tokens, t tokens so far.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.errors import UserError
from nmt.shapes import Float, Int

BOUNDARY = (
    b" \t!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"  # a word begins after it; of other punctuation nothing is known
)
MOST = 50_000_000  # entries of a table

Texts = tuple[bytes, ...]


class Table(NamedTuple):
    """The state after each token in each state, and whether the token completes a forbidden text."""

    after: NDArray[np.int32]  # (S, V)
    bad: NDArray[np.bool_]  # (S, V)


class Forbidden:
    """No word, or words, of an output begin with one of the texts; the state is that of an automaton.

    texts: UTF-8, those of each sentence or one tuple for all. surfaces: the bytes that each token adds to an
    output, none for special tokens. Raises UserError for more texts than fit in memory.
    """

    def __init__(self, texts: Sequence[Texts], surfaces: Texts) -> None:
        tables = {each: table(each, surfaces) for each in dict.fromkeys(texts)}
        firsts, size = {}, 0
        for each, (after, _) in tables.items():
            firsts[each], size = size, size + len(after)
        self._after = torch.from_numpy(
            np.concatenate([found.after + firsts[each] for each, found in tables.items()])
        )
        self._bad = torch.from_numpy(np.concatenate([found.bad for found in tables.values()]))
        self._starts = torch.tensor([firsts[each] for each in texts])

    def start(self, limits: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        """Return the first state of each sentence."""
        return self._starts.to(limits.device).expand(len(limits))

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: Int[Tensor, "N"]
    ) -> tuple[Float[Tensor, "N V"], Int[Tensor, "N"]]:
        """Return the log-probabilities with −∞ for tokens that complete a text, and the states so far."""
        if self._bad.device != log_probs.device:
            self._after, self._bad = self._after.to(log_probs.device), self._bad.to(log_probs.device)
        if ids.shape[1]:
            state = self._after[state, ids[:, -1]].long()
        return log_probs.masked_fill_(self._bad[state], float("-inf")), state


@lru_cache(64)
def table(texts: Texts, surfaces: Texts) -> Table:
    """Return the table of the automaton that looks for all texts, over tokens."""
    moves = _moves(texts)
    if len(moves) * len(surfaces) > MOST:
        raise UserError(
            f"{len(texts):,} forbidden texts with a vocabulary of {len(surfaces):,} tokens do not fit in "
            "memory; give fewer or shorter ones"
        )
    last = len(moves) - 1
    after = np.repeat(np.arange(len(moves), dtype=np.int32)[:, None], len(surfaces), axis=1)
    for place in range(max(map(len, surfaces))):
        longer = np.array([i for i, surface in enumerate(surfaces) if len(surface) > place])
        after[:, longer] = moves[after[:, longer], [surfaces[i][place] for i in longer]]
    return Table(after, after == last)


def _moves(texts: Texts) -> NDArray[np.int32]:
    """Return the state after each byte (S, 256): 0 at first, the last one once a text was read.

    A text counts only where a word begins: at the start, or after one of BOUNDARY.
    """
    # A state is a set of pairs (text, bytes of it that were read). A word may begin at first.
    begun = frozenset((n, 0) for n in range(len(texts)))
    numbers, rows = {begun: 0}, []
    waiting = [begun]
    while waiting:
        state = waiting.pop(0)
        row = np.full(256, -1, np.int32)
        following: dict[int, set[tuple[int, int]]] = {}
        for n, at in state:
            following.setdefault(texts[n][at], set()).add((n, at + 1))
        for byte in range(256):
            after = frozenset(following.get(byte, set()) | (begun if byte in BOUNDARY else set()))
            if any(at == len(texts[n]) for n, at in after):
                continue
            if after not in numbers:
                numbers[after] = len(numbers)
                waiting.append(after)
            row[byte] = numbers[after]
        rows.append(row)
    found = np.stack([*rows, np.full(256, -1, np.int32)])
    found[found < 0] = len(rows)
    return found
