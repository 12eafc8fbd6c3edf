"""Initial embeddings from files of word vectors."""

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
    """Raise UserError for a file of word vectors that is missing or has another width than the model."""
    for path in _files(experiment).values():
        check_word_vectors(path, experiment.model.embedding)


def fill_embeddings(
    experiment: Experiment,
    prepared: Prepared,
    model: Seq2Seq | LanguageModel | Tagger,
    log: Callable[[str], None],
) -> None:
    """Replace initialised embeddings by word vectors, and log the fraction of the vocabulary that has one.

    Other tokens keep their initialised vectors. Raises UserError if the file has no token of the vocabulary.
    """
    for side, path in _files(experiment).items():
        tokenizer = prepared.src_tokenizer if side == "src" else prepared.trg_tokenizer
        embedding, vocabulary = _embedding(model, side), tokenizer.vocabulary
        subwords = tokenizer.kind in ("bpe", "unigram")
        vectors = read_word_vectors(path, vocabulary, embedding.embedding_dim, subwords=subwords)
        tokens = len(vocabulary.text_ids)
        if not vectors:
            raise UserError(
                f"{path}: none of the {tokens:,} {side} tokens is among its words; "
                "give word vectors of that language, and of the tokenizer's case"
            )
        weight = embedding.weight
        with torch.no_grad():
            for token_id, vector in vectors.items():
                weight[token_id] = torch.from_numpy(vector).to(weight.dtype)
        log(f"{path}: vectors for {len(vectors):,} of {tokens:,} {side} tokens ({len(vectors) / tokens:.1%})")


def _files(experiment: Experiment) -> dict[str, Path]:
    """Return the files by the side of the embedding."""
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
