"""The engine in torch: any step scorer under the one search, by itself, sampled from or forced."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.data.batches import pad
from nmt.decoding.coverage import CoveragePenalty
from nmt.decoding.engine import Hypothesis, TokenDemand, by_length
from nmt.decoding.exact import Found, exact_search
from nmt.decoding.forbidden import Forbidden
from nmt.decoding.forcing import attend, force
from nmt.decoding.processors import AnyProcessor, Prefix
from nmt.decoding.sampling import SamplingSettings, sample
from nmt.decoding.search import AnyScorer, SearchSettings, beam_search
from nmt.decoding.terms import Terms
from nmt.errors import Diverged
from nmt.machine import Precision
from nmt.models import Source
from nmt.shapes import Int
from nmt.tokenization.vocabulary import EOS


@dataclass(frozen=True)
class TorchEngine:
    """Searches, samples and forces with any step scorer over sources; it keeps nothing of a source.

    With an ensemble the scorer's source is a tuple. Limits and batches go by the ids of the first model.
    surfaces: what each target token adds to a text (`Tokenizer.surfaces`); needed for forbidden texts alone.
    device, precision: where and in what the scorer computes. tokens_per_batch: source tokens, times the beam.
    coverage: the strength of the coverage penalty; 0 for none.
    """

    scorer: AnyScorer
    search: SearchSettings
    _: KW_ONLY
    tokens_per_batch: int
    device: torch.device
    precision: Precision
    surfaces: tuple[bytes, ...] = ()
    coverage: float = 0.0

    @property
    def beam(self) -> int:
        """The number of hypotheses that the search keeps."""
        return self.search.beam

    def score(self, log_prob: float, tokens: int) -> float:
        """Return the score of an output of so many tokens; see `Engine`."""
        return float(self.search.penalty(torch.tensor(log_prob, dtype=torch.float64), torch.tensor(tokens)))

    def finding_all(self) -> Self:
        """Return the engine that finds as many hypotheses as its beam holds."""
        return replace(self, search=replace(self.search, n_best=self.beam))

    def hypotheses(
        self, rows: Sequence[list[int]], *others: Sequence[list[int]], details: bool = False
    ) -> list[list[Hypothesis]]:
        """Return what the search finds for each row of source ids; see `Engine`."""
        return self._search(rows, others, lambda _: self.search, details=details)

    def demanded(
        self,
        rows: Sequence[list[int]],
        *others: Sequence[list[int]],
        demands: Sequence[TokenDemand],
        details: bool = False,
    ) -> list[list[Hypothesis]]:
        """Return what the search finds for each row under its demand; see `DemandingEngine`."""

        def settings(chosen: Sequence[int]) -> SearchSettings:
            of = [demands[i] for i in chosen]
            processors: list[AnyProcessor] = [*self.search.processors]
            if any(each.forbidden for each in of):
                processors.append(Forbidden([each.forbidden for each in of], self.surfaces))
            if any(each.prefix for each in of):
                processors.append(Prefix([each.prefix for each in of]))
            some = any(each.terms for each in of)
            terms = Terms([each.terms for each in of], self.search.eos) if some else None
            return replace(self.search, processors=tuple(processors), terms=terms)

        return self._search(rows, others, settings, details=details)

    def better(
        self, rows: Sequence[list[int]], *others: Sequence[list[int]], above: Sequence[float], most: int
    ) -> Iterator[Found]:
        """Yield for each row of source ids the best output above its score; see `exact_search`."""
        for i, score in enumerate(above):
            source, limit = self._source(rows, others, [i]), int(self._limits(rows, [i]))
            yield exact_search(self.scorer, source, limit, self.search, above=score, most=most)

    def longest(self, row: list[int]) -> int:
        """Return how many tokens an output may have; see `DemandingEngine`."""
        return int(self._limits([row], [0])) - 1

    def _search(
        self,
        rows: Sequence[list[int]],
        others: Sequence[Sequence[list[int]]],
        settings: Callable[[Sequence[int]], SearchSettings],
        *,
        details: bool,
    ) -> list[list[Hypothesis]]:
        """Return what searches with the settings of each batch find."""
        results: list[list[Hypothesis]] = [[]] * len(rows)
        for chosen in by_length(rows, self.tokens_per_batch // self.search.beam):
            source, limits = self._source(rows, others, chosen), self._limits(rows, chosen)
            search = settings(chosen)
            if self.coverage:
                lengths = torch.tensor([len(rows[i]) for i in chosen], device=self.device)
                search = replace(search, coverage=CoveragePenalty(self.coverage, lengths))
            found = beam_search(self.scorer, source, limits, search, details=details)
            for i, hypotheses in zip(chosen, found, strict=True):
                results[i] = hypotheses
        if not all(results):
            raise Diverged.giving_no("translation")
        return results

    def sample(
        self,
        rows: Sequence[list[int]],
        *others: Sequence[list[int]],
        keys: Sequence[tuple[int, ...]],
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> list[list[int]]:
        """Return sampled target ids for each row of source ids; see `SamplingEngine`."""
        of = self.search
        settings = SamplingSettings(
            bos=of.bos,
            eos=of.eos,
            processors=of.processors,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
        )
        results: list[list[int]] = [[]] * len(rows)
        for chosen in by_length(rows, self.tokens_per_batch):
            source, limits = self._source(rows, others, chosen), self._limits(rows, chosen) - 1
            sampled = sample(
                self.scorer, source, limits.clamp(min=1), settings, keys=[keys[i] for i in chosen]
            )
            for i, found in zip(chosen, sampled, strict=True):
                results[i] = found.ids
        return results

    def force(
        self, rows: Sequence[list[int]], *others: Sequence[list[int]], targets: Sequence[list[int]]
    ) -> list[list[float]]:
        """Return the log-probability of each target id after those before it; see `ForcingEngine`."""
        results: list[list[float]] = [[]] * len(rows)
        for chosen, source, trg in self._given(rows, others, targets):
            log_probs = force(self.scorer, source, trg, bos=self.search.bos).tolist()
            for i, found in zip(chosen, log_probs, strict=True):
                results[i] = found[: len(targets[i])]
        return results

    def attend(
        self, rows: Sequence[list[int]], *others: Sequence[list[int]], targets: Sequence[list[int]]
    ) -> list[NDArray[np.floating]]:
        """Return where the model looks for each target id; see `ForcingEngine`."""
        results: dict[int, NDArray[np.floating]] = {}
        for chosen, source, trg in self._given(rows, others, targets):
            looked = attend(self.scorer, source, trg, bos=self.search.bos)
            looked = looked.to(torch.promote_types(looked.dtype, torch.float32))  # NumPy has no bfloat16
            for i, found in zip(chosen, looked.cpu().numpy(), strict=True):
                results[i] = found[: len(targets[i])]
        return [results[i] for i in range(len(rows))]

    def _given(
        self,
        rows: Sequence[list[int]],
        others: Sequence[Sequence[list[int]]],
        targets: Sequence[list[int]],
    ) -> Iterator[tuple[list[int], Source | tuple[Source, ...], Int[Tensor, "B Ty"]]]:
        """Yield batches of similar length: numbers of the rows, their sources and targets."""
        both = [[*read, *written] for read, written in zip(rows, targets, strict=True)]
        for chosen in by_length(both, self.tokens_per_batch):
            trg = pad([targets[i] for i in chosen]).to(self.device)
            yield chosen, self._source(rows, others, chosen), trg

    def _source(
        self, rows: Sequence[list[int]], others: Sequence[Sequence[list[int]]], chosen: Sequence[int]
    ) -> Source | tuple[Source, ...]:
        """Return the chosen rows as the scorer reads them: of one model, or a tuple of each one's."""

        def source(of: Sequence[list[int]]) -> Source:
            lengths = torch.tensor([len(of[i]) + 1 for i in chosen], device=self.device)
            return Source(pad([of[i] for i in chosen], last=EOS).to(self.device), lengths)

        return tuple(source(of) for of in (rows, *others)) if others else source(rows)

    def _limits(self, rows: Sequence[list[int]], chosen: Sequence[int]) -> Int[Tensor, "B"]:
        return self.search.limits(torch.tensor([len(rows[i]) + 1 for i in chosen], device=self.device))
