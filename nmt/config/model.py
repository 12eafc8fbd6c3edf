"""The network: encoder, decoder, attention, embeddings."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from nmt.config.cell import CellConfig, DeepTransitionCellConfig, LSTMCellConfig, has_recurrent_matrix
from nmt.config.section import PathName, Section, Width

_MOST_CELLS = 1_000
Layers = Annotated[int, Field(ge=1, le=_MOST_CELLS)]


class _AttentionSection(Section):
    """The keys of every attention."""

    kind: str
    normalize: Literal["softmax", "sparsemax", "entmax15"] = Field(
        "softmax",
        description="how scores become an alignment; sparsemax (Martins & Astudillo 2016) and entmax15 "
        "(Peters et al. 2019) set the lowest to exactly 0 (extra: entmax)",
    )

    @field_validator("normalize")
    @classmethod
    def _its_package_is_there(cls, value: str) -> str:
        if value != "softmax" and find_spec("entmax") is None:
            raise ValueError(
                f"{value} needs the extra entmax, which is not installed; install it with: pip install entmax"
            )
        return value


class AdditiveAttentionConfig(_AttentionSection):
    """Bahdanau 2015: v·tanh(W q + U k)."""

    kind: Literal["additive"] = "additive"
    size: Width | None = Field(None, description="width of the hidden layer; null = the decoder's hidden")


class CoverageAttentionConfig(_AttentionSection):
    """See et al. 2017 after Tu et al. 2016: v·tanh(W q + U k + w c + b), c the sum of previous alignments."""

    kind: Literal["coverage"] = "coverage"
    size: Width | None = Field(None, description="width of the hidden layer; null = the decoder's hidden")
    weight: float = Field(
        1.0, ge=0, le=1_000, description="weight in the loss of Σ min(α, c), the penalty for attending twice"
    )


class LocationAttentionConfig(_AttentionSection):
    """Chorowski et al. 2015: v·tanh(W q + V k + U f + b), f filters over the previous alignment."""

    kind: Literal["location"] = "location"
    size: Width | None = Field(None, description="width of the hidden layer; null = the decoder's hidden")
    filters: Width = Field(10, description="number of filters")
    width: int = Field(15, ge=1, le=9_999, description="width of a filter in source positions, odd")

    @field_validator("width")
    @classmethod
    def _has_a_middle(cls, width: int) -> int:
        if width % 2 == 0:
            raise ValueError(f"expected an odd number, so that a filter has a middle; found {width}")
        return width


class DotAttentionConfig(_AttentionSection):
    """Luong 2015: q·k; the encoder must be as wide as the decoder."""

    kind: Literal["dot"] = "dot"


class GeneralAttentionConfig(_AttentionSection):
    """Luong 2015: q·W k."""

    kind: Literal["general"] = "general"


class MultiHeadAttentionConfig(_AttentionSection):
    """Vaswani 2017: several scaled dot products in parallel."""

    kind: Literal["multi_head"] = "multi_head"
    heads: Width = Field(4, description="number of heads; must divide the decoder's hidden")


AttentionConfig = Annotated[
    AdditiveAttentionConfig
    | DotAttentionConfig
    | GeneralAttentionConfig
    | MultiHeadAttentionConfig
    | CoverageAttentionConfig
    | LocationAttentionConfig,
    Field(discriminator="kind"),
]


class PlainHeadConfig(Section):
    """One affine map of the features; with tie_embeddings its weight is the target embedding."""

    kind: Literal["plain"] = "plain"


class LexicalHeadConfig(Section):
    """Nguyen & Chiang 2018: the plain head plus a prediction from the attended source embeddings."""

    kind: Literal["lexical"] = "lexical"


HeadConfig = Annotated[PlainHeadConfig | LexicalHeadConfig, Field(discriminator="kind")]


def _drawn_from_bytes(rate: float) -> float:
    if rate and not 0 < round(rate * 256) < 256:
        raise ValueError(
            f"expected 0, or a dropout rate from {1 / 256:.4f} to {255 / 256:.4f} (rates are rounded to "
            f"1/256); found {rate:g}"
        )
    return rate


Rate = Annotated[float, Field(ge=0.0, lt=1.0), AfterValidator(_drawn_from_bytes)]


_ENCODER = "the stack over the source"
_VECTORS = "file of word vectors to start from (word2vec, fastText, GloVe; .gz)"


class StackSection(Section):
    """A stack of recurrent layers."""

    cell: CellConfig = Field(LSTMCellConfig(), description="recurrent cell")
    layers: Layers = Field(1, description="number of layers")
    hidden: Width = Field(512, description="width of the hidden state")
    residual: bool = Field(
        False, description="every layer above the first adds its input to its output (Wu et al. 2016)"
    )
    layer_norm: bool = Field(
        False, description="normalise the input of every layer above the first (Ba et al. 2016)"
    )

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if isinstance(self.cell, DeepTransitionCellConfig) and self.layers * self.cell.depth > _MOST_CELLS:
            raise ValueError(
                f"expected at most {_MOST_CELLS:,} cells, found layers {self.layers} × "
                f"cell.depth {self.cell.depth}; lower either"
            )
        for key, wanted in (("residual", self.residual), ("layer_norm", self.layer_norm)):
            if wanted and self.layers == 1:
                raise ValueError(
                    f"{key} needs two layers or more, found one; set layers: 2 or more, or {key}: false"
                )
        return self


class EncoderConfig(StackSection):
    """A stack of recurrent layers over the source."""

    hidden: int = Field(512, ge=2, le=65_536, description="width of the output, both directions together")
    bidirectional: bool = Field(True, description="read the source in both directions")


def _divisors(number: int) -> str:
    found = [str(n) for n in range(1, min(number, 17)) if number % n == 0]
    return " or ".join([", ".join(found[:-1]), found[-1]] if found[1:] else found)


class DecoderConfig(StackSection):
    """A stack of recurrent layers over the target, with attention."""

    style: Literal["input_feeding", "conditional", "layer_parallel"] = Field(
        "layer_parallel",
        description="input_feeding: Luong 2015; conditional: Bahdanau 2015 as in Sennrich 2017; "
        "layer_parallel: attention above the first layer, all steps at once (Wu 2016, Chen 2018)",
    )
    attention: AttentionConfig = Field(GeneralAttentionConfig(), description="attention to the source")
    bridge: Literal["last", "mean", "zero"] = Field(
        "last",
        description="initial state: from the encoder's last outputs, their mean, or zero",
    )
    residual: bool = Field(
        False,
        description="every layer above the first adds its input to its output (Wu et al. 2016); always above "
        "the second layer of layer_parallel",
    )


class EmbeddingsConfig(Section):
    """Files of word vectors (word2vec, fastText or GloVe as text, plain or .gz) to initialise embeddings."""

    src: PathName | None = Field(None, description="file for the source language")
    trg: PathName | None = Field(None, description="file for the target language")


class _ModelSection(Section):
    """The keys of every kind of model."""

    kind: str
    embedding: Width = Field(256, description="width of the embeddings")
    dropout: Rate = Field(
        0.3, description="dropout rate, on embeddings, between layers and before the output"
    )
    dropout_kind: Literal["independent", "variational"] = Field(
        "independent",
        description="independent: a new mask for each position; variational: one mask per sequence, for "
        "inputs and outputs (Gal & Ghahramani 2016), not for h, see recurrent_dropout",
    )
    recurrent_dropout: Rate = Field(
        0.0, description="dropout rate of the recurrent matrices, one mask per batch (Merity et al. 2018)"
    )
    word_dropout: Rate = Field(
        0.0, description="dropout rate of whole embedded tokens (Sennrich et al. 2016, WMT)"
    )

    @model_validator(mode="after")
    def _stacks_fit(self) -> Self:
        if self.dropout_kind == "variational" and not self.dropout:
            raise ValueError("dropout_kind variational needs a dropout above 0, found 0; set dropout")
        stacks = [("", self), *((f"{key}.", part) for key, part in self)]
        for place, stack in stacks:
            if not isinstance(stack, StackSection):
                continue
            if self.recurrent_dropout and not has_recurrent_matrix(stack.cell):
                raise ValueError(
                    f"recurrent_dropout {self.recurrent_dropout:g} needs a recurrent matrix, and {place}cell "
                    f"{stack.cell.kind} has none; set recurrent_dropout: 0 or use another cell"
                )
            if isinstance(stack, EncoderConfig) and stack.bidirectional and stack.hidden % 2:
                raise ValueError(f"encoder.hidden is {stack.hidden}; two directions need an even number")
        return self


class ModelConfig(_ModelSection):
    """A recurrent sequence-to-sequence model."""

    chosen_by: ClassVar = "bleu"  # the value of training.best_by, besides loss
    kind: Literal["seq2seq"] = "seq2seq"
    dropout: Rate = Field(
        0.3, description="dropout rate, on embeddings, between layers and on the outputs of both stacks"
    )
    tie_embeddings: Literal["none", "two_way", "three_way"] = Field(
        "none",
        description="two_way: share target embedding and output layer; three_way: source embedding too",
    )
    embeddings: EmbeddingsConfig = Field(EmbeddingsConfig(), description="word vectors to start from")
    encoder: EncoderConfig = Field(EncoderConfig(), description=_ENCODER)
    decoder: DecoderConfig = Field(DecoderConfig(), description="the stack over the target")
    head: HeadConfig = Field(PlainHeadConfig(), description="the output layer")

    @model_validator(mode="after")
    def _one_file_an_embedding(self) -> Self:
        if self.tie_embeddings == "three_way" and self.embeddings.src and self.embeddings.trg:
            raise ValueError(
                "tie_embeddings three_way has one embedding for both sides, found two files, "
                f"embeddings.src {self.embeddings.src} and embeddings.trg {self.embeddings.trg}; "
                "leave one out"
            )
        return self

    @model_validator(mode="after")
    def _attention_fits(self) -> Self:
        enc, dec = self.encoder, self.decoder
        match dec.attention:
            case DotAttentionConfig() if enc.hidden != dec.hidden:
                raise ValueError(
                    f"decoder.attention.kind dot needs encoder.hidden = decoder.hidden, found {enc.hidden} "
                    f"and {dec.hidden}; make them equal or use kind: general"
                )
            case MultiHeadAttentionConfig(heads=heads) if dec.hidden % heads:
                raise ValueError(
                    f"decoder.attention.heads is {heads}, which does not divide decoder.hidden {dec.hidden}; "
                    f"set heads to {_divisors(dec.hidden)}, or another hidden"
                )
            case CoverageAttentionConfig() | LocationAttentionConfig() if dec.style == "layer_parallel":
                raise ValueError(
                    f"decoder.attention.kind {dec.attention.kind} has a state that changes at each step, and "
                    "decoder.style layer_parallel computes all steps at once; "
                    "set decoder.style: input_feeding or conditional, or use another attention"
                )
        return self


class LanguageModelConfig(StackSection, _ModelSection):
    """A stack of recurrent layers that predicts each token from those before it."""

    chosen_by: ClassVar = "loss"
    kind: Literal["language_model"] = "language_model"
    tie_embeddings: Literal["none", "two_way"] = Field(
        "none", description="two_way: share embedding and output layer"
    )
    embeddings: PathName | None = Field(None, description=_VECTORS)


class _LabellerConfig(_ModelSection):
    """An encoder of a text and a head for its labels."""

    chosen_by: ClassVar = "accuracy"
    embeddings: PathName | None = Field(None, description=_VECTORS)
    encoder: EncoderConfig = Field(EncoderConfig(), description=_ENCODER)


class ClassifierConfig(_LabellerConfig):
    """One label for a text, from the last output of each direction."""

    kind: Literal["classifier"] = "classifier"


class TaggerConfig(_LabellerConfig):
    """A label for each word of a text."""

    kind: Literal["tagger"] = "tagger"


def _kind(model: object) -> object:
    """Return the kind of a model section, by default seq2seq."""
    if isinstance(model, Mapping):
        return model.get("kind", "seq2seq")
    return getattr(model, "kind", "seq2seq")


AnyModelConfig = Annotated[
    Annotated[ModelConfig, Tag("seq2seq")]
    | Annotated[LanguageModelConfig, Tag("language_model")]
    | Annotated[ClassifierConfig, Tag("classifier")]
    | Annotated[TaggerConfig, Tag("tagger")],
    Discriminator(_kind),
]
