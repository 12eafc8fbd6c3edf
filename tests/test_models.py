"""nmt.models: the sequence-to-sequence and the language model as training and search use them."""

import pytest
import torch
from torch import Tensor

from nmt.builders.model import build_language_model, build_model
from nmt.config.model import LanguageModelConfig, ModelConfig
from nmt.models import LanguageModel, Seq2Seq, Source

STYLES = ["input_feeding", "layer_parallel"]
SOURCE = Source(torch.tensor([[4, 5, 6, 3], [7, 3, 0, 0]]), torch.tensor([4, 2]))
TRG_IN = torch.tensor([[2, 4, 5], [2, 6, 0]])


def model(style: str, *, dropout: float = 0.0, bridge: str = "last", layers: int = 2) -> Seq2Seq:
    return build_model(
        ModelConfig.model_validate(
            {
                "embedding": 6,
                "dropout": dropout,
                "encoder": {"hidden": 8, "layers": layers},
                "decoder": {"style": style, "hidden": 8, "layers": layers, "bridge": bridge},
            }
        ),
        8,
        9,
    ).double()


def features(of: Seq2Seq, seed: int = 1) -> Tensor:
    torch.manual_seed(seed)
    return of(SOURCE, TRG_IN).features


@pytest.mark.parametrize("style", STYLES)
def test_shapes(style: str) -> None:
    made = model(style)
    output = made(SOURCE, TRG_IN)
    assert output.features.shape == (2, 3, 8)
    assert output.alignment.shape == (2, 3, 4)
    logits, alignment, _ = made.step(TRG_IN[:, 0], *made.start(SOURCE))
    assert logits.shape == (2, 9)
    assert alignment.shape == (2, 4)


@pytest.mark.parametrize("style", STYLES)
def test_features_depend_on_no_later_target(style: str) -> None:
    made = model(style)
    changed = TRG_IN.clone()
    changed[:, 2] = 7
    before, after = made(SOURCE, TRG_IN).features, made(SOURCE, changed).features
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=0, atol=1e-12)
    assert not torch.equal(after[:, 2], before[:, 2])


@pytest.mark.parametrize("style", STYLES)
def test_features_depend_on_every_source_token(style: str) -> None:
    made = model(style)
    before = made(SOURCE, TRG_IN).features
    for position in range(4):
        ids = SOURCE.ids.clone()
        ids[0, position] = 1
        after = made(SOURCE._replace(ids=ids), TRG_IN).features
        assert after[0].ne(before[0]).any()
        torch.testing.assert_close(after[1], before[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_acts_in_training_alone(style: str, layers: int) -> None:
    made = model(style, dropout=0.4, layers=layers).train()
    assert torch.equal(features(made), features(made))
    assert not torch.equal(features(made, seed=1), features(made, seed=2))
    made.eval()
    assert torch.equal(features(made, seed=1), features(made, seed=2))
    assert not torch.equal(features(made.train()), features(made.eval()))


@pytest.mark.parametrize("style", STYLES)
def test_no_dropout_is_evaluation(style: str) -> None:
    made = model(style)
    torch.testing.assert_close(features(made.train()), features(made.eval()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_dropout_drops_a_share_of_the_features(style: str) -> None:
    made = model(style, dropout=0.5).train()
    assert (made(SOURCE, TRG_IN).features == 0).double().mean() == pytest.approx(0.5, abs=0.25)


@pytest.mark.parametrize("style", STYLES)
def test_a_step_in_training_drops_too(style: str) -> None:
    made = model(style, dropout=0.4).train()
    logits = [made.step(TRG_IN[:, 0], *made.start(SOURCE))[0] for _ in range(2)]
    assert not torch.equal(*logits)


@pytest.mark.parametrize("bridge", ["last", "mean", "zero"])
def test_the_bridge_gives_the_first_state(bridge: str) -> None:
    made = model("layer_parallel", bridge=bridge)
    _, state = made.start(SOURCE)
    expected = made.bridge(made.encoder(made.src_embedding(SOURCE.ids), SOURCE.lengths))
    assert len(state) == len(expected) == 2
    for cell, h in zip(state, expected, strict=True):
        torch.testing.assert_close(cell.h, h, rtol=0, atol=1e-12)
        assert not cell.c.any()
        assert bool(cell.h.any()) is (bridge != "zero")


def test_input_feeding_begins_with_nothing_fed() -> None:
    made = model("input_feeding")
    _, state = made.start(SOURCE)
    assert not state.fed.any()
    _, _, after = made.step(TRG_IN[:, 0], *made.start(SOURCE))
    assert after.fed.any()


def test_what_is_fed_enters_the_next_step() -> None:
    made = model("input_feeding")
    memory, state = made.start(SOURCE)
    plain, _, _ = made.step(TRG_IN[:, 0], memory, state)
    fed, _, _ = made.step(TRG_IN[:, 0], memory, state._replace(fed=torch.ones_like(state.fed)))
    assert not torch.equal(plain, fed)


CELLS = ["lstm", "gru", "rnn", "irnn", "ln_lstm", "sru", "deep_transition"]
TEXT = torch.tensor([[2, 4, 5, 6, 7], [2, 8, 8, 4, 5]])


def language_model(
    cell: str = "lstm", layers: int = 2, *, tied: str = "none", dropout: float = 0.0
) -> LanguageModel:
    config = {"embedding": 5, "hidden": 6, "cell": cell, "layers": layers}
    section = LanguageModelConfig.model_validate({**config, "tie_embeddings": tied, "dropout": dropout})
    made = build_language_model(section, 9).double()
    for parameter in made.parameters():
        if parameter.ndim == 1:
            torch.nn.init.uniform_(parameter, -0.5, 0.5)
    return made


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
def test_the_text_at_once_is_the_text_step_by_step(cell: str, layers: int) -> None:
    made = language_model(cell, layers)
    features, end = made(TEXT)
    state, logits = made.start(2), []
    for position in range(TEXT.shape[1]):
        step, state = made.step(TEXT[:, position], state)
        logits.append(step)
    torch.testing.assert_close(made.head(features), torch.stack(logits, dim=1), rtol=0, atol=1e-12)
    torch.testing.assert_close(made.flat(end), made.flat(state), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_a_text_in_parts_is_the_text_at_once(cell: str) -> None:
    made = language_model(cell)
    whole, end = made(TEXT)
    first, middle = made(TEXT[:, :2])
    second, last = made(TEXT[:, 2:], made.unflat(made.flat(middle)))
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(made.flat(last), made.flat(end), rtol=0, atol=1e-12)
    assert not torch.allclose(made(TEXT[:, 2:])[0], second)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "irnn"])  # which has a kink
def test_the_loss_of_a_text_and_what_it_carried_passes_gradcheck(cell: str) -> None:
    made = language_model(cell)
    carried = made.flat(made(TEXT)[1]).detach().requires_grad_()

    def loss(before: Tensor, *_: Tensor) -> Tensor:
        logits = made.head(made(TEXT[:, :-1], made.unflat(before))[0])
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), TEXT[:, 1:].flatten())

    assert torch.autograd.gradcheck(loss, (carried, *made.parameters()), fast_mode=True)


def test_a_flat_state_is_the_state() -> None:
    made = language_model("lstm", 2)
    state = made(TEXT)[1]
    again = made.unflat(made.flat(state))
    assert [type(part) for part in again] == [type(part) for part in state]
    assert all(
        a.equal(b) for one, other in zip(state, again, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_a_feature_depends_on_no_later_piece() -> None:
    made, changed = language_model(), TEXT.clone()
    changed[:, 3] = 8
    before, after = made(TEXT)[0], made(changed)[0]
    torch.testing.assert_close(after[:, :3], before[:, :3], rtol=0, atol=1e-12)
    assert after[:, 3].ne(before[:, 3]).any()


def test_a_tied_language_model_has_one_matrix() -> None:
    tied, plain = language_model(tied="two_way"), language_model()
    assert tied.head.output.weight is tied.embedding.weight
    assert plain.head.output.weight is not plain.embedding.weight


def test_a_language_model_drops_in_training_alone() -> None:
    made = language_model(dropout=0.4).train()
    assert not torch.equal(made(TEXT)[0], made(TEXT)[0])
    assert not torch.equal(made.step(TEXT[:, 0], made.start(2))[0], made.step(TEXT[:, 0], made.start(2))[0])
    made.eval()
    assert torch.equal(made(TEXT)[0], made(TEXT)[0])
