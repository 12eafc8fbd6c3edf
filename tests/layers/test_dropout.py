"""Dropout by random bytes: of elements, sequences, words and weights."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.builders.model import build_language_model, build_model
from nmt.config.model import LanguageModelConfig, ModelConfig
from nmt.layers.attention import GeneralAttention
from nmt.layers.cells import LSTMCell
from nmt.layers.decoders import ConditionalDecoder, InputFeedingDecoder, LayerParallelDecoder
from nmt.layers.dropout import Axis, Dropout, dropout
from nmt.layers.encoders import RecurrentEncoder
from nmt.layers.gru import GRUCell
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.layers.rnn import RNNCell
from nmt.layers.stack import StackOptions
from nmt.machine import has_bfloat16
from nmt.models import Source

B, T, D, H = 3, 5, 4, 8


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4, 0.9])
def test_the_share_is_dropped_and_the_mean_stays(share: float) -> None:
    x = torch.ones(500, 401, dtype=torch.float64)
    y = dropout(x, share, training=True)
    assert (y == 0).double().mean().item() == pytest.approx(share, abs=0.005)
    assert y.mean().item() == pytest.approx(1.0, abs=0.02)
    assert len(y.unique()) == 2


def test_nothing_is_dropped_in_evaluation_or_at_share_zero() -> None:
    x = torch.randn(3, 5)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x


def test_the_same_seed_drops_the_same_elements_and_the_next_draw_others() -> None:
    x = torch.ones(50, 50)
    torch.manual_seed(3)
    first, second = dropout(x, 0.3, training=True), dropout(x, 0.3, training=True)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x, 0.3, training=True))
    assert not torch.equal(first, second)


def test_the_gradient_passes_where_the_element_does() -> None:
    x = torch.randn(7, 9, dtype=torch.float64).t().requires_grad_()  # not contiguous
    y = dropout(x, 0.5, training=True)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad * x.detach(), y.detach())
    assert (dropout(torch.ones(1000), 0.999999, training=True) <= 256).all()


def test_elements_are_dropped_independently_of_their_neighbours() -> None:
    y = dropout(torch.ones(200_000), 0.5, training=True).bool().double()
    for lag in (1, 2, 8):
        assert torch.corrcoef(torch.stack([y[:-lag], y[lag:]]))[0, 1].abs() < 0.02


@pytest.mark.parametrize(("alike", "same", "varied"), [("positions", 1, 2), ("vectors", 2, 1)])
def test_one_draw_for_all_positions_or_for_whole_vectors(alike: Axis, same: int, varied: int) -> None:
    y = dropout(torch.ones(300, 11, 13), 0.25, training=True, alike=alike)
    first = y.select(same, 0).unsqueeze(same)
    assert torch.equal(y, first.expand_as(y))
    assert y.std(dim=varied).gt(0).double().mean() > 0.9
    assert y.std(dim=0).gt(0).all()
    assert (first == 0).double().mean().item() == pytest.approx(0.25, abs=0.03)
    assert y.mean().item() == pytest.approx(1.0, abs=0.04)


def test_words_are_dropped_whole_before_elements() -> None:
    x = torch.ones(40, 50, 16)
    y = Dropout(words=0.25).embedded(x, training=True)
    assert y.sum(-1).unique().tolist() == [0.0, pytest.approx(16 / 0.75)]
    both = Dropout(features=0.5, words=0.25).embedded(x, training=True)
    assert (both == 0).all(-1).double().mean().item() == pytest.approx(0.25, abs=0.05)
    assert (both == 0).double().mean().item() == pytest.approx(1 - 0.75 * 0.5, abs=0.05)
    assert torch.equal(Dropout(features=0.5, words=0.25).embedded(x, training=False), x)


@pytest.mark.parametrize("training", [True, False])
def test_a_module_is_called_as_it_is_where_no_weight_is_dropped(training: bool) -> None:
    cell, x = LSTMCell(D, H).train(training), torch.randn(B, T, D)
    dropping = Dropout(0.5) if training else Dropout(recurrent=0.5)
    assert torch.equal(dropping.call(cell, x)[0], cell(x)[0])


def dropped_as(cells: list[Any], share: float, seed: int) -> list[Tensor]:
    """The matrices of h as the draws after a seed leave them."""
    torch.manual_seed(seed)
    return [dropout(cell.recurrent_proj.weight[:, -H:], share, training=True) for cell in cells]


def exactly(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", [RNNCell, GRUCell, LSTMCell, LayerNormLSTMCell])
def test_dropped_weights_are_those_of_one_draw(kind: Any) -> None:
    """Outputs and gradients of a plain cell that has the dropped matrix, by a mask, as its own."""
    cell, x, weight = kind(D, H).double(), torch.randn(B, T, D).double(), torch.randn(B, T, H).double()
    plain = copy.deepcopy(cell)
    torch.manual_seed(4)
    y, _ = Dropout(recurrent=0.4).call(cell, x)
    (own,) = dropped_as([cell], 0.4, seed=4)
    assert (own == 0).double().mean().item() == pytest.approx(0.4, abs=0.2)
    with torch.no_grad():
        plain.recurrent_proj.weight.copy_(own)
    exactly(y, plain(x)[0])
    (found,) = torch.autograd.grad((y * weight).sum(), cell.recurrent_proj.weight)
    (expected,) = torch.autograd.grad((plain(x)[0] * weight).sum(), plain.recurrent_proj.weight)
    exactly(found, expected * (own != 0) * (256 / (256 - round(0.4 * 256))))


STYLES = [InputFeedingDecoder, ConditionalDecoder, LayerParallelDecoder]


def decoder_of(style: Any, dropping: Dropout, layers: int = 2) -> Any:
    attention = GeneralAttention(H, H)
    made = style(LSTMCell, attention, StackOptions(H, layers, dropping), input_size=D)
    return made.double()


def given(decoder: Any, rows: int) -> tuple[Tensor, Any, Any]:
    torch.manual_seed(11)
    x, encoded = torch.randn(rows, T, D).double(), torch.randn(rows, 3, H).double()
    memory = decoder.attention.build_memory(encoded, torch.ones(rows, 3, dtype=torch.bool))
    h = [torch.randn(rows, H).double() for _ in range(2)]
    return x, memory, decoder.start(h, memory)


@pytest.mark.parametrize("style", STYLES)
def test_a_decoder_drops_its_weights_once_for_all_steps(style: Any) -> None:
    dropping = Dropout(recurrent=0.4)
    decoder = decoder_of(style, dropping)
    arguments = given(decoder, B)
    torch.manual_seed(5)
    found = dropping.call(decoder, *arguments).features
    cells = [module for module in decoder.modules() if isinstance(module, LSTMCell)]
    with torch.no_grad():
        for cell, own in zip(cells, dropped_as(cells, 0.4, seed=5), strict=True):
            cell.recurrent_proj.weight[:, -H:] = own
    exactly(found, decoder.eval()(*arguments).features)


def test_a_looping_decoder_has_one_mask_for_all_steps() -> None:
    """With one row a mask of what enters a layer is a mask of the columns that multiply it."""
    decoder = decoder_of(InputFeedingDecoder, Dropout(0.5, variational=True))
    arguments = given(decoder, 1)
    torch.manual_seed(6)
    found = decoder(*arguments).features
    torch.manual_seed(6)
    mask = dropout(torch.ones(1, H).double(), 0.5, training=True)
    with torch.no_grad():
        decoder.stack.cells[1].recurrent_proj.weight[:, :H] *= mask
    exactly(found, decoder.eval()(*arguments).features)
    with torch.no_grad():
        exactly(found[:, :1], decoder.step(arguments[0][:, 0], *arguments[1:])[0].features.unsqueeze(1))


def test_an_encoder_has_one_mask_for_all_positions_between_layers() -> None:
    options = StackOptions(H, 2, Dropout(0.5, variational=True))
    encoder = RecurrentEncoder(LSTMCell, options, input_size=D, bidirectional=False).double()
    x, lengths = torch.randn(1, T, D).double(), torch.tensor([T])
    torch.manual_seed(7)
    found = encoder(x, lengths).outputs
    torch.manual_seed(7)
    mask = dropout(torch.ones(1, H).double(), 0.5, training=True)
    with torch.no_grad():
        encoder.stack.cells[1].input_proj.weight *= mask  # type: ignore[attr-defined]
    exactly(found, encoder.eval()(x, lengths).outputs)


@pytest.mark.parametrize(
    "kind", [{"dropout_kind": "variational"}, {"recurrent_dropout": 0.3}, {"word_dropout": 0.3}]
)
@pytest.mark.parametrize("style", ["input_feeding", "conditional", "layer_parallel"])
def test_a_model_drops_in_training_alone_and_by_its_seed(kind: dict[str, Any], style: str) -> None:
    section = {
        "embedding": 6,
        "dropout": 0.3 if "dropout_kind" in kind else 0.0,
        **kind,
        "encoder": {"hidden": 8, "layers": 2},
        "decoder": {"style": style, "hidden": 8, "layers": 2},
    }
    model = build_model(ModelConfig.model_validate(section), 9, 9).double()
    source, trg_in = (
        Source(torch.randint(4, 9, (4, 6)), torch.tensor([6, 3, 2, 6])),
        torch.randint(4, 9, (4, 5)),
    )

    def features(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return model(source, trg_in).features

    assert torch.equal(features(1), features(1))
    assert not torch.equal(features(1), features(2))
    features(1).sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() for n, p in model.named_parameters() if "head" not in n
    )
    model.eval()
    assert torch.equal(features(1), features(2))


def test_a_language_model_drops_its_weights_and_whole_sequences() -> None:
    section = {"kind": "language_model", "embedding": 6, "hidden": 8, "layers": 2, "dropout": 0.5}
    kinds = {"dropout_kind": "variational", "recurrent_dropout": 0.3, "word_dropout": 0.1}
    model = build_language_model(LanguageModelConfig.model_validate({**section, **kinds}), 9).double()
    text = torch.randint(4, 9, (4, 7))
    features = model(text)[0]
    dropped = features == 0
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert dropped.any()
    assert not dropped.all()
    features.sum().backward()
    assert model.stack.cells[1].recurrent_proj.weight.grad.eq(0).double().mean() > 0.2  # type: ignore[attr-defined]


EVERYTHING = {"dropout_kind": "variational", "dropout": 0.3, "recurrent_dropout": 0.3, "word_dropout": 0.2}


@pytest.mark.parametrize("style", ["input_feeding", "conditional", "layer_parallel"])
def test_gradients_with_every_dropout_pass_gradcheck(style: str) -> None:
    """Given the same draws; on a stack with residuals and layer normalisation."""
    stack = {"layers": 2, "hidden": 4, "residual": True, "layer_norm": True}
    section = {"embedding": 3, **EVERYTHING, "encoder": stack, "decoder": {**stack, "style": style}}
    model = build_model(ModelConfig.model_validate(section), 9, 9).double()
    source, trg_in = Source(torch.randint(4, 9, (2, 3)), torch.tensor([3, 2])), torch.randint(4, 9, (2, 3))

    def features(*_: Tensor) -> Tensor:
        torch.manual_seed(8)
        return model(source, trg_in).features

    parameters = [p for name, p in model.named_parameters() if not name.startswith("head")]
    assert torch.autograd.gradcheck(features, parameters, fast_mode=True)


# Without the fused LSTM in bfloat16 training in it is refused: tests/builders/test_hardware.py.
@pytest.mark.parametrize("cell", [*(["lstm"] if has_bfloat16() else []), "gru", "deep_transition"])
@pytest.mark.parametrize("style", ["input_feeding", "conditional", "layer_parallel"])
def test_every_dropout_in_the_precision_that_ships(style: str, cell: str) -> None:
    """The same draws in bfloat16: near what they give in float32, gradients of all parameters together."""
    torch.manual_seed(3)
    stack = {"layers": 2, "hidden": 16, "cell": cell}
    section = {"embedding": 16, **EVERYTHING, "encoder": stack, "decoder": {**stack, "style": style}}
    model = build_model(ModelConfig.model_validate(section), 9, 9)
    source = Source(torch.randint(4, 9, (3, 4)), torch.tensor([4, 2, 3]))
    trg_in, weight = torch.randint(4, 9, (3, 4)), torch.randn(3, 4, 16)
    parameters = [p for name, p in model.named_parameters() if not name.startswith("head")]

    def run(*, bfloat16: bool) -> tuple[Tensor, Tensor]:
        torch.manual_seed(9)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            features = model(source, trg_in).features.float()
        gradients = torch.autograd.grad((features * weight).sum(), parameters)
        return features, torch.cat([gradient.flatten() for gradient in gradients])

    for near, plain in zip(run(bfloat16=True), run(bfloat16=False), strict=True):
        assert (near - plain).norm() <= 0.06 * plain.norm()
