"""What every decoder promises with every attention at any depth.

A new style, attention or cell is one more name in the lists below. That forward equals the unrolled step is
tested over the full product, the rest over a part of it that has every pair of options. Plain path: float64
at 1e-10; the kernels that ship: float32 and bf16 at the tolerances of SHIPPING.
"""

import itertools
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from nmt.builders.model import build_model
from nmt.config.model import ModelConfig
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.trees import select_rows, tensors
from nmt.layers.decoders import DecoderOutput
from nmt.machine import has_bfloat16
from nmt.models import Seq2Seq, Source
from nmt.objectives.cross_entropy import FIGURES, cross_entropy
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.objectives.token_loss import loss_over_tokens

STYLES = ["input_feeding", "conditional", "layer_parallel"]
ATTENTIONS: list[dict[str, Any]] = [
    {"kind": "additive", "size": 5},
    {"kind": "dot"},
    {"kind": "general"},
    {"kind": "multi_head", "heads": 2},
    {"kind": "coverage", "size": 5},
    {"kind": "location", "size": 5, "filters": 3, "width": 3},
]
CARRYING = ["coverage", "location"]  # from step to step, which no layer-parallel decoder can
SPARSE = [  # at one depth
    {"kind": "general", "normalize": "sparsemax"},
    {"kind": "coverage", "size": 5, "normalize": "entmax15"},
]
CELLS = ["rnn", "gru", "ln_lstm", "sru", "deep_transition", "irnn"]  # beside the LSTM
# A shut ReLU of the IRNN learns nothing, and what is near 0 may in bfloat16 be on its other side.
SMOOTH = CELLS[:-1]
LAYERS = [1, 2, 3]
# The largest error, as a share of the norm: of what comes out, and of each parameter's gradient.
SHIPPING = [pytest.param(torch.float32, 1e-6, 1e-5, id="float32")]
if has_bfloat16():  # else training in it is refused: tests/builders/test_hardware.py
    SHIPPING.append(pytest.param(torch.bfloat16, 2e-2, 6e-2, id="bfloat16"))

V_SRC, V_TRG = 11, 9
SRC_LEN, TRG_LEN = [5, 2, 1], [2, 4, 1]


class Kind(NamedTuple):
    style: str
    attention: dict[str, Any]
    cell: str
    layers: int
    head: str = "plain"
    between: bool = False  # residuals and layer normalisation

    @property
    def name(self) -> str:
        return "-".join(
            [self.style, *map(str, self.attention.values()), self.cell, str(self.layers), self.head]
            + ["between"] * self.between
        )


def product(layers: list[int], cells: list[str] = CELLS) -> list[Kind]:
    """Every decoder with every attention at every depth with LSTMs; another cell once with each of them.

    The lexical head and the sparse alignments at one depth with every decoder, residuals and layer
    normalisation at every depth above one.
    """
    kinds = [Kind(*parts) for parts in itertools.product(STYLES, ATTENTIONS, ["lstm"], layers)]
    kinds += [Kind(*parts) for parts in itertools.product(STYLES, SPARSE, ["lstm"], layers[:1])]
    kinds += [Kind(style, ATTENTIONS[0], "lstm", layers[0], "lexical") for style in STYLES]
    kinds += [
        Kind(style, ATTENTIONS[2], "lstm", n, between=True) for style in STYLES for n in layers if n > 1
    ]
    for turn, cell in enumerate(cells):
        kinds += [
            Kind(STYLES[(turn + n) % 3], attention, cell, layers[(n - turn) % len(layers)])
            for n, attention in enumerate(ATTENTIONS)
        ]
    return [k for k in kinds if k.style != "layer_parallel" or k.attention["kind"] not in CARRYING]


def pairs_of(kind: Kind) -> set[tuple[tuple[str, str], ...]]:
    """Return every pair of options of a kind, but cell with attention: neither sees the other."""
    options = [(name, str(value)) for name, value in kind._asdict().items()]
    pairs = set(itertools.combinations(options, 2))
    return {pair for pair in pairs if {name for name, _ in pair} != {"attention", "cell"}}


def pairwise(kinds: list[Kind]) -> list[Kind]:
    """Return some of the kinds that together have every pair of options that all of them have."""
    chosen: list[Kind] = []
    missing = set().union(*map(pairs_of, kinds))
    while missing:
        chosen.append(max(kinds, key=lambda kind: len(missing & pairs_of(kind))))
        missing -= pairs_of(chosen[-1])
    return chosen


def every(kinds: list[Kind]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name)


def model_of(kind: Kind, hidden: int = 6, embedding: int = 4) -> Seq2Seq:
    """Return a model in evaluation mode, in float64, every parameter drawn at random."""
    between = {"residual": kind.between, "layer_norm": kind.between}
    config = ModelConfig.model_validate(
        {
            "embedding": embedding,
            "tie_embeddings": "two_way",
            "head": {"kind": kind.head},
            "encoder": {"cell": kind.cell, "layers": kind.layers, "hidden": hidden, **between},
            "decoder": {
                "style": kind.style,
                "cell": kind.cell,
                "layers": kind.layers,
                "hidden": hidden,
                "attention": kind.attention,
                **between,
            },
        }
    )
    model = build_model(config, V_SRC, V_TRG).double().eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, -0.5, 0.5)
    return model


class Case(NamedTuple):
    source: Source
    trg_in: Tensor
    trg_out: Tensor
    mask: Tensor


def padded_ids(lengths: list[int], size: int) -> Tensor:
    real = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return torch.where(real, torch.randint(1, size, real.shape), 0)


def case() -> Case:
    trg = padded_ids(TRG_LEN, V_TRG)
    source = Source(padded_ids(SRC_LEN, V_SRC), torch.tensor(SRC_LEN))
    return Case(source, trg, trg.roll(-1, dims=1), trg != 0)


def loss_of(model: Seq2Seq, batch: Case, *, penalty: bool = True) -> Tensor:
    features, alignment = model(batch.source, batch.trg_in)
    auxiliary = model.decoder.attention.penalty(alignment, batch.mask)
    forced = TeacherForced(
        features, model.head, batch.trg_out, batch.mask, auxiliary if penalty else auxiliary.new_zeros(())
    )
    found = loss_over_tokens(forced, partial(cross_entropy, smoothing=0.1), FIGURES)
    return found.sum / found.count


def unrolled(model: Seq2Seq, batch: Case) -> DecoderOutput:
    """Return what forward returns, by the step that search takes, under plain autograd."""
    memory, state = model.start(batch.source)
    outputs = []
    for y_prev in batch.trg_in.unbind(1):
        output, state = model.decoder.step(model.trg_embedding(y_prev), memory, state)
        features = model.head.join(output.features, output.alignment, memory.words)
        outputs.append(DecoderOutput(features, output.alignment))
    return DecoderOutput(*(torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True)))


def steps(model: Seq2Seq, trg_in: Tensor, memory: Any, state: Any) -> tuple[Tensor, Tensor]:
    """Return logits (N, Ty, V) and alignment (N, Ty, Tx) of the model's own step."""
    logits, alignments = [], []
    for y_prev in trg_in.unbind(1):
        scores, alignment, state = model.step(y_prev, memory, state)
        logits.append(scores)
        alignments.append(alignment)
    return torch.stack(logits, dim=1), torch.stack(alignments, dim=1)


def exactly(found: Any, expected: Any, atol: float = 1e-10) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@every(product(LAYERS))
def test_forward_is_the_unrolled_step(kind: Kind) -> None:
    model, batch = model_of(kind), case()
    forward = model(batch.source, batch.trg_in)
    exactly(tuple(forward), tuple(unrolled(model, batch)))
    with torch.no_grad():
        exactly(tuple(model(batch.source, batch.trg_in)), tuple(forward))
        logits, alignment = steps(model, batch.trg_in, *model.start(batch.source))
    exactly(logits, model.head(forward.features))
    exactly(alignment, forward.alignment)


@every(product(LAYERS))
def test_forward_has_the_gradients_of_the_unrolled_step(kind: Kind) -> None:
    model, batch = model_of(kind), case()
    forward, steps = model(batch.source, batch.trg_in), unrolled(model, batch)
    weight = torch.randn_like(forward.features)
    parameters = [p for name, p in model.named_parameters() if not name.startswith("head")]
    found, expected = (
        torch.autograd.grad((output.features * weight).sum() + output.alignment.square().sum(), parameters)
        for output in (forward, steps)
    )
    exactly(found, expected)


@pytest.mark.slow
@every(pairwise(product([1, 2])))
def test_the_loss_passes_gradcheck(kind: Kind) -> None:
    model, batch = model_of(kind, hidden=4, embedding=3), case()
    assert torch.autograd.gradcheck(
        lambda *_: loss_of(model, batch), tuple(model.parameters()), fast_mode=True
    )


@every(pairwise(product(LAYERS, SMOOTH)))
def test_every_parameter_learns(kind: Kind) -> None:
    model, batch = model_of(kind), case()
    loss_of(model, batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        rows = parameter.grad
        if name == "src_embedding.weight":
            rows = rows[batch.source.ids.unique()[1:]]
        elif name == "trg_embedding.weight":  # the output layer's too: every piece but padding as an input
            assert rows.any(dim=-1).all(), name
        assert rows.ne(0).double().mean() > 0.9, name
    assert not model.src_embedding.weight.grad[0].any()  # type: ignore[index]


@every(pairwise(product(LAYERS)))
def test_alignments_sum_to_one_over_real_tokens(kind: Kind) -> None:
    model, batch = model_of(kind), case()
    alignment = model(batch.source, batch.trg_in).alignment
    exactly(alignment.sum(-1), torch.ones(batch.trg_in.shape, dtype=torch.float64), atol=1e-12)
    assert not alignment.transpose(1, 2)[batch.source.ids == 0].any()


@every(pairwise(product(LAYERS)))
def test_padding_changes_nothing(kind: Kind) -> None:
    model, batch = model_of(kind), case()
    garbage = torch.where(batch.source.ids == 0, 7, batch.source.ids)
    src = torch.cat([garbage, torch.full((3, 2), 3)], dim=1)
    trg_in = torch.cat([torch.where(batch.mask, batch.trg_in, 5), torch.full((3, 3), 4)], dim=1)
    plain = model(batch.source, batch.trg_in)
    padded = model(Source(src, batch.source.lengths), trg_in)
    Ty, Tx = batch.trg_in.shape[1], batch.source.ids.shape[1]
    exactly(padded.features[:, :Ty][batch.mask], plain.features[batch.mask], atol=1e-12)
    exactly(padded.alignment[:, :Ty, :Tx][batch.mask], plain.alignment[batch.mask], atol=1e-12)


@every(pairwise(product(LAYERS)))
def test_a_batch_changes_nothing(kind: Kind) -> None:
    model, batch = model_of(kind), case()
    together = model(batch.source, batch.trg_in)
    stepped, _ = steps(model, batch.trg_in, *model.start(batch.source))
    for b, (Tx, Ty) in enumerate(zip(SRC_LEN, TRG_LEN, strict=True)):
        source = Source(batch.source.ids[b : b + 1, :Tx], batch.source.lengths[b : b + 1])
        alone = model(source, batch.trg_in[b : b + 1, :Ty])
        exactly(together.features[b, :Ty], alone.features[0], atol=1e-12)
        exactly(together.alignment[b, :Ty, :Tx], alone.alignment[0], atol=1e-12)
        exactly(stepped[b, :Ty], model.head(alone.features)[0])


@every(pairwise(product(LAYERS)))
def test_rows_of_a_sentence_are_apart(kind: Kind) -> None:
    """N = B · K rows over B memories: each row is what it would be with a memory of its own."""
    model, batch, K = model_of(kind), case(), 3
    memory, state = model.start(batch.source)
    rows = torch.arange(len(SRC_LEN)).repeat_interleave(K)
    trg_in = torch.randint(1, V_TRG, (len(rows), 4))
    found = steps(model, trg_in, memory, select_rows(state, rows))
    for k in range(K):
        exactly(tuple(part[k::K] for part in found), steps(model, trg_in[k::K], memory, state), atol=1e-12)


@every(pairwise(product(LAYERS)))
def test_a_state_can_be_reordered(kind: Kind) -> None:
    model, batch = model_of(kind), case()
    order = torch.tensor([2, 0, 1])
    memory, state = model.start(batch.source)
    _, _, after = model.step(batch.trg_in[:, 0], memory, state)
    found = steps(model, batch.trg_in[order, 1:], select_rows(memory, order), select_rows(after, order))
    expected = steps(model, batch.trg_in[:, 1:], memory, after)
    exactly(found, tuple(part[order] for part in expected), atol=1e-12)


@pytest.mark.slow
@every(pairwise(product([1, 2], SMOOTH)))
@pytest.mark.parametrize(("dtype", "of_outputs", "of_gradients"), SHIPPING)
def test_the_kernels_that_ship(
    kind: Kind, dtype: torch.dtype, of_outputs: float, of_gradients: float
) -> None:
    model, batch = model_of(kind, hidden=16, embedding=16), case()
    shipping = model_of(kind, hidden=16, embedding=16).float()
    shipping.load_state_dict(model.state_dict())

    def near(found: Tensor, expected: Tensor, tolerance: float, name: str, least: float = 0.0) -> None:
        assert (found.double() - expected).norm() <= tolerance * max(expected.norm().item(), least), name

    expected = model(batch.source, batch.trg_in)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        forward = shipping(batch.source, batch.trg_in)
        stepped, _ = steps(shipping, batch.trg_in, *shipping.start(batch.source))
        # Of coverage's min(α, c), too, what is near the kink may in bfloat16 be on its other side.
        loss = loss_of(shipping, batch, penalty=False)
    near(forward.features[batch.mask], expected.features[batch.mask], of_outputs, "features")
    near(forward.alignment[batch.mask], expected.alignment[batch.mask], of_outputs, "alignment")
    near(stepped[batch.mask], model.head(expected.features)[batch.mask], of_outputs, "logits")
    loss.backward()
    loss_of(model, batch, penalty=False).backward()
    # A gradient that is nothing beside the others (of additive attention's query) is mostly rounding.
    least = 0.01 * nn.utils.get_total_norm([q.grad for q in model.parameters() if q.grad is not None]).item()
    for (name, p), q in zip(shipping.named_parameters(), model.parameters(), strict=True):
        assert p.grad is not None
        assert q.grad is not None
        assert p.grad.dtype == torch.float32
        near(p.grad, q.grad, of_gradients, name, least)


@pytest.mark.slow
@every(pairwise(product([1])))
def test_nothing_is_made_on_the_cpu_for_a_model_elsewhere(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    # "meta" computes shapes alone and refuses to add what lies elsewhere, as a GPU does.
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)  # which does not know it
    model, there = model_of(kind).to("meta"), [part.to("meta") for part in case()[1:]]
    batch = Case(Source(*(part.to("meta") for part in case().source)), *there)
    features, alignment = model(batch.source, batch.trg_in)
    owed = model.decoder.attention.penalty(alignment, batch.mask)
    (model.head(features).log_softmax(dim=-1).sum() + owed).backward()
    assert all(parameter.grad.is_meta for parameter in model.parameters() if parameter.grad is not None)
    memory, state = model.start(batch.source)
    step = ModelScorer(model).step(batch.trg_in[:, 0], memory, state)
    assert all(tensor.is_meta for tensor in tensors(tuple(step)))
