"""nmt.layers.decoders: against a slow reading of the papers' equations, token by token in NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt.layers.attention import GeneralAttention, Memory
from nmt.layers.cells import LSTMCell
from nmt.layers.decoders import (
    ConditionalDecoder,
    Decoder,
    DecoderOutput,
    InputFeedingDecoder,
    LayerParallelDecoder,
)
from nmt.layers.dropout import Dropout
from nmt.layers.stack import StackOptions

B, Ty, Tx, E, M, H = 3, 4, 5, 3, 6, 4
LENGTHS = [5, 3, 1]
Array = np.ndarray
State = tuple[Array, Array]
Reading = Callable[[dict[str, Array], Array, Array, list[Array]], tuple[Array, Array]]


def made(
    style: type[InputFeedingDecoder | ConditionalDecoder | LayerParallelDecoder],
    layers: int,
    dropout: float = 0.0,
) -> Decoder:
    """Return a decoder in float64, every parameter drawn at random."""
    decoder = style(
        LSTMCell, GeneralAttention(M, H), StackOptions(H, layers, Dropout(dropout)), input_size=E
    ).double()
    for parameter in decoder.parameters():
        nn.init.normal_(parameter)
    return decoder


def drawn(layers: int) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Return embedded targets, encoder outputs, their mask and the bridge's h of each layer."""
    x = torch.randn(B, Ty, E, dtype=torch.float64)
    encoded = torch.randn(B, Tx, M, dtype=torch.float64)
    mask = torch.arange(Tx) < torch.tensor(LENGTHS).unsqueeze(1)
    return x, encoded, mask, [torch.randn(B, H, dtype=torch.float64) for _ in range(layers)]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm(w: dict[str, Array], name: str, x: Array, state: State) -> State:
    """Return (h, c) after one step (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""
    h, c = state
    i, f, g, o = np.split(
        w[f"{name}.input_proj.weight"] @ x
        + w[f"{name}.recurrent_proj.weight"] @ h
        + w[f"{name}.recurrent_proj.bias"],
        4,
    )
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm_with_step_input(w: dict[str, Array], name: str, x: Array, step_input: Array, state: State) -> State:
    """Return (h, c) after one step from [x; step input], whose columns stand first in U."""
    of_step_input, own = np.split(w[f"{name}.recurrent_proj.weight"], [len(step_input)], axis=1)
    of_x = w.get(f"{name}.input_proj.weight", np.zeros((len(of_step_input), 0)))
    whole = {"whole.input_proj.weight": np.hstack([of_x, of_step_input]), "whole.recurrent_proj.weight": own}
    whole["whole.recurrent_proj.bias"] = w[f"{name}.recurrent_proj.bias"]
    return lstm(whole, "whole", np.concatenate([x, step_input]), state)


def attend(w: dict[str, Array], query: Array, encoded: Array) -> tuple[Array, Array]:
    """Return the projected context and the alignment over the real outputs (Luong 2015, eq. 7 and 8)."""
    scores = np.exp([query @ w["attention.key.weight"] @ k for k in encoded])
    alignment = scores / scores.sum()
    return w["attention.value.weight"] @ (alignment @ encoded), alignment


def conditional(w: dict[str, Array], x: Array, encoded: Array, h: list[Array]) -> tuple[Array, Array]:
    """Sennrich et al. 2017, §2: features and alignment of one sentence."""
    states = [(start, np.zeros(H)) for start in h]
    features, alignments = [], []
    for y in x:
        between = lstm(w, "stack.cells.0", y, states[0])
        context, alignment = attend(w, between[0], encoded)
        states[0] = lstm(w, "context_cell", context, between)
        for layer in range(1, len(states)):
            states[layer] = lstm(w, f"stack.cells.{layer}", states[layer - 1][0], states[layer])
        top = w["combine.query.weight"] @ states[-1][0] + w["combine.query.bias"]
        features.append(np.tanh(top + w["token.weight"] @ y + context))
        alignments.append(alignment)
    return np.stack(features), np.stack(alignments)


def input_feeding(w: dict[str, Array], x: Array, encoded: Array, h: list[Array]) -> tuple[Array, Array]:
    """Luong 2015, §3.3: the attentional vector of eq. 5 enters the next step beside the token."""
    states, fed = [(start, np.zeros(H)) for start in h], np.zeros(H)
    features, alignments = [], []
    for y in x:
        states[0] = lstm_with_step_input(w, "stack.cells.0", y, fed, states[0])
        for layer in range(1, len(states)):
            below = states[layer - 1][0]
            states[layer] = lstm_with_step_input(w, f"stack.cells.{layer}", np.zeros(0), below, states[layer])
        context, alignment = attend(w, states[-1][0], encoded)
        fed = np.tanh(context + w["combine.query.weight"] @ states[-1][0] + w["combine.query.bias"])
        features.append(fed)
        alignments.append(alignment)
    return np.stack(features), np.stack(alignments)


def luong(w: dict[str, Array], x: Array, encoded: Array, h: list[Array]) -> tuple[Array, Array]:
    """Luong 2015, §3, global attention without input feeding: h → attention → eq. 5, for one layer."""
    state = (h[0], np.zeros(H))
    features, alignments = [], []
    for y in x:
        state = lstm(w, "stack.cells.0", y, state)
        context, alignment = attend(w, state[0], encoded)
        top = w["combine.query.weight"] @ state[0] + w["combine.query.bias"]
        features.append(np.tanh(context + top))
        alignments.append(alignment)
    return np.stack(features), np.stack(alignments)


READINGS = {
    "input feeding, one layer": (InputFeedingDecoder, 1, input_feeding),
    "input feeding, three layers": (InputFeedingDecoder, 3, input_feeding),
    "conditional, one layer": (ConditionalDecoder, 1, conditional),
    "conditional, three layers": (ConditionalDecoder, 3, conditional),
    "layer-parallel, one layer": (LayerParallelDecoder, 1, luong),
}


def unrolled(decoder: Decoder, x: Tensor, memory: Memory, h: list[Tensor]) -> DecoderOutput:
    state, outputs = decoder.start(h, memory), []
    for y in x.unbind(1):
        output, state = decoder.step(y, memory, state)
        outputs.append(output)
    return DecoderOutput(*(torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True)))


@pytest.mark.parametrize(("style", "layers", "reading"), READINGS.values(), ids=READINGS.keys())
def test_against_the_paper(style: type, layers: int, reading: Reading) -> None:
    decoder = made(style, layers)
    x, encoded, mask, h = drawn(layers)
    memory = decoder.attention.build_memory(encoded, mask)
    forward = decoder(x, memory, decoder.start(h, memory))
    assert isinstance(decoder, nn.Module)
    weights = {name: p.detach().numpy() for name, p in decoder.named_parameters()}
    for b, length in enumerate(LENGTHS):
        sentence = (x[b].numpy(), encoded[b, :length].numpy(), [part[b].numpy() for part in h])
        features, alignment = reading(weights, *sentence)
        for found in (forward, unrolled(decoder, x, memory, h)):
            np.testing.assert_allclose(found.features[b].detach(), features, rtol=0, atol=1e-12)
            np.testing.assert_allclose(found.alignment[b, :, :length].detach(), alignment, rtol=0, atol=1e-12)


def test_the_context_enters_the_current_step() -> None:
    """Another source is another bottom layer at once, not one step later."""
    decoder = made(ConditionalDecoder, 1)
    x, encoded, mask, h = drawn(1)
    after, other = (
        decoder.step(x[:, 0], memory, decoder.start(h, memory))[1].cells[0]
        for memory in (decoder.attention.build_memory(part, mask) for part in (encoded, -encoded))
    )
    assert after.h.ne(other.h).all()


@pytest.mark.parametrize("layers", [1, 2])
def test_conditional_drops_between_layers_alone(layers: int) -> None:
    """The embedded target and the features are the model's to drop."""
    decoder = made(ConditionalDecoder, layers, dropout=0.5)
    assert isinstance(decoder, nn.Module)
    x, encoded, mask, h = drawn(layers)
    memory = decoder.attention.build_memory(encoded, mask)
    plain = decoder.eval()(x, memory, decoder.start(h, memory)).features
    decoder.train()
    for dropped in (decoder(x, memory, decoder.start(h, memory)), unrolled(decoder, x, memory, h)):
        assert torch.allclose(dropped.features, plain, rtol=0, atol=1e-12) is (layers == 1)
