"""What a translator needs of an engine: ids in, hypotheses out. The engines themselves stand elsewhere.

Needs no torch. Ty target and Tx source positions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nmt.machine import Precision


@dataclass(frozen=True)
class Hypothesis:
    """What a search found: ids without </s>, its scores, and its details if they were asked for.

    score: the penalised log-probability. alignment: (Ty, Tx) in float32 or float64, </s> counted in Ty; Tx is
    the width of the batch at most: beyond the sentence's own length, </s> counted, the alignment is 0.
    token_log_probs: (Ty,), the log-probability of each token after those before it; they add up to log_prob.
    """

    ids: list[int]
    score: float
    log_prob: float
    alignment: NDArray[np.floating] | None = field(default=None, compare=False)
    token_log_probs: list[float] | None = field(default=None, compare=False)


class TokenDemand(NamedTuple):
    """What is demanded of an output: ids of its prefix and of each term, and forbidden texts in UTF-8."""

    prefix: Sequence[int] = ()
    terms: Sequence[Sequence[int]] = ()
    forbidden: tuple[bytes, ...] = ()

    @property
    def tokens(self) -> int:
        """The number of tokens that the output must have at least, </s> not counted."""
        return len(self.prefix) + sum(map(len, self.terms))


class Engine(Protocol):
    """A model, an ensemble or a fusion together with a search; several threads may use one."""

    @property
    def beam(self) -> int:
        """The number of hypotheses that the search keeps."""
        ...

    @property
    def precision(self) -> Precision:
        """What its products are computed in."""
        ...

    def score(self, log_prob: float, tokens: int) -> float:
        """Return the score that the search gives an output of so many tokens, </s> counted."""
        ...

    def finding_all(self) -> Self:
        """Return the engine that finds as many hypotheses as its beam holds."""
        ...

    def hypotheses(
        self, rows: Sequence[list[int]], *others: Sequence[list[int]], details: bool = False
    ) -> list[list[Hypothesis]]:
        """Return what the search finds for each row of source ids, in order: at least one, the best first.

        rows: ids without </s>, as the first model reads them; none at all give an empty list. others: the
        same sources as the further models of an ensemble read them. details: the hypotheses hold their
        alignments and the log-probabilities of their tokens. The engine makes its own batches; they, and
        neighbours, change no result.
        Raises Diverged where all that the search reached has probability 0 or none (not a number).
        """
        ...


@runtime_checkable
class DemandingEngine(Engine, Protocol):
    """An engine that also searches under demands."""

    def demanded(
        self,
        rows: Sequence[list[int]],
        *others: Sequence[list[int]],
        demands: Sequence[TokenDemand],
        details: bool = False,
    ) -> list[list[Hypothesis]]:
        """Return what `hypotheses` does, of outputs that meet the demand of their row."""
        ...

    def longest(self, row: list[int]) -> int:
        """Return how many tokens an output may have, </s> not counted."""
        ...


class SamplingEngine(Engine, Protocol):
    """An engine that also samples."""

    def sample(
        self,
        rows: Sequence[list[int]],
        *others: Sequence[list[int]],
        keys: Sequence[tuple[int, ...]],
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> list[list[int]]:
        """Return target ids for each row of source ids, without </s>, sampled as `SamplingSettings` says.

        keys: what each row's random numbers are made from, so that neither batch nor neighbours change what
        is sampled. Where a search would have to end, the ids are cut.
        Raises Diverged where no token has a probability above 0.
        """
        ...


class ForcingEngine(Engine, Protocol):
    """An engine that also says how probable a given target is, and where it looks for it."""

    def force(
        self, rows: Sequence[list[int]], *others: Sequence[list[int]], targets: Sequence[list[int]]
    ) -> list[list[float]]:
        """Return the log-probability of each target id after those before it; targets end in </s>.

        Of a fusion they are its scores. Raises Diverged where one is not a number.
        """
        ...

    def attend(
        self, rows: Sequence[list[int]], *others: Sequence[list[int]], targets: Sequence[list[int]]
    ) -> list[NDArray[np.floating]]:
        """Return where the model looks for each target id, (Ty, Tx) as `Hypothesis.alignment`."""
        ...


def by_length(rows: Sequence[list[int]], tokens: int) -> Iterator[list[int]]:
    """Yield row numbers in batches of similar length and so many tokens, the longest first."""
    batch: list[int] = []
    width = 0
    for i in sorted(range(len(rows)), key=lambda i: -len(rows[i])):
        if batch and (len(batch) + 1) * width > tokens:
            yield batch
            batch = []
        width = len(rows[i]) + 1 if not batch else width
        batch.append(i)
    if batch:
        yield batch
