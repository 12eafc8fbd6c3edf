"""How translations are searched for."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.config.section import Beam, Section


class NoPenalty(Section):
    """Rank hypotheses by log-probability only."""

    kind: Literal["none"] = "none"


class GnmtPenalty(Section):
    """Wu et al. 2016, eq. 14: log-probability / ((5 + Ty) / 6)^alpha."""

    kind: Literal["gnmt"] = "gnmt"
    alpha: float = Field(1.0, ge=0, le=1_000, description="strength; more prefers longer outputs")


class AveragePenalty(Section):
    """Rank by log-probability / Ty^alpha; with alpha 1, by the mean per token."""

    kind: Literal["average"] = "average"
    alpha: float = Field(1.0, ge=0, le=1_000, description="strength; more prefers longer outputs")


PenaltyConfig = Annotated[NoPenalty | GnmtPenalty | AveragePenalty, Field(discriminator="kind")]


class DecodingConfig(Section):
    """Beam search; beam 1 is greedy."""

    beam: Beam = Field(5, description="beam width; 1 = greedy")
    length_penalty: PenaltyConfig = Field(GnmtPenalty(), description="how hypotheses are ranked")
    max_ratio: float = Field(
        2.0, gt=0, le=100, description="an output has at most max_ratio · Tx + max_extra tokens"
    )
    max_extra: int = Field(10, ge=0, le=100_000, description="see max_ratio, in tokens")
    max_source: int = Field(
        200, ge=4, le=100_000, description="largest source length in tokens; a longer one is split"
    )
    tokens_per_batch: int = Field(
        8192, ge=1, le=1_000_000, description="size of a batch: source tokens × beam, padding included"
    )
