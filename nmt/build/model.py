"""The model section → a model."""

from typing import assert_never

import torch
from torch import nn

from nmt.build.cell import build_cell
from nmt.config.model import (
    AdditiveAttentionConfig,
    AttentionConfig,
    DecoderConfig,
    DotAttentionConfig,
    GeneralAttentionConfig,
    LanguageModelConfig,
    ModelConfig,
    MultiHeadAttentionConfig,
)
from nmt.data.vocabulary import PAD
from nmt.layers.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    MultiHeadAttention,
)
from nmt.layers.decoders import ConditionalDecoder, InputFeedingDecoder, LayerParallelDecoder
from nmt.layers.encoders import Bridge, RecurrentEncoder
from nmt.layers.heads import PlainHead, TiedHead
from nmt.models import LanguageModel, Seq2Seq


def build_model(config: ModelConfig, src_size: int, trg_size: int) -> Seq2Seq:
    """Return a freshly drawn model for vocabularies of the given sizes."""
    enc, dec = config.encoder, config.decoder
    src = _embedding(src_size, config.embedding)
    trg = src if config.tie_embeddings == "three_way" else _embedding(trg_size, config.embedding)
    return Seq2Seq(
        src_embedding=src,
        trg_embedding=trg,
        encoder=RecurrentEncoder(
            build_cell(enc.cell),
            input_size=config.embedding,
            hidden_size=enc.hidden,
            layers=enc.layers,
            bidirectional=enc.bidirectional,
            dropout=config.dropout,
        ),
        bridge=Bridge(enc.hidden, dec.hidden, dec.layers, summary=dec.bridge),
        decoder=_decoder(dec, enc.hidden, config),
        head=_head(config, dec.hidden, trg),
        dropout=config.dropout,
    )


def build_language_model(config: LanguageModelConfig, size: int) -> LanguageModel:
    """Return a freshly drawn language model for a vocabulary of the given size."""
    embedding = _embedding(size, config.embedding)
    return LanguageModel(
        embedding=embedding,
        cell=build_cell(config.cell),
        hidden_size=config.hidden,
        layers=config.layers,
        head=_head(config, config.hidden, embedding),
        dropout=config.dropout,
    )


def _embedding(size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width, padding_idx=PAD)
    nn.init.normal_(embedding.weight, std=width**-0.5)
    with torch.no_grad():
        embedding.weight[PAD].zero_()
    return embedding


def _attention(config: AttentionConfig, memory_size: int, query_size: int) -> Attention:
    match config:
        case AdditiveAttentionConfig():
            return AdditiveAttention(memory_size, query_size, config.size or query_size)
        case DotAttentionConfig():
            return DotAttention(memory_size, query_size)
        case GeneralAttentionConfig():
            return GeneralAttention(memory_size, query_size)
        case MultiHeadAttentionConfig():
            return MultiHeadAttention(memory_size, query_size, config.heads)
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
        input_size=model.embedding,
        hidden_size=config.hidden,
        layers=config.layers,
        dropout=model.dropout,
    )


def _head(config: ModelConfig | LanguageModelConfig, width: int, trg: nn.Embedding) -> nn.Module:
    match config.tie_embeddings:
        case "none":
            return PlainHead(width, trg.num_embeddings)
        case "two_way" | "three_way":
            return TiedHead(width, trg)
        case other:
            assert_never(other)
