"""The network: encoder, decoder, attention, embeddings."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from nmt.config.cell import CellConfig, LSTMCellConfig
from nmt.config.section import Section


class AdditiveAttentionConfig(Section):
    """Bahdanau 2015: v·tanh(W q + U k)."""

    kind: Literal["additive"] = "additive"
    size: int | None = Field(None, ge=1, description="width of the comparison; null = the decoder's hidden")


class DotAttentionConfig(Section):
    """Luong 2015: q·k; the encoder must be as wide as the decoder."""

    kind: Literal["dot"] = "dot"


class GeneralAttentionConfig(Section):
    """Luong 2015: q·W k."""

    kind: Literal["general"] = "general"


class MultiHeadAttentionConfig(Section):
    """Vaswani 2017: several scaled dot products side by side."""

    kind: Literal["multi_head"] = "multi_head"
    heads: int = Field(4, ge=1, description="must divide the decoder's hidden")


AttentionConfig = Annotated[
    AdditiveAttentionConfig | DotAttentionConfig | GeneralAttentionConfig | MultiHeadAttentionConfig,
    Field(discriminator="kind"),
]


class EncoderConfig(Section):
    """A stack of recurrent layers over the source."""

    cell: CellConfig = LSTMCellConfig()
    layers: int = Field(1, ge=1)
    hidden: int = Field(512, ge=2, description="width of the output, both directions together")
    bidirectional: bool = True


class DecoderConfig(Section):
    """A stack of recurrent layers over the target, with attention."""

    style: Literal["input_feeding", "conditional", "layer_parallel"] = "input_feeding"
    cell: CellConfig = LSTMCellConfig()
    layers: int = Field(1, ge=1)
    hidden: int = Field(512, ge=1)
    attention: AttentionConfig = GeneralAttentionConfig()
    bridge: Literal["last", "mean", "zero"] = Field(
        "last",
        description="the first state: from the last real output of each direction, their mean, or zero",
    )


class ModelConfig(Section):
    """A recurrent sequence-to-sequence model."""

    kind: Literal["seq2seq"] = "seq2seq"
    embedding: int = Field(256, ge=1)
    dropout: float = Field(
        0.3,
        ge=0.0,
        lt=1.0,
        description="on embeddings, between layers, on the encoder's and before the decoder's output",
    )
    tie_embeddings: Literal["none", "two_way", "three_way"] = Field(
        "none", description="two_way: target embedding and output; three_way: source embedding too"
    )
    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        enc, dec = self.encoder, self.decoder
        if enc.bidirectional and enc.hidden % 2:
            raise ValueError(f"encoder.hidden is {enc.hidden}; two directions need an even number")
        match dec.attention:
            case DotAttentionConfig() if enc.hidden != dec.hidden:
                raise ValueError(
                    f"decoder.attention.kind dot needs encoder.hidden = decoder.hidden, found {enc.hidden} "
                    f"and {dec.hidden}; make them equal or take kind: general"
                )
            case MultiHeadAttentionConfig(heads=heads) if dec.hidden % heads:
                raise ValueError(
                    f"decoder.attention.heads is {heads}, which does not divide decoder.hidden {dec.hidden}"
                )
        return self


class LanguageModelConfig(Section):
    """A stack of recurrent layers over text, each piece predicted from those before it."""

    kind: Literal["language_model"] = "language_model"
    embedding: int = Field(256, ge=1)
    dropout: float = Field(
        0.3, ge=0.0, lt=1.0, description="on embeddings, between layers and before the output"
    )
    tie_embeddings: Literal["none", "two_way"] = Field("none", description="two_way: embedding and output")
    cell: CellConfig = LSTMCellConfig()
    layers: int = Field(1, ge=1)
    hidden: int = Field(512, ge=1)


def _kind(model: object) -> object:
    """The kind of a model section, which is seq2seq unless it says otherwise."""
    if isinstance(model, Mapping):
        return model.get("kind", "seq2seq")
    return getattr(model, "kind", "seq2seq")


AnyModelConfig = Annotated[
    Annotated[ModelConfig, Tag("seq2seq")] | Annotated[LanguageModelConfig, Tag("language_model")],
    Discriminator(_kind),
]
