"""The word vectors that an experiment begins with."""

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import torch
from torch import nn

from nmt.config.experiment import Experiment
from nmt.config.model import ClassifierConfig, LanguageModelConfig, ModelConfig, TaggerConfig
from nmt.data.prepared import Prepared
from nmt.data.word_vectors import check_word_vectors, read_word_vectors
from nmt.errors import UserError
from nmt.models import LanguageModel, Seq2Seq, Tagger


def check_embeddings(experiment: Experiment) -> None:
    """Raise UserError for a file of word vectors that is not there or not of the model's width."""
    for path in _files(experiment).values():
        check_word_vectors(path, experiment.model.embedding)


def fill_embeddings(
    experiment: Experiment,
    prepared: Prepared,
    model: Seq2Seq | LanguageModel | Tagger,
    log: Callable[[str], None],
) -> None:
    """Put word vectors in the place of what was drawn, and say what share of the vocabulary has one.

    Other tokens keep their random vectors. Raises UserError if the file has no token of the vocabulary.
    """
    for side, path in _files(experiment).items():
        tokenizer = prepared.src_tokenizer if side == "src" else prepared.trg_tokenizer
        embedding, vocabulary = _embedding(model, side), tokenizer.vocabulary
        subwords = tokenizer.kind in ("bpe", "unigram")
        vectors = read_word_vectors(path, vocabulary, embedding.embedding_dim, subwords=subwords)
        pieces = len(vocabulary.text_ids)
        if not vectors:
            raise UserError(
                f"{path}: none of the {pieces:,} {side} tokens is among its words; "
                "give word vectors of that language, and of the tokenizer's case"
            )
        weight = embedding.weight
        with torch.no_grad():
            for piece, vector in vectors.items():
                weight[piece] = torch.from_numpy(vector).to(weight.dtype)
        log(f"{path}: vectors for {len(vectors):,} of {pieces:,} {side} tokens ({len(vectors) / pieces:.1%})")


def _files(experiment: Experiment) -> dict[str, Path]:
    """Return the files by the side whose embedding they are for."""
    match experiment.model:
        case ModelConfig(embeddings=given):
            files = {"src": given.src, "trg": given.trg}
        case LanguageModelConfig(embeddings=given):
            files = {"trg": given}
        case ClassifierConfig(embeddings=given) | TaggerConfig(embeddings=given):
            files = {"src": given}
        case other:
            assert_never(other)
    return {side: Path(file) for side, file in files.items() if file is not None}


def _embedding(model: Seq2Seq | LanguageModel | Tagger, side: str) -> nn.Embedding:
    if not isinstance(model, Seq2Seq):
        return model.embedding
    return model.src_embedding if side == "src" else model.trg_embedding
