"""nmt.builders.model: a configuration becomes the layers it names."""

import itertools
import sys
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from nmt.builders.model import build_model
from nmt.config.model import ModelConfig
from nmt.layers.attention import (
    AdditiveAttention,
    CoverageAttention,
    DotAttention,
    GeneralAttention,
    LocationAttention,
    MultiHeadAttention,
    entmax15,
    softmax,
    sparsemax,
)
from nmt.layers.cells import LSTMCell
from nmt.layers.decoders import ConditionalDecoder, InputFeedingDecoder, LayerParallelDecoder
from nmt.layers.dropout import Dropout
from nmt.layers.gru import GRUCell
from nmt.layers.heads import LexicalHead, PlainHead, TiedHead
from nmt.models import Seq2Seq
from nmt.tokenization.vocabulary import PAD

E, M, H, V_SRC, V_TRG = 6, 8, 12, 20, 20


def build(
    decoder: dict[str, Any] | None = None, *, encoder: dict[str, Any] | None = None, **model: Any
) -> Seq2Seq:
    config = ModelConfig.model_validate(
        {
            "embedding": E,
            "encoder": {"hidden": M, **(encoder or {})},
            "decoder": {"style": "input_feeding", "hidden": H, **(decoder or {})},
            **model,
        }
    )
    return build_model(config, V_SRC, V_TRG)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def lstm(width: int, hidden: int) -> int:
    return 4 * hidden * (width + hidden + 1)


@pytest.mark.parametrize(
    ("kind", "made", "parameters"),
    [
        ({"kind": "additive"}, AdditiveAttention, H * H + M * H + H + M * H),
        ({"kind": "additive", "size": 5}, AdditiveAttention, H * 5 + M * 5 + 5 + M * H),
        ({"kind": "general"}, GeneralAttention, M * H + M * H),
        ({"kind": "multi_head", "heads": 3}, MultiHeadAttention, 2 * H * H + 2 * M * H),
        ({"kind": "coverage", "size": 5}, CoverageAttention, H * 5 + M * 5 + 3 * 5 + M * H),
        (
            {"kind": "location", "filters": 2, "width": 3},
            LocationAttention,
            H * H + M * H + 2 * H + M * H + 2 * 3 + 2 * H,
        ),
    ],
)
def test_each_attention(kind: dict[str, Any], made: type, parameters: int) -> None:
    attention = build({"attention": kind}).decoder.attention
    assert type(attention) is made
    assert count(attention) == parameters  # type: ignore[arg-type]


def test_coverage_weighs_what_it_owes() -> None:
    attention = build({"attention": {"kind": "coverage", "weight": 0.25}}).decoder.attention
    assert attention.weight == 0.25  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["additive", "dot", "general", "multi_head", "coverage", "location"])
def test_any_attention_can_be_normalised_otherwise(kind: str) -> None:
    for name, function in (("softmax", softmax), ("sparsemax", sparsemax), ("entmax15", entmax15)):
        section = {"kind": kind, "normalize": name} | ({"heads": 3} if kind == "multi_head" else {})
        attention = build({"hidden": M if kind == "dot" else H, "attention": section}).decoder.attention
        assert attention.normalize is function  # type: ignore[attr-defined]


def test_without_entmax_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "entmax", None)
    section = {"kind": "general", "normalize": "sparsemax"}
    with pytest.raises(ValidationError, match=r"sparsemax needs the extra entmax.*pip install entmax"):
        ModelConfig.model_validate({"decoder": {"attention": section}})
    ModelConfig.model_validate({"decoder": {"attention": {"kind": "general"}}})


def test_dot_attention() -> None:
    attention = build({"hidden": M, "attention": {"kind": "dot"}}).decoder.attention
    assert type(attention) is DotAttention
    assert count(attention) == M * M


def test_input_feeding_has_the_parameters_it_says() -> None:
    decoder = build({"style": "input_feeding", "layers": 3}).decoder
    assert type(decoder) is InputFeedingDecoder
    # What is fed enters the bottom cell beside the token.
    assert count(decoder.stack) == lstm(E + H, H) + 2 * lstm(H, H)  # type: ignore[arg-type]
    assert count(decoder.combine) == H * H + H


def test_conditional_has_the_parameters_it_says() -> None:
    decoder = build({"style": "conditional", "layers": 3}).decoder
    assert type(decoder) is ConditionalDecoder
    assert count(decoder.context_cell) == lstm(H, H)  # type: ignore[arg-type]
    assert count(decoder.stack) == lstm(E, H) + 2 * lstm(H, H)  # type: ignore[arg-type]
    assert count(decoder.token) == E * H
    assert count(decoder.combine) == H * H + H


def test_layer_parallel_has_the_parameters_it_says() -> None:
    decoder = build({"style": "layer_parallel", "layers": 3}).decoder
    assert type(decoder) is LayerParallelDecoder
    assert count(decoder.stack) == lstm(E, H) + 2 * lstm(2 * H, H)  # type: ignore[arg-type]
    assert count(decoder.combine) == H * H + H


@pytest.mark.parametrize(("bidirectional", "directions"), [(True, 2), (False, 1)])
def test_the_encoders_width_is_of_both_directions_together(bidirectional: bool, directions: int) -> None:
    encoder = build(encoder={"bidirectional": bidirectional, "layers": 2}).encoder
    width = M // directions
    assert count(encoder) == directions * (lstm(E, width) + lstm(M, width))


def test_encoder_and_decoder_have_each_their_cell() -> None:
    model = build({"cell": {"kind": "lstm", "forget_bias": 3.0}}, encoder={"cell": "gru"})
    assert type(model.encoder.stack.cells[0]) is GRUCell
    (cell,) = model.decoder.stack.cells  # type: ignore[union-attr, misc]
    assert type(cell) is LSTMCell
    assert (cell.recurrent_proj.bias[H : 2 * H] == 3).all()


@pytest.mark.parametrize(
    ("bridge", "parameters"), [("last", M * H * 2 + H * 2), ("mean", M * H * 2 + H * 2), ("zero", 0)]
)
def test_each_bridge(bridge: str, parameters: int) -> None:
    made = build({"bridge": bridge, "layers": 2}).bridge
    assert made.summary == bridge
    assert count(made) == parameters


def test_tying_nothing_makes_three_matrices() -> None:
    model = build()
    assert type(model.head) is PlainHead
    assert model.src_embedding.weight is not model.trg_embedding.weight
    assert count(model.head) == H * V_TRG + V_TRG


@pytest.mark.parametrize("ways", ["two_way", "three_way"])
def test_tied_matrices_are_one_tensor(ways: str) -> None:
    model, untied = build(tie_embeddings=ways), build()
    assert isinstance(model.head, TiedHead)
    assert model.head.output.weight is model.trg_embedding.weight
    assert (model.src_embedding.weight is model.trg_embedding.weight) is (ways == "three_way")
    saved = H * V_TRG - H * E + (V_SRC * E if ways == "three_way" else 0)
    assert count(model) == count(untied) - saved
    names = [name for name, p in model.named_parameters() if p is model.head.output.weight]
    assert names == ["src_embedding.weight" if ways == "three_way" else "trg_embedding.weight"]


@pytest.mark.parametrize(("ways", "plain"), [("none", PlainHead), ("two_way", TiedHead)])
def test_a_lexical_head_stands_beside_either(ways: str, plain: type) -> None:
    head = build(tie_embeddings=ways, head={"kind": "lexical"}).head
    assert isinstance(head, LexicalHead)
    assert type(head.plain) is plain
    assert count(head) == count(build(tie_embeddings=ways).head) + E * E + E * V_TRG


def test_padding_is_embedded_as_zero_and_stays_so() -> None:
    model = build()
    for embedding in (model.src_embedding, model.trg_embedding):
        assert not embedding.weight[PAD].any()
        embedding(torch.tensor([PAD, 5])).sum().backward()
        assert embedding.weight.grad is not None
        assert embedding.weight.grad.any(dim=-1).nonzero().flatten().tolist() == [5]


def test_the_same_seed_draws_the_same_model() -> None:
    def drawn(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return build(tie_embeddings="two_way").state_dict()

    first, second, other = drawn(1), drawn(1), drawn(2)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(
        first["encoder.stack.cells.0.input_proj.weight"], other["encoder.stack.cells.0.input_proj.weight"]
    )


def test_dropout_reaches_every_part() -> None:
    kinds = {"dropout_kind": "variational", "recurrent_dropout": 0.5, "word_dropout": 0.125}
    model = build({"layers": 2}, dropout=0.25, **kinds)
    parts = (model, model.encoder.stack, model.decoder.stack)
    expected = Dropout(features=0.25, variational=True, recurrent=0.5, words=0.125)
    assert [part.dropout for part in parts] == [expected] * 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"decoder": {"attention": {"kind": "hard"}}}, "decoder.attention"),
        ({"decoder": {"attention": {"kind": "location", "width": 4}}}, "decoder.attention.location.width"),
        ({"decoder": {"attention": {"kind": "coverage", "weight": -1.0}}}, "greater than or equal to 0"),
        (
            {"decoder": {"attention": {"kind": "dot", "normalize": "max"}}},
            "'softmax', 'sparsemax' or 'entmax15'",
        ),
        ({"head": {"kind": "copy"}}, "'plain', 'lexical'"),
        (
            {"decoder": {"style": "layer_parallel", "attention": {"kind": "coverage"}}},
            "decoder.attention.kind coverage has a state that changes at each step, and decoder.style",
        ),
        (
            {"decoder": {"style": "layer_parallel", "attention": {"kind": "location"}}},
            "decoder.attention.kind location has a state that changes at each step",
        ),
        ({"decoder": {"style": "plain"}}, "'input_feeding', 'conditional' or 'layer_parallel'"),
        ({"decoder": {"cell": "qrnn"}}, "'lstm'"),
        ({"decoder": {"layers": 0}}, "greater than or equal to 1"),
        ({"decoder": {"attention": {"kind": "general", "size": 3}}}, "Extra inputs are not permitted"),
        ({"dropout": 1.0}, "less than 1"),
        (
            {"dropout": 0.001},
            "expected 0, or a dropout rate from 0.0039 to 0.9961 (rates are rounded to 1/256); found 0.001",
        ),
        ({"word_dropout": 0.999}, "found 0.999"),
        ({"dropout": 0, "dropout_kind": "variational"}, "variational needs a dropout above 0, found 0"),
        (
            {"recurrent_dropout": 0.25, "decoder": {"cell": "sru"}},
            "recurrent_dropout 0.25 needs a recurrent matrix, and decoder.cell sru has",
        ),
        ({"encoder": {"residual": True}}, "residual needs two layers or more, found one; set layers: 2"),
        ({"decoder": {"layer_norm": True}}, "layer_norm needs two layers or more, found one"),
        (
            {"tie_embeddings": "three_way", "embeddings": {"src": "a.vec", "trg": "b.vec"}},
            "found two files, embeddings.src a.vec and embeddings.trg b.vec; leave one out",
        ),
        ({"tie_embeddings": "four_way"}, "'none', 'two_way' or 'three_way'"),
    ],
)
def test_what_cannot_be_built_is_refused_before(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        ModelConfig.model_validate(model)
    assert message in str(error.value)


WIDTHS = itertools.product([4, 5, 6], [4, 6], [True, False], ["dot", "general", "multi_head"])


@pytest.mark.parametrize(("encoder", "decoder", "bidirectional", "kind"), list(WIDTHS))
def test_what_the_configuration_admits_can_be_built(
    encoder: int, decoder: int, bidirectional: bool, kind: str
) -> None:
    """The configuration refuses exactly the widths that the layers cannot have."""
    attention = {"kind": kind, "heads": 4} if kind == "multi_head" else {"kind": kind}
    section = {
        "embedding": 3,
        "encoder": {"hidden": encoder, "bidirectional": bidirectional},
        "decoder": {"hidden": decoder, "attention": attention},
    }
    fits = not (
        (bidirectional and encoder % 2)
        or (kind == "dot" and encoder != decoder)
        or (kind == "multi_head" and decoder % 4)
    )
    if fits:
        build_model(ModelConfig.model_validate(section), 9, 9)
    else:
        with pytest.raises(ValidationError, match=r"even number|make them equal|does not divide"):
            ModelConfig.model_validate(section)
