"""The model section → a model."""

from typing import assert_never

import torch
from torch import nn

from nmt.builders.cell import build_cell
from nmt.config.model import (
    AdditiveAttentionConfig,
    AnyModelConfig,
    AttentionConfig,
    ClassifierConfig,
    CoverageAttentionConfig,
    DecoderConfig,
    DotAttentionConfig,
    EncoderConfig,
    GeneralAttentionConfig,
    LanguageModelConfig,
    LexicalHeadConfig,
    LocationAttentionConfig,
    ModelConfig,
    MultiHeadAttentionConfig,
    PlainHeadConfig,
    TaggerConfig,
)
from nmt.layers.attention import (
    AdditiveAttention,
    Attention,
    CoverageAttention,
    DotAttention,
    GeneralAttention,
    LocationAttention,
    MultiHeadAttention,
    Normalize,
    entmax15,
    softmax,
    sparsemax,
)
from nmt.layers.decoders import ConditionalDecoder, InputFeedingDecoder, LayerParallelDecoder
from nmt.layers.dropout import Dropout
from nmt.layers.encoders import Bridge, RecurrentEncoder
from nmt.layers.heads import Head, LexicalHead, PlainHead, TiedHead
from nmt.layers.stack import StackOptions
from nmt.models import Classifier, LanguageModel, Seq2Seq, Tagger
from nmt.tokenization.vocabulary import PAD


def build_model(config: ModelConfig, src_size: int, trg_size: int) -> Seq2Seq:
    """Return a newly initialised model for vocabularies of the given sizes."""
    dec = config.decoder
    src = _embedding(src_size, config.embedding)
    trg = src if config.tie_embeddings == "three_way" else _embedding(trg_size, config.embedding)
    return Seq2Seq(
        src_embedding=src,
        trg_embedding=trg,
        encoder=_encoder(config),
        bridge=Bridge(config.encoder.hidden, dec.hidden, dec.layers, summary=dec.bridge),
        decoder=_decoder(dec, config.encoder.hidden, config),
        head=_head_on_source(config, dec.hidden, trg),
        dropout=_dropout(config),
    )


def build_language_model(config: LanguageModelConfig, size: int) -> LanguageModel:
    """Return a newly initialised language model for a vocabulary of the given size."""
    embedding = _embedding(size, config.embedding)
    return LanguageModel(
        build_cell(config.cell),
        _stack(config, config.hidden, config),
        embedding=embedding,
        head=_head(config, config.hidden, embedding),
    )


def build_labeller(config: ClassifierConfig | TaggerConfig, size: int, labels: int) -> Tagger:
    """Return a newly initialised model for vocabularies of the given sizes, of text and labels."""
    kind = Classifier if isinstance(config, ClassifierConfig) else Tagger
    return kind(
        embedding=_embedding(size, config.embedding),
        encoder=_encoder(config),
        head=PlainHead(config.encoder.hidden, labels),
        dropout=_dropout(config),
    )


def _encoder(config: ModelConfig | ClassifierConfig | TaggerConfig) -> RecurrentEncoder:
    encoder = config.encoder
    return RecurrentEncoder(
        build_cell(encoder.cell),
        _stack(encoder, encoder.hidden, config),
        input_size=config.embedding,
        bidirectional=encoder.bidirectional,
    )


def _stack(
    section: EncoderConfig | DecoderConfig | LanguageModelConfig, hidden: int, model: AnyModelConfig
) -> StackOptions:
    return StackOptions(hidden, section.layers, _dropout(model), section.residual, section.layer_norm)


def _dropout(config: AnyModelConfig) -> Dropout:
    return Dropout(
        features=config.dropout,
        variational=config.dropout_kind == "variational",
        recurrent=config.recurrent_dropout,
        words=config.word_dropout,
    )


def _embedding(size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width, padding_idx=PAD)
    nn.init.normal_(embedding.weight, std=width**-0.5)
    with torch.no_grad():
        embedding.weight[PAD].zero_()
    return embedding


_NORMALIZE: dict[str, Normalize] = {"softmax": softmax, "sparsemax": sparsemax, "entmax15": entmax15}


def _attention(config: AttentionConfig, memory_size: int, query_size: int) -> Attention:
    normalize = _NORMALIZE[config.normalize]
    match config:
        case AdditiveAttentionConfig():
            size = config.size or query_size
            return AdditiveAttention(memory_size, query_size, size, normalize=normalize)
        case CoverageAttentionConfig():
            size = config.size or query_size
            return CoverageAttention(memory_size, query_size, size, weight=config.weight, normalize=normalize)
        case LocationAttentionConfig(filters=filters, width=width):
            size = config.size or query_size
            return LocationAttention(
                memory_size, query_size, size, filters=filters, width=width, normalize=normalize
            )
        case DotAttentionConfig():
            return DotAttention(memory_size, query_size, normalize=normalize)
        case GeneralAttentionConfig():
            return GeneralAttention(memory_size, query_size, normalize=normalize)
        case MultiHeadAttentionConfig():
            return MultiHeadAttention(memory_size, query_size, config.heads, normalize=normalize)
        case other:
            assert_never(other)


def _decoder(
    config: DecoderConfig, memory_size: int, model: ModelConfig
) -> InputFeedingDecoder | ConditionalDecoder | LayerParallelDecoder:
    match config.style:
        case "input_feeding":
            style: type[InputFeedingDecoder | ConditionalDecoder | LayerParallelDecoder] = InputFeedingDecoder
        case "conditional":
            style = ConditionalDecoder
        case "layer_parallel":
            style = LayerParallelDecoder
        case other:
            assert_never(other)
    return style(
        build_cell(config.cell),
        _attention(config.attention, memory_size, config.hidden),
        _stack(config, config.hidden, model),
        input_size=model.embedding,
    )


def _head_on_source(config: ModelConfig, width: int, trg: nn.Embedding) -> Head:
    plain = _head(config, width, trg)
    match config.head:
        case PlainHeadConfig():
            return plain
        case LexicalHeadConfig():
            return LexicalHead(plain, width, config.embedding, trg.num_embeddings)
        case other:
            assert_never(other)


def _head(config: ModelConfig | LanguageModelConfig, width: int, trg: nn.Embedding) -> Head:
    match config.tie_embeddings:
        case "none":
            return PlainHead(width, trg.num_embeddings)
        case "two_way" | "three_way":
            return TiedHead(width, trg)
        case other:
            assert_never(other)
