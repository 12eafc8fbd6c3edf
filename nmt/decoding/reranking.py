"""The n best of a search in the order that a second model agrees with. Needs no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nmt.decoding.engine import ForcingEngine, Hypothesis

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator


@dataclass(frozen=True)
class Reranker:
    """Adds to the score of each hypothesis that of its text under a second model.

    Both models read text, so that they may have other tokens, and write in other directions (Liu et al. 2016,
    "Agreement on Target-bidirectional Neural Machine Translation"; Sennrich et al. 2016, "Edinburgh Neural
    Machine Translation Systems for WMT 16"). decode: the text of what the search wrote. score: the
    penalised score of a log-probability and a number of tokens, as the search computes it. weight: of the
    second model, above 0.
    """

    translator: "Translator[ForcingEngine]"
    decode: Callable[[Sequence[int]], str]
    score: Callable[[float, int], float]
    weight: float

    def __call__(
        self, sources: Sequence[str], found: Sequence[Sequence[Hypothesis]]
    ) -> list[list[Hypothesis]]:
        """Return the hypotheses of each source by the sum of both scores, best first, each text once."""
        texts = list(map(self._by_text, found))
        pairs = [(source, text) for source, of in zip(sources, texts, strict=True) for text in of]
        log_probs = iter([each.log_probs for each in self.translator.force(pairs)])
        scored = [[self._joint(each, next(log_probs)) for each in of.values()] for of in texts]
        return [sorted(of, key=lambda each: -each.score) for of in scored]

    def _by_text(self, found: Sequence[Hypothesis]) -> dict[str, Hypothesis]:
        """Return the hypotheses by their texts; of several segmentations of a text the best one."""
        texts: dict[str, Hypothesis] = {}
        for each in found:
            texts.setdefault(self.decode(each.ids), each)
        return texts

    def _joint(self, found: Hypothesis, log_probs: Sequence[float]) -> Hypothesis:
        second = self.score(sum(log_probs), len(log_probs))
        return replace(found, score=found.score + self.weight * second)
