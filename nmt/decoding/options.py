"""How text is translated or sampled, as plain values: no torch is loaded for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from nmt.decoding.demands import NONE, Rules
from nmt.errors import UserError
from nmt.machine import Precision

Splitter = Literal["rules", "sentencex"]  # of sentences
PenaltyKind = Literal["none", "gnmt", "average"]  # as in decoding.length_penalty

OFFSETS = {"gnmt": 5.0, "average": 0.0}
LM_WEIGHT = 0.2  # of a language model, unless said otherwise
RERANK_WEIGHT = 1.0  # of a reranker


def choose_beam(n_best: int, *, asked: int | None, usual: int) -> int:
    """Return the width of a search for n_best translations; UserError if the beam asked for is too small."""
    beam = asked or max(usual, n_best)
    if n_best > beam:
        raise UserError(f"a beam of {beam} cannot give the {n_best} best; ask for a beam of {n_best} or more")
    return beam


class Sampling(NamedTuple):
    """How to sample: see `SamplingSettings`."""

    seed: int
    temperature: float
    top_k: int | None
    top_p: float


@dataclass(frozen=True, kw_only=True)
class TranslationOptions:
    """Which models translate, how they search or sample, and how they compute.

    What is None is as the first run's configuration says. Raises UserError for a weight without its model, a
    reranker with sampling, mbr without, a max_source that is too small, an alpha that is no number from 0 to
    1,000 or has no effect, and a rerank_weight that is none above 0.

    models: runs or exported models; several translate as an ensemble, of whose configurations
    decoding.max_source alone counts. lm: a run of a language model, fused with lm_weight (0.2). rerank: a
    model that translates, by which and rerank_weight (1.0) all that the beam holds is ordered (`Reranker`).
    length_penalty, alpha: how hypotheses of unequal length are ranked; see `penalty`. max_source: source
    tokens that are translated as a whole. split: False keeps together more sentences than training showed
    together.
    protect: addresses, placeholders and tags come out as they are (`translate_protected`).
    replace_unk: so does a source word where a model of words writes <unk> (`replace_unknown`).
    sentences: what finds the ends of sentences (`sentence_finder`).
    rules: about every output. With some the search is one in torch, of any engine's steps.
    to: the language to translate to, of a model with tags (`choose_tag`). tag: the tag itself in its place,
    for text of which it is known, "" for none.
    sampling: translations are sampled, not searched; in float64 unless precision says otherwise, since a
    random number can fall next to the edge between two tokens; an exported model as it was exported. mbr: of
    so many samples the one of least risk is the translation (`least_risk`), and auto is the precision of a
    search.
    threads: CPU threads of a process that translates; None leaves torch as it is set, and gives ONNX Runtime
    one.
    """

    models: tuple[Path, ...]
    lm: Path | None = None
    lm_weight: float | None = None
    rerank: Path | None = None
    rerank_weight: float | None = None
    beam: int | None = None
    n_best: int = 1
    length_penalty: PenaltyKind | None = None
    alpha: float | None = None
    max_source: int | None = None
    split: bool = True
    protect: bool = False
    replace_unk: bool = False
    sentences: Splitter = "rules"
    rules: Rules = NONE
    to: str | None = None
    tag: str | None = None
    sampling: Sampling | None = None
    mbr: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.lm is None and self.lm_weight is not None:
            raise UserError(f"lm_weight {self.lm_weight} needs a language model; give lm")
        if self.rerank is None and self.rerank_weight is not None:
            raise UserError(f"rerank_weight {self.rerank_weight} needs a model that reranks; give rerank")
        if self.rerank_weight is not None and not 0 < self.rerank_weight <= 1_000:
            raise UserError(f"rerank_weight {self.rerank_weight}: expected a number above 0, such as 1")
        if self.rerank is not None and self.sampling is not None:
            raise UserError(f"rerank {self.rerank} orders what a search found; leave out rerank or sampling")
        if self.mbr and self.sampling is None:
            raise UserError(f"mbr {self.mbr} chooses among samples; give sampling")
        if self.max_source is not None and self.max_source < 4:
            raise UserError(f"max_source {self.max_source}: expected 4 tokens or more, such as 200")
        if self.alpha is not None and not 0 <= self.alpha <= 1_000:  # nor what is not a number
            raise UserError(f"alpha {self.alpha}: expected a number from 0 to 1,000, such as 1")
        if self.alpha is not None and self.length_penalty == "none":
            raise UserError(f"alpha {self.alpha}: no effect with length_penalty none; leave it out")

    def penalty(self, alpha: float, offset: float) -> tuple[float, float]:
        """Return alpha and offset of the length penalty, from those of the run.

        The divisor is ((offset + Ty) / (offset + 1))^alpha: gnmt has offset 5, average 0, none alpha 0.
        Raises UserError for an alpha alone if the run has no penalty that it could be of.
        """
        if self.length_penalty == "none":
            return 0.0, 0.0
        if self.length_penalty is not None:
            usual = alpha or 1.0
            return usual if self.alpha is None else self.alpha, OFFSETS[self.length_penalty]
        if self.alpha is None:
            return alpha, offset
        if not alpha and not offset:
            raise UserError(f"alpha {self.alpha}: the run has length_penalty none; give length_penalty too")
        return self.alpha, offset

    @property
    def weight(self) -> float:
        """The weight of the language model."""
        return LM_WEIGHT if self.lm_weight is None else self.lm_weight

    @property
    def reranker_weight(self) -> float:
        """The weight of the reranker."""
        return RERANK_WEIGHT if self.rerank_weight is None else self.rerank_weight
