"""A translator whose output is its source, and whose attention says so."""

import random
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.data.lengths import TrainingLengths
from nmt.data.text import TextEncoder
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.processors import Ban
from nmt.decoding.search import SearchSettings, Step
from nmt.decoding.sources import SourceLimits, SourceReader
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.models import Source
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import BOS, EOS


class At(NamedTuple):
    position: Tensor  # (N,)


class Copier:
    """A scorer whose favourite output is the source itself, and whose attention says so.

    At the piece `silent` it ends.
    """

    def __init__(self, size: int, silent: int = EOS) -> None:
        self.size, self.silent = size, silent

    def start(self, source: Source) -> tuple[Tensor, At]:
        return source.ids, At(torch.zeros(len(source.ids), dtype=torch.long))

    def step(self, y_prev: Tensor, memory: Tensor, state: At) -> Step:
        ids = memory.repeat_interleave(len(y_prev) // len(memory), dim=0)  # (N, Tx)
        position = state.position.clamp(max=ids.shape[1] - 1).unsqueeze(1)
        logits = torch.zeros(len(ids), self.size, dtype=torch.float64)
        wanted = ids.gather(1, position)
        logits.scatter_(1, wanted.masked_fill(wanted == self.silent, EOS), 12.0)
        alignment = torch.zeros(ids.shape, dtype=torch.float64).scatter_(1, position, 1.0)
        return Step(logits.log_softmax(-1), At(state.position + 1), alignment)


def _words() -> SentencePieceTokenizer:
    chance = random.Random(1)
    words = "der Hund läuft schnell über die Straße , . the dog runs".split()
    texts = [" ".join(chance.choices(words, k=8)) for _ in range(200)]
    return SentencePieceTokenizer.train(texts, kind="bpe", vocab_size=320)


SUBWORDS = _words()


def copier(
    tokenizer: Tokenizer = SUBWORDS,
    *,
    max_source: int = 1000,
    beam: int = 1,
    tokens_per_batch: int = 500,
    lengths: TrainingLengths | None = None,
    split: bool = True,
) -> Translator[TorchEngine]:
    settings = SearchSettings(
        beam=beam,
        penalty=LengthPenalty(alpha=1.0, offset=5.0),
        bos=BOS,
        eos=EOS,
        processors=(Ban(tokenizer.banned),),
        n_best=beam,
    )
    limits = SourceLimits(max_source, lengths) if lengths else None
    reader = SourceReader(TextEncoder(tokenizer), max_source)
    engine = TorchEngine(
        Copier(len(tokenizer.vocabulary)),
        settings,
        tokens_per_batch=tokens_per_batch,
        precision="float32",
        device=torch.device("cpu"),
    )
    reader = limits.reader(reader.encoder, split=split) if limits else reader
    return Translator(engine, (reader,), tokenizer, n_best=beam, lengths=lengths)


def with_engine(translator: Translator[TorchEngine], **changes: object) -> Translator[TorchEngine]:
    return replace(translator, engine=replace(translator.engine, **changes))
