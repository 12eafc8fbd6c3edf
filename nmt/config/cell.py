"""The recurrent cell of an encoder, a decoder or a language model."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from nmt.config.section import Section

Matrix = Literal["orthogonal", "glorot", "uniform"]  # uniform: ± 1/√hidden, as torch's own layers


class _KindConfig(Section):
    _absent: ClassVar[Mapping[str, str]] = {}  # keys of other cells, and why this one has none

    kind: str

    @model_validator(mode="before")
    @classmethod
    def _say_why(cls, values: object) -> object:
        for key, reason in cls._absent.items():
            if isinstance(values, dict) and key in values:
                raise ValueError(f"{values['kind']} cannot have {key}: {reason}; leave {key} out")
        return values


class _CellConfig(_KindConfig):
    input: Matrix = Field("glorot", description="initialisation of the input matrices, gate by gate")


class RNNCellConfig(_CellConfig):
    """Elman 1990: tanh(W x + U h + b)."""

    _absent: ClassVar = {"forget_bias": "it has no gates", "chrono": "it has no gates"}
    kind: Literal["rnn"] = "rnn"
    recurrent: Matrix = Field("orthogonal", description="initialisation of the recurrent matrix")


class IRNNCellConfig(_CellConfig):
    """Le et al. 2015: ReLU(W x + U h + b), with U initialised to the identity and b to zero."""

    _absent: ClassVar = {
        "recurrent": "its recurrent matrix is initialised to the identity",
        "forget_bias": "it has no gates",
        "chrono": "it has no gates",
    }
    kind: Literal["irnn"] = "irnn"


class GRUCellConfig(_CellConfig):
    """Cho et al. 2014, the reset gate after the product."""

    _absent: ClassVar = {"forget_bias": "it has no forget gate", "chrono": "it has no forget gate"}
    kind: Literal["gru"] = "gru"
    recurrent: Matrix = Field(
        "orthogonal", description="initialisation of the recurrent matrices, gate by gate"
    )


class _ForgettingCellConfig(_CellConfig):
    recurrent: Matrix = Field(
        "orthogonal", description="initialisation of the recurrent matrices, gate by gate"
    )
    forget_bias: float = Field(1.0, ge=-1_000, le=1_000, description="initial bias of the forget gate")
    chrono: int | None = Field(
        None,
        ge=3,
        le=10**9,
        description="longest expected dependency, in tokens; sets the biases as in Tallec & Ollivier 2018",
    )

    @model_validator(mode="after")
    def _one_way_to_begin(self) -> Self:
        if self.chrono is not None and self.forget_bias != 1.0:
            raise ValueError(
                f"chrono {self.chrono} initialises the forget gate's bias, and forget_bias sets it to "
                f"{self.forget_bias}; leave one out"
            )
        return self


class LSTMCellConfig(_ForgettingCellConfig):
    """Hochreiter & Schmidhuber 1997, with a forget gate (Gers et al. 2000)."""

    kind: Literal["lstm"] = "lstm"


class LayerNormLSTMCellConfig(_ForgettingCellConfig):
    """Ba et al. 2016: the LSTM with layer normalisation of its products and of c."""

    kind: Literal["ln_lstm"] = "ln_lstm"


class SRUCellConfig(_CellConfig):
    """Lei et al. 2018: a recurrence without matrix products."""

    _absent: ClassVar = {
        "recurrent": "no matrix multiplies its state",
        "forget_bias": "its gates are initialised half open",
        "chrono": "its gates are initialised half open",
    }
    kind: Literal["sru"] = "sru"


def _named(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


# A bare name is a kind with its defaults: `cell: gru` means `cell: {kind: gru}`.
InnerCellConfig = Annotated[
    LSTMCellConfig | GRUCellConfig | RNNCellConfig | IRNNCellConfig | LayerNormLSTMCellConfig | SRUCellConfig,
    Field(discriminator="kind"),
    BeforeValidator(_named),
]


class DeepTransitionCellConfig(_KindConfig):
    """Miceli Barone et al. 2017, §2.2: several cells in sequence make one step."""

    _absent: ClassVar = dict.fromkeys(
        ("input", "recurrent", "forget_bias", "chrono"),
        "it belongs to the cells inside, as in cell: {kind: gru, recurrent: glorot}",
    )
    kind: Literal["deep_transition"] = "deep_transition"
    cell: InnerCellConfig = Field(GRUCellConfig(), description="kind of the inner cells")
    depth: int = Field(4, ge=2, le=1_000, description="number of inner cells; only the first has inputs")

    @model_validator(mode="after")
    def _state_can_go_deeper(self) -> Self:
        if isinstance(self.cell, SRUCellConfig):
            raise ValueError(
                "deep_transition cannot have cell sru: no matrix multiplies its state, so that further cells "
                "without inputs would not transform it; use lstm, gru, rnn, irnn or ln_lstm"
            )
        return self


CellConfig = Annotated[
    LSTMCellConfig
    | GRUCellConfig
    | RNNCellConfig
    | IRNNCellConfig
    | LayerNormLSTMCellConfig
    | SRUCellConfig
    | DeepTransitionCellConfig,
    Field(discriminator="kind"),
    BeforeValidator(_named),
]


def has_recurrent_matrix(cell: CellConfig) -> bool:
    """Return whether a matrix of the cell multiplies h."""
    return not isinstance(cell, SRUCellConfig)
