"""Models: layers put together so that a batch becomes features and a step becomes logits."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from nmt.layers.attention import Memory
from nmt.layers.decoders import Decoder, DecoderOutput
from nmt.layers.dropout import dropout
from nmt.layers.encoders import Bridge, RecurrentEncoder


class Source(NamedTuple):
    """ids (B, Tx) ending in </s>, padded; lengths (B,), </s> counted."""

    ids: Tensor
    lengths: Tensor


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
        head: nn.Module,
        dropout: float,
    ) -> None:
        super().__init__()
        self.src_embedding, self.trg_embedding = src_embedding, trg_embedding
        self.encoder, self.bridge, self.head = encoder, bridge, head
        self.decoder = decoder
        self.dropout = dropout

    def start(self, source: Source) -> tuple[Memory, Any]:
        """Return the memory of the sources (B rows) and the decoder's first state (B rows)."""
        encoded = self.encoder(self._drop(self.src_embedding(source.ids)), source.lengths)
        memory = self.decoder.attention.remember(self._drop(encoded.outputs), encoded.mask)
        return memory, self.decoder.start(self.bridge(encoded))

    def forward(self, source: Source, trg_in: Tensor) -> DecoderOutput:
        """Return features (B, Ty, H) and alignment for the given targets (B, Ty): teacher forcing."""
        memory, state = self.start(source)
        output = self.decoder(self._drop(self.trg_embedding(trg_in)), memory, state)
        return DecoderOutput(self._drop(output.features), output.alignment)

    def step(self, y_prev: Tensor, memory: Memory, state: Any) -> tuple[Tensor, Tensor, Any]:
        """Return logits (N, V), alignment (N, Tx) and the next state for the tokens y_prev (N,)."""
        output, state = self.decoder.step(self._drop(self.trg_embedding(y_prev)), memory, state)
        return self.head(self._drop(output.features)), output.alignment, state

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, training=self.training)
