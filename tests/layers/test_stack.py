"""nmt.layers.stack: stacks with residuals and layer normalisation, layer by layer."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.attention import GeneralAttention
from nmt.layers.cells import LSTMCell
from nmt.layers.decoders import ConditionalDecoder, InputFeedingDecoder, LayerParallelDecoder
from nmt.layers.dropout import Dropout
from nmt.layers.encoders import RecurrentEncoder, reverse_within
from nmt.layers.heads import PlainHead
from nmt.layers.stack import Stack, StackOptions
from nmt.models import LanguageModel

B, T, E, H, LAYERS = 3, 4, 5, 6, 3
LENGTHS = torch.tensor([4, 2, 1])
NOTHING = Dropout()
every_way = pytest.mark.parametrize(("residual", "layer_norm"), [(1, 0), (0, 1), (1, 1)])


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def exactly(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def random(module: nn.Module) -> None:
    module.double()
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -1, 1)


def normal(x: Tensor, norm: nn.Module) -> Tensor:
    """Ba et al. 2016, eq. 4, written out."""
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return centred / spread * norm.weight + norm.bias  # type: ignore[operator]


def read_by(stack: Stack, layer: int, x: Tensor) -> Tensor:
    return x if stack.norms is None else normal(x, stack.norms[layer - 1])


def options(residual: int, layer_norm: int) -> StackOptions:
    return StackOptions(H, LAYERS, NOTHING, residual=bool(residual), layer_norm=bool(layer_norm))


@every_way
def test_an_encoder_layer_by_layer(residual: int, layer_norm: int) -> None:
    encoder = RecurrentEncoder(LSTMCell, options(residual, layer_norm), input_size=E, bidirectional=True)
    random(encoder)
    x = source = drawn(B, T, E)
    for layer in range(LAYERS):
        reads = read_by(encoder.stack, layer, x) if layer else x
        forward = encoder.stack.cells[layer](reads)[0]
        backward = encoder.backward_cells[layer](reverse_within(reads, LENGTHS))[0]
        y = torch.cat([forward, reverse_within(backward, LENGTHS)], dim=-1)
        x = x + y if layer and residual else y
    exactly(encoder(source, LENGTHS).outputs, x)


@every_way
def test_a_language_model_layer_by_layer(residual: int, layer_norm: int) -> None:
    model = LanguageModel(
        LSTMCell, options(residual, layer_norm), embedding=nn.Embedding(9, E), head=PlainHead(H, 9)
    )
    random(model)
    text = torch.randint(9, (B, T))
    x = model.embedding(text)
    for layer, cell in enumerate(model.stack.cells):
        y = cell(read_by(model.stack, layer, x) if layer else x)[0]
        x = x + y if layer and residual else y
    exactly(model(text)[0], x)
    state, stepped = model.start(B), []
    for y_prev in text.unbind(1):
        logits, state = model.step(y_prev, state)
        stepped.append(logits)
    exactly(torch.stack(stepped, dim=1), model.head(x))


@every_way
@pytest.mark.parametrize("style", [InputFeedingDecoder, ConditionalDecoder, LayerParallelDecoder])
def test_a_step_of_each_decoder_layer_by_layer(
    style: type[InputFeedingDecoder | ConditionalDecoder | LayerParallelDecoder],
    residual: int,
    layer_norm: int,
) -> None:
    decoder = style(LSTMCell, GeneralAttention(H, H), options(residual, layer_norm), input_size=E)
    random(decoder)
    x = drawn(B, E)
    memory = decoder.attention.build_memory(drawn(B, T, H), torch.arange(T) < LENGTHS.unsqueeze(1))
    state = decoder.start([drawn(B, H) for _ in range(LAYERS)], memory)
    found, _ = decoder.step(x, memory, state)

    def attended(query: Tensor) -> Tensor:
        context: Tensor = decoder.attention(query.unsqueeze(1), memory, None)[0]
        return context.squeeze(1)

    token: Tensor | float = 0.0
    match decoder:
        case InputFeedingDecoder():
            h, _ = decoder.stack.layers[0].step(decoder.stack.layers[0].project(x), state.cells[0], state.fed)
            above = decoder.stack.layers[1:]
            befores = state.cells
        case ConditionalDecoder():
            h, between = decoder.stack.layers[0].step(decoder.stack.layers[0].project(x), state.cells[0])
            context = attended(h)
            h, _ = decoder.context_cell.step(decoder.context_cell.project(context), between)
            above, befores, token = decoder.stack.layers[1:], state.cells, decoder.token(x)
        case LayerParallelDecoder():
            h, _ = decoder.stack.layers[0].step(decoder.stack.layers[0].project(x), state[0])
            context = attended(h)
            above, befores = decoder.stack.layers[1:], state
    for layer, cell in enumerate(above, start=1):
        if isinstance(decoder, LayerParallelDecoder):
            both = torch.cat([h, context], dim=-1)
            y, _ = cell.step(cell.project(read_by(decoder.stack, layer, both)), befores[layer])
        elif isinstance(decoder, InputFeedingDecoder):
            y, _ = cell.step(None, befores[layer], read_by(decoder.stack, layer, h))
        else:
            y, _ = cell.step(cell.project(read_by(decoder.stack, layer, h)), befores[layer])
        always = isinstance(decoder, LayerParallelDecoder) and layer > 1
        h = h + y if residual or always else y
    if isinstance(decoder, InputFeedingDecoder):
        context = attended(h)
    query = F.linear(h, decoder.combine.query.weight, decoder.combine.query.bias)
    exactly(found.features, torch.tanh(context + token + query))


def cells() -> list[LSTMCell]:
    return [LSTMCell(E if layer == 0 else H, H) for layer in range(LAYERS)]


def test_a_stack_without_either_has_no_parameters_for_it() -> None:
    of_cells = sum(p.numel() for cell in cells() for p in cell.parameters())
    assert sum(p.numel() for p in Stack(cells(), options(1, 0)).parameters()) == of_cells
    normal = Stack(cells(), options(0, 1))
    assert sum(p.numel() for p in normal.parameters()) == of_cells + 2 * H * (LAYERS - 1)


def test_the_residual_passes_what_was_not_dropped() -> None:
    stack = Stack(cells(), StackOptions(H, LAYERS, Dropout(0.9), residual=True))
    x, y = drawn(B, H), drawn(B, H)
    assert (stack.before(1, x) == 0).any()
    assert torch.equal(stack.after(1, x, y), x + y)
