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
DropoutKind = Literal["independent", "variational"]

_DROPOUT_KIND = (
    "independent: a new mask for each position; variational: one mask per sequence, for inputs and outputs "
    "(Gal & Ghahramani 2016), not for h, see recurrent_dropout"
)
_RECURRENT = "dropout rate of the recurrent matrices, one mask per batch (Merity et al. 2018)"
_WORDS = "dropout rate of whole embedded tokens (Sennrich et al. 2016, WMT)"
_RESIDUAL = "every layer above the first adds its input to its output (Wu et al. 2016)"
_LAYER_NORM = "normalise the input of every layer above the first (Ba et al. 2016)"
_CELL = "recurrent cell"
_LAYERS = "number of layers"
_HIDDEN = "width of the hidden state"
_EMBEDDING = "width of the embeddings"
_ENCODER = "the stack over the source"


def _check_dropout(rate: float, kind: DropoutKind, recurrent: float, cells: Mapping[str, CellConfig]) -> None:
    if kind == "variational" and not rate:
        raise ValueError("dropout_kind variational needs a dropout above 0, found 0; set dropout")
    for key, cell in cells.items():
        if recurrent and not has_recurrent_matrix(cell):
            raise ValueError(
                f"recurrent_dropout {recurrent:g} needs a recurrent matrix, and {key} {cell.kind} has none; "
                "set recurrent_dropout: 0 or use another cell"
            )


def _check_layers(layers: int, cell: CellConfig, *, residual: bool, layer_norm: bool) -> None:
    if isinstance(cell, DeepTransitionCellConfig) and layers * cell.depth > _MOST_CELLS:
        raise ValueError(
            f"expected at most {_MOST_CELLS:,} cells, found layers {layers} × "
            f"cell.depth {cell.depth}; lower either"
        )
    for key, wanted in (("residual", residual), ("layer_norm", layer_norm)):
        if wanted and layers == 1:
            raise ValueError(
                f"{key} needs two layers or more, found one; set layers: 2 or more, or {key}: false"
            )


class EncoderConfig(Section):
    """A stack of recurrent layers over the source."""

    cell: CellConfig = Field(LSTMCellConfig(), description=_CELL)
    layers: Layers = Field(1, description=_LAYERS)
    hidden: int = Field(512, ge=2, le=65_536, description="width of the output, both directions together")
    bidirectional: bool = Field(True, description="read the source in both directions")
    residual: bool = Field(False, description=_RESIDUAL)
    layer_norm: bool = Field(False, description=_LAYER_NORM)

    @model_validator(mode="after")
    def _stands_between_layers(self) -> Self:
        _check_layers(self.layers, self.cell, residual=self.residual, layer_norm=self.layer_norm)
        return self


def _divisors(number: int) -> str:
    found = [str(n) for n in range(1, min(number, 17)) if number % n == 0]
    return " or ".join([", ".join(found[:-1]), found[-1]] if found[1:] else found)


def _check_directions(encoder: EncoderConfig) -> None:
    if encoder.bidirectional and encoder.hidden % 2:
        raise ValueError(f"encoder.hidden is {encoder.hidden}; two directions need an even number")


class DecoderConfig(Section):
    """A stack of recurrent layers over the target, with attention."""

    style: Literal["input_feeding", "conditional", "layer_parallel"] = Field(
        "layer_parallel",
        description="input_feeding: Luong 2015; conditional: Bahdanau 2015 as in Sennrich 2017; "
        "layer_parallel: attention above the first layer, all steps at once (Wu 2016, Chen 2018)",
    )
    cell: CellConfig = Field(LSTMCellConfig(), description=_CELL)
    layers: Layers = Field(1, description=_LAYERS)
    hidden: Width = Field(512, description=_HIDDEN)
    attention: AttentionConfig = Field(GeneralAttentionConfig(), description="attention to the source")
    bridge: Literal["last", "mean", "zero"] = Field(
        "last",
        description="initial state: from the encoder's last outputs, their mean, or zero",
    )
    residual: bool = Field(False, description=_RESIDUAL + "; always above the second layer of layer_parallel")
    layer_norm: bool = Field(False, description=_LAYER_NORM)

    @model_validator(mode="after")
    def _stands_between_layers(self) -> Self:
        _check_layers(self.layers, self.cell, residual=self.residual, layer_norm=self.layer_norm)
        return self


class EmbeddingsConfig(Section):
    """Files of word vectors (word2vec, fastText or GloVe as text, plain or .gz) to initialise embeddings."""

    src: PathName | None = Field(None, description="file for the source language")
    trg: PathName | None = Field(None, description="file for the target language")


class ModelConfig(Section):
    """A recurrent sequence-to-sequence model."""

    chosen_by: ClassVar = "bleu"  # the value of training.best_by, besides loss
    kind: Literal["seq2seq"] = "seq2seq"
    embedding: Width = Field(256, description=_EMBEDDING)
    dropout: Rate = Field(
        0.3, description="dropout rate, on embeddings, between layers and on the outputs of both stacks"
    )
    dropout_kind: DropoutKind = Field("independent", description=_DROPOUT_KIND)
    recurrent_dropout: Rate = Field(0.0, description=_RECURRENT)
    word_dropout: Rate = Field(0.0, description=_WORDS)
    tie_embeddings: Literal["none", "two_way", "three_way"] = Field(
        "none",
        description="two_way: share target embedding and output layer; three_way: source embedding too",
    )
    embeddings: EmbeddingsConfig = Field(EmbeddingsConfig(), description="word vectors to start from")
    encoder: EncoderConfig = Field(EncoderConfig(), description=_ENCODER)
    decoder: DecoderConfig = Field(DecoderConfig(), description="the stack over the target")
    head: HeadConfig = Field(PlainHeadConfig(), description="the output layer")

    @model_validator(mode="after")
    def _dropout_can_be_had(self) -> Self:
        cells = {"encoder.cell": self.encoder.cell, "decoder.cell": self.decoder.cell}
        _check_dropout(self.dropout, self.dropout_kind, self.recurrent_dropout, cells)
        return self

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
    def _widths_fit(self) -> Self:
        enc, dec = self.encoder, self.decoder
        _check_directions(enc)
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


class LanguageModelConfig(Section):
    """A stack of recurrent layers that predicts each token from those before it."""

    chosen_by: ClassVar = "loss"
    kind: Literal["language_model"] = "language_model"
    embedding: Width = Field(256, description=_EMBEDDING)
    dropout: Rate = Field(
        0.3, description="dropout rate, on embeddings, between layers and before the output"
    )
    dropout_kind: DropoutKind = Field("independent", description=_DROPOUT_KIND)
    recurrent_dropout: Rate = Field(0.0, description=_RECURRENT)
    word_dropout: Rate = Field(0.0, description=_WORDS)
    tie_embeddings: Literal["none", "two_way"] = Field(
        "none", description="two_way: share embedding and output layer"
    )
    embeddings: PathName | None = Field(
        None, description="file of word vectors to start from (word2vec, fastText, GloVe; .gz)"
    )
    cell: CellConfig = Field(LSTMCellConfig(), description=_CELL)
    layers: Layers = Field(1, description=_LAYERS)
    hidden: Width = Field(512, description=_HIDDEN)
    residual: bool = Field(False, description=_RESIDUAL)
    layer_norm: bool = Field(False, description=_LAYER_NORM)

    @model_validator(mode="after")
    def _can_be_had(self) -> Self:
        _check_layers(self.layers, self.cell, residual=self.residual, layer_norm=self.layer_norm)
        _check_dropout(self.dropout, self.dropout_kind, self.recurrent_dropout, {"cell": self.cell})
        return self


class _LabellerConfig(Section):
    """An encoder of a text and a head for its labels."""

    chosen_by: ClassVar = "accuracy"
    embedding: Width = Field(256, description=_EMBEDDING)
    dropout: Rate = Field(
        0.3, description="dropout rate, on embeddings, between layers and before the output"
    )
    dropout_kind: DropoutKind = Field("independent", description=_DROPOUT_KIND)
    recurrent_dropout: Rate = Field(0.0, description=_RECURRENT)
    word_dropout: Rate = Field(0.0, description=_WORDS)
    embeddings: PathName | None = Field(
        None, description="file of word vectors to start from (word2vec, fastText, GloVe; .gz)"
    )
    encoder: EncoderConfig = Field(EncoderConfig(), description=_ENCODER)

    @model_validator(mode="after")
    def _can_be_had(self) -> Self:
        _check_directions(self.encoder)
        cells = {"encoder.cell": self.encoder.cell}
        _check_dropout(self.dropout, self.dropout_kind, self.recurrent_dropout, cells)
        return self


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
