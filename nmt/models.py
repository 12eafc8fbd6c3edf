"""Models: layers put together so that a batch becomes features and a step becomes logits.

B sentences, N = B · K rows in a step, Tx source and Ty target positions, E embedding, H features, F width of
what the head is called with, V vocabulary.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nmt.layers.attention import Memory
from nmt.layers.cells import CellType
from nmt.layers.decoders import Decoder, DecoderOutput
from nmt.layers.dropout import Dropout
from nmt.layers.encoders import Bridge, Encoded, RecurrentEncoder
from nmt.layers.heads import Head
from nmt.layers.stack import Stack, StackOptions, States
from nmt.shapes import Float, Int


class Source(NamedTuple):
    """ids end in </s>, then padding; lengths count </s>."""

    ids: Int[Tensor, "B Tx"]
    lengths: Int[Tensor, "B"]


class Seq2Seq(nn.Module):
    """An encoder, a bridge and a decoder with attention.

    The target distribution is factorised from left to right; features of position t depend on
    trg_in up to t and on the source.
    """

    def __init__(
        self,
        *,
        src_embedding: nn.Embedding,
        trg_embedding: nn.Embedding,
        encoder: RecurrentEncoder,
        bridge: Bridge,
        decoder: Decoder,
        head: Head,
        dropout: Dropout,
    ) -> None:
        super().__init__()
        self.src_embedding, self.trg_embedding = src_embedding, trg_embedding
        self.encoder, self.bridge, self.head = encoder, bridge, head
        self.decoder = decoder
        self.dropout = dropout

    def start(self, source: Source) -> tuple[Memory, Any]:
        """Return the memory of the sources (B rows) and the decoder's first state (B rows)."""
        embedded = self._embedded(self.src_embedding(source.ids))  # (B, Tx, E)
        encoded = self.dropout.call(self.encoder, embedded, source.lengths)
        memory = self.decoder.attention.build_memory(self._drop(encoded.outputs), encoded.mask)
        memory = memory._replace(words=self.head.build_memory(embedded))
        return memory, self.decoder.start(self.bridge(encoded), memory)

    def forward(self, source: Source, trg_in: Int[Tensor, "B Ty"]) -> DecoderOutput:
        """Return the head's features and the alignment for targets: teacher forcing."""
        memory, state = self.start(source)
        x = self._embedded(self.trg_embedding(trg_in))  # (B, Ty, E)
        output = self.dropout.call(self.decoder, x, memory, state)
        return DecoderOutput(self._joined(output, memory), output.alignment)

    def step(
        self, y_prev: Int[Tensor, "N"], memory: Memory, state: Any
    ) -> tuple[Float[Tensor, "N V"], Float[Tensor, "N Tx"], Any]:
        """Return logits, alignment and the next state for the tokens y_prev."""
        output, state = self.decoder.step(self._embedded(self.trg_embedding(y_prev)), memory, state)
        return self.head(self._joined(output, memory)), output.alignment, state

    def _joined(self, output: DecoderOutput, memory: Memory) -> Float[Tensor, "*rows F"]:
        return self.head.join(self._drop(output.features), output.alignment, memory.words)

    def _embedded(self, x: Float[Tensor, "*rows E"]) -> Float[Tensor, "*rows E"]:
        return self.dropout.embedded(x, training=self.training)

    def _drop(self, x: Float[Tensor, "*rows W"]) -> Float[Tensor, "*rows W"]:
        return self.dropout.drop(x, training=self.training)


class LanguageModel(nn.Module):
    """A stack of recurrent layers over text (Mikolov 2010; Graves 2013): each token from those before it.

    The state is a tuple with one state for each layer.
    """

    def __init__(
        self, cell: CellType, options: StackOptions, *, embedding: nn.Embedding, head: nn.Module
    ) -> None:
        super().__init__()
        self.embedding, self.head, self.dropout = embedding, head, options.dropout
        hidden = options.hidden_size
        sizes = [embedding.embedding_dim] + [hidden] * (options.layers - 1)
        self.stack = Stack([cell(size, hidden) for size in sizes], options)

    def start(self, rows: int) -> States:
        """Return the state of so many rows that have read nothing: zero."""
        zero = self.embedding.weight.new_zeros
        return self.stack.initial_state([zero(rows, cell.hidden_size) for cell in self.stack.layers])

    def forward(
        self, trg_in: Int[Tensor, "B Ty"], state: States | None = None
    ) -> tuple[Float[Tensor, "B Ty H"], States]:
        """Return features of the tokens trg_in, read on from a state, and the state after.

        What is predicted at a position is the token that follows. The state after a padded row is that of
        its padding.
        """
        x, before = self._embedded(self.embedding(trg_in)), state or self.start(len(trg_in))
        features, after = self.dropout.call(self.stack, x, before)
        return self._drop(features), after

    def step(self, y_prev: Int[Tensor, "N"], state: States) -> tuple[Float[Tensor, "N V"], States]:
        """Return logits for what follows y_prev, and the next state."""
        features, after = self.stack(self._embedded(self.embedding(y_prev)), state)  # (N, H)
        return self.head(self._drop(features)), after

    def flat(self, state: States) -> Float[Tensor, "B W"]:
        """Return a state as one tensor, in the precision of the weights."""
        parts = [part.to(self.embedding.weight.dtype) for of_layer in state for part in of_layer]
        return torch.cat(parts, dim=1)

    def unflat(self, flat: Float[Tensor, "B W"]) -> States:
        """Return the state that `flat` made one tensor of."""
        like = self.start(len(flat))
        parts = iter(flat.split([part.shape[1] for of_layer in like for part in of_layer], dim=1))
        return tuple(type(of_layer)(*(next(parts) for _ in of_layer)) for of_layer in like)

    def _embedded(self, x: Float[Tensor, "*rows E"]) -> Float[Tensor, "*rows E"]:
        return self.dropout.embedded(x, training=self.training)

    def _drop(self, x: Float[Tensor, "*rows W"]) -> Float[Tensor, "*rows W"]:
        return self.dropout.drop(x, training=self.training)


class Tagger(nn.Module):
    """A label for each position of a text, each from all of it (Graves & Schmidhuber 2005): Ty = Tx."""

    def __init__(
        self, *, embedding: nn.Embedding, encoder: RecurrentEncoder, head: Head, dropout: Dropout
    ) -> None:
        super().__init__()
        self.embedding, self.encoder, self.head, self.dropout = embedding, encoder, head, dropout

    def forward(self, source: Source) -> Float[Tensor, "B Ty H"]:
        """Return the head's features of each label."""
        embedded = self.dropout.embedded(self.embedding(source.ids), training=self.training)  # (B, Tx, E)
        features = self._of_labels(self.dropout.call(self.encoder, embedded, source.lengths))
        return self.dropout.drop(features, training=self.training)

    def _of_labels(self, encoded: Encoded) -> Float[Tensor, "B Ty H"]:
        return encoded.outputs


class Classifier(Tagger):
    """One label for a text, from the last output of each direction: Ty = 1."""

    def _of_labels(self, encoded: Encoded) -> Float[Tensor, "B 1 H"]:
        return encoded.last.unsqueeze(1)
