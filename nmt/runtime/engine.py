"""The engine of an exported graph: encoder and search in one call of ONNX Runtime.

B sentences, Tx source positions, T longest output.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from nmt.decoding.engine import Hypothesis, by_length
from nmt.errors import Diverged, UserError
from nmt.runtime.manifest import GraphPrecision
from nmt.tokenization.vocabulary import EOS, PAD

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True, kw_only=True)
class GraphEngine:
    """Searches with the graph of one model; several threads may use one.

    alpha and offset are the length penalty's; max_ratio and max_extra limit the length of an output as in the
    configuration. tokens_per_batch: source tokens, times the beam.
    """

    session: "InferenceSession"
    precision: GraphPrecision
    beam: int
    n_best: int
    alpha: float
    offset: float
    max_ratio: float
    max_extra: int
    tokens_per_batch: int

    def score(self, log_prob: float, tokens: int) -> float:
        """Return the score of an output of so many tokens; see `Engine`."""
        return log_prob / self._penalty(tokens)

    def finding_all(self) -> Self:
        """Return the engine that finds as many hypotheses as its beam holds."""
        return replace(self, n_best=self.beam)

    def hypotheses(
        self, rows: Sequence[list[int]], *others: Sequence[list[int]], details: bool = False
    ) -> list[list[Hypothesis]]:
        """Return what the search finds for each row of source ids; see `Engine`."""
        results: list[list[Hypothesis]] = [[]] * len(rows)
        for chosen in by_length(rows, self.tokens_per_batch // self.beam):
            for i, found in zip(chosen, self._search([rows[i] for i in chosen], details), strict=True):
                results[i] = found
        if not all(results):
            raise Diverged.giving_no("translation")
        return results

    def limits(self, src_len: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the longest output for sources of these lengths, </s> counted on both sides."""
        longest = (src_len.astype(np.float32) * np.float32(self.max_ratio)).astype(np.int64) + self.max_extra
        return np.maximum(longest, 1)

    def _search(self, rows: Sequence[list[int]], details: bool) -> list[list[Hypothesis]]:
        src_len = np.array([len(row) + 1 for row in rows], np.int64)
        src = np.full((len(rows), int(src_len.max())), PAD, np.int64)
        for row, ids in zip(src, rows, strict=True):
            row[: len(ids) + 1] = [*ids, EOS]
        inputs = {
            "src": src,
            "src_len": src_len,
            "limits": self.limits(src_len),
            "beam": np.array([self.beam]),
            "n_best": np.array([self.n_best]),
            "alpha": np.array([self.alpha], np.float64),
            "offset": np.array([self.offset], np.float64),
            "details": np.array(details),
        }
        tokens, scores, by_step = self.session.run(None, inputs)
        if tokens.shape[:2] != (len(rows), self.n_best) or scores.shape != tokens.shape[:2]:
            raise UserError("the model is no translation graph of nmt; export it again")
        return [
            [
                self._hypothesis(
                    tokens[b, k, 1:], scores[b, k], by_step[:, b * self.n_best + k] if details else None
                )
                for k in range(self.n_best)
                if scores[b, k] > -np.inf  # which also leaves out what is not a number
            ]
            for b in range(len(rows))
        ]

    def _hypothesis(
        self, tokens: NDArray[np.int64], score: np.float32, by_step: NDArray[np.float32] | None
    ) -> Hypothesis:
        ids: list[int] = tokens.tolist()
        ids = ids[: ids.index(EOS)]
        length = len(ids) + 1
        log_prob = float(score) * self._penalty(length)
        if by_step is None:
            return Hypothesis(ids, float(score), log_prob)
        alignment, log_probs = by_step[:length, :-1].copy(), by_step[:length, -1].tolist()
        return Hypothesis(ids, float(score), log_prob, alignment, log_probs)

    def _penalty(self, tokens: int) -> float:
        return float(((self.offset + tokens) / (self.offset + 1)) ** self.alpha)
