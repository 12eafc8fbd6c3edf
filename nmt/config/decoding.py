"""How a translation is searched for."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.config.section import Beam, Section


class NoPenalty(Section):
    """Hypotheses are ranked by log-probability alone."""

    kind: Literal["none"] = "none"


class GnmtPenalty(Section):
    """Wu et al. 2016, eq. 14: log-probability / ((5 + Ty) / 6)^alpha."""

    kind: Literal["gnmt"] = "gnmt"
    alpha: float = Field(1.0, ge=0, le=1_000)


class AveragePenalty(Section):
    """log-probability / Ty^alpha; with alpha 1 the mean over tokens."""

    kind: Literal["average"] = "average"
    alpha: float = Field(1.0, ge=0, le=1_000)


PenaltyConfig = Annotated[NoPenalty | GnmtPenalty | AveragePenalty, Field(discriminator="kind")]


class DecodingConfig(Section):
    """Beam search; beam 1 is greedy."""

    beam: Beam = 5
    length_penalty: PenaltyConfig = GnmtPenalty()
    max_ratio: float = Field(
        2.0, gt=0, le=100, description="longest output = max_ratio · Tx + max_extra pieces"
    )
    max_extra: int = Field(10, ge=0, le=100_000)
    max_source: int = Field(
        200, ge=4, le=100_000, description="tokens; a longer sentence is translated in parts"
    )
    tokens_per_batch: int = Field(
        8192, ge=1, le=1_000_000, description="source pieces × beam, padding included"
    )
