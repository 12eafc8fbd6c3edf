"""nmt.layers.attention: each against a slow reading of its paper's equations."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.attention import (
    AdditiveAttention,
    Attention,
    CoverageAttention,
    DotAttention,
    GeneralAttention,
    LocationAttention,
    Memory,
    MultiHeadAttention,
    Normalize,
    entmax15,
    softmax,
    sparsemax,
)

B, K, Tx, M, H, A, HEADS, FILTERS, WIDTH, WEIGHT = 3, 2, 5, 6, 4, 7, 2, 2, 3, 0.7
LENGTHS = [5, 3, 1]
Array = np.ndarray

CARRYING = ["coverage", "location"]
KINDS = ["additive", "dot", "general", "multi_head", *CARRYING]


def made(kind: str, normalize: Normalize = softmax) -> tuple[Attention, int]:
    """Return an attention in float64 and the encoder's width it is made for."""
    match kind:
        case "additive":
            return AdditiveAttention(M, H, A, normalize=normalize).double(), M
        case "dot":
            return DotAttention(H, H, normalize=normalize).double(), H
        case "general":
            return GeneralAttention(M, H, normalize=normalize).double(), M
        case "coverage":
            coverage = CoverageAttention(M, H, A, weight=WEIGHT, normalize=normalize).double()
            nn.init.normal_(coverage.coverage)
            nn.init.normal_(coverage.query.bias)
            return coverage, M
        case "location":
            location = LocationAttention(M, H, A, filters=FILTERS, width=WIDTH, normalize=normalize)
            nn.init.normal_(location.query.bias)
            return location.double(), M
        case _:
            return MultiHeadAttention(M, H, HEADS, normalize=normalize).double(), M


def source(width: int, length: int = Tx) -> tuple[Tensor, Tensor]:
    mask = torch.arange(length) < torch.tensor(LENGTHS).clamp(max=length).unsqueeze(1)
    return torch.randn(B, length, width, dtype=torch.float64), mask


def queries() -> Tensor:
    return torch.randn(B, K, H, dtype=torch.float64)


def carried(attention: Attention, mask: Tensor) -> Tensor | None:
    """Return what any step may find carried for B · K rows: something, but at padding nothing."""
    if not attention.stateful:
        return None
    return torch.rand(B * K, mask.shape[1], dtype=torch.float64) * mask.repeat_interleave(K, 0)


def numpy_weights(module: Attention) -> dict[str, Array]:
    assert isinstance(module, nn.Module)
    return {name.removesuffix(".weight"): p.detach().numpy() for name, p in module.named_parameters()}


def by_the_paper(
    kind: str, w: dict[str, Array], q: Array, encoded: Array, state: Array
) -> tuple[Array, Array]:
    """Return context (H,) and alignment (Tx,) of one query over the real outputs of one sentence.

    state (Tx,): the coverage, or the alignment of the step before.
    """

    def weigh(scores: list[float]) -> Array:
        exponentials = np.array([math.exp(score) for score in scores])
        return exponentials / exponentials.sum()

    def compare(*extra: Array) -> Array:
        parts = zip(encoded, *extra, strict=True)
        bias = w.get("query.bias", 0.0)
        summed = [w["query"] @ q + w["key"] @ k + sum(more) + bias for k, *more in parts]
        return weigh([float(w["score"][0] @ np.tanh(part)) for part in summed])

    def seen_by(filter_: Array, i: int) -> float:
        positions = range(i - WIDTH // 2, i + WIDTH // 2 + 1)
        return sum(
            float(f * state[j]) for f, j in zip(filter_, positions, strict=True) if 0 <= j < len(state)
        )

    match kind:
        case "additive":
            alignment = compare()
        case "coverage":
            alignment = compare(np.array([w["coverage"] * c for c in state]))
        case "location":
            found = [np.array([seen_by(f[0], i) for f in w["filter"]]) for i in range(len(encoded))]
            alignment = compare(np.array([w["location"] @ f for f in found]))
        case "dot":
            alignment = weigh([float(q @ k) for k in encoded])
        case "general":
            alignment = weigh([float(q @ (w["key"] @ k)) for k in encoded])
        case _:
            size, contexts, alignments = H // HEADS, [], []
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                one = (w["query"] @ q)[part] / math.sqrt(size)
                alignments.append(weigh([float(one @ (w["key"] @ k)[part]) for k in encoded]))
                values = [(w["value"] @ k)[part] for k in encoded]
                contexts.append(sum(a * v for a, v in zip(alignments[-1], values, strict=True)))
            return w["output"] @ np.concatenate(contexts), np.mean(alignments, axis=0)
    return w["value"] @ sum(a * k for a, k in zip(alignment, encoded, strict=True)), alignment


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_paper_says(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width)
    q, state = queries(), carried(attention, mask)
    context, alignment, after = attention(q, attention.build_memory(encoded, mask), state)
    weights = numpy_weights(attention)
    before = (torch.zeros(B * K, Tx) if state is None else state).view(B, K, Tx).numpy()
    for b, length in enumerate(LENGTHS):
        for k in range(K):
            found = before[b, k, :length]
            expected = by_the_paper(kind, weights, q[b, k].numpy(), encoded[b, :length].numpy(), found)
            np.testing.assert_allclose(context[b, k].detach(), expected[0], rtol=0, atol=1e-10)
            np.testing.assert_allclose(alignment[b, k, :length].detach(), expected[1], rtol=0, atol=1e-10)
    match kind:
        case "coverage":
            assert torch.equal(after, state + alignment.flatten(0, 1))
        case "location":
            assert torch.equal(after, alignment.flatten(0, 1))
        case _:
            assert after is None


@pytest.mark.parametrize("kind", KINDS)
def test_alignments_sum_to_one_over_real_tokens(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width)
    _, alignment, _ = attention(queries(), attention.build_memory(encoded, mask), carried(attention, mask))
    assert alignment.shape == (B, K, Tx)
    torch.testing.assert_close(alignment.sum(-1), torch.ones(B, K, dtype=torch.float64), rtol=0, atol=1e-12)
    assert not alignment.masked_select(~mask.unsqueeze(1)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_never_seen(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width)
    q, state = queries(), carried(attention, mask)
    context, *_ = attention(q, attention.build_memory(encoded, mask), state)
    garbage = torch.where(mask.unsqueeze(-1), encoded, 1e6)
    longer = F.pad(garbage, (0, 0, 0, 4), value=-1e6)
    wider = None if state is None else F.pad(state, (0, 4))
    other, *_ = attention(q, attention.build_memory(longer, F.pad(mask, (0, 4))), wider)
    torch.testing.assert_close(other, context, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_of_one_token_everything_comes_from_it(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width, length=1)
    memory = attention.build_memory(encoded, mask)
    context, alignment, _ = attention(queries(), memory, carried(attention, mask))
    assert (alignment == 1).all()
    value = memory.values
    if isinstance(attention, MultiHeadAttention):
        value = attention.output(memory.values.transpose(1, 2).flatten(2))
    torch.testing.assert_close(context, value.expand(B, K, H), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_large_scores_do_not_overflow(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width)
    memory = attention.build_memory(1e4 * encoded, mask)
    context, alignment, _ = attention(1e4 * queries(), memory, carried(attention, mask))
    assert context.isfinite().all()
    assert alignment.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_pass_gradcheck(kind: str) -> None:
    attention, width = made(kind)
    assert isinstance(attention, nn.Module)
    encoded, mask = source(width, length=3)

    state = carried(attention, mask)

    def attend(q: Tensor, outputs: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        return attention(q, attention.build_memory(outputs, mask), state)[:2]

    given = () if state is None else (state.requires_grad_(),)
    arguments = (queries().requires_grad_(), encoded.requires_grad_(), *given, *attention.parameters())
    assert torch.autograd.gradcheck(attend, arguments, fast_mode=True)


def test_multi_head_is_torchs() -> None:
    ours = MultiHeadAttention(M, H, HEADS).double()
    theirs = nn.MultiheadAttention(
        H, HEADS, bias=False, kdim=M, vdim=M, batch_first=True, dtype=torch.float64
    )
    with torch.no_grad():
        for mine, yours in zip(
            [ours.query, ours.key, ours.value, ours.output],
            [theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight, theirs.out_proj.weight],
            strict=True,
        ):
            yours.copy_(mine.weight)
    encoded, mask = source(M)
    q = queries()
    found = ours(q, ours.build_memory(encoded, mask), None)[:2]
    expected = theirs(q, encoded, encoded, key_padding_mask=~mask)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_dot_refuses_unequal_widths() -> None:
    with pytest.raises(ValueError, match="equal widths, found 6 and 4"):
        DotAttention(6, 4)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide the width 4"):
        MultiHeadAttention(6, 4, 3)


def unrolled(attention: Attention, q: Tensor, memory: Memory) -> Tensor:
    """Return the alignments (B, Ty, Tx) of queries (B, Ty, H) that come one after the other."""
    state, alignments = attention.start(memory), []
    for one in q.split(1, dim=1):
        _, alignment, state = attention(one, memory, state)
        alignments.append(alignment)
    return torch.cat(alignments, dim=1)


@pytest.mark.parametrize("kind", CARRYING)
def test_what_is_carried_begins_as_nothing(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width)
    memory = attention.build_memory(encoded, mask)
    assert attention.stateful
    state = attention.start(memory)
    assert state.shape == (B, Tx)
    assert not state.any()
    q, weights = queries(), numpy_weights(attention)
    alignments = unrolled(attention, q, memory).detach().numpy()
    for b, length in enumerate(LENGTHS):
        before = np.zeros(length)
        for t in range(K):
            _, alignment = by_the_paper(kind, weights, q[b, t].numpy(), encoded[b, :length].numpy(), before)
            np.testing.assert_allclose(alignments[b, t, :length], alignment, rtol=0, atol=1e-10)
            before = before + alignment if kind == "coverage" else alignment


def test_coverage_begins_as_additive_attention() -> None:
    encoded, mask = source(M)
    coverage, additive = CoverageAttention(M, H, A, weight=WEIGHT).double(), made("additive")[0]
    assert isinstance(additive, nn.Module)
    additive.load_state_dict(coverage.state_dict(), strict=False)
    q, state = queries(), carried(coverage, mask)
    found = coverage(q, coverage.build_memory(encoded, mask), state)[:2]
    expected = additive(q, additive.build_memory(encoded, mask), None)[:2]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_coverage_owes_for_every_second_look() -> None:
    """See et al. 2017, eq. 12: the sum over real targets of min(α, what was seen before)."""
    attention, _ = made("coverage")
    alignment = torch.rand(2, 4, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    owed, given = 0.0, alignment.tolist()
    for b, length in enumerate([4, 2]):
        for t, i in itertools.product(range(length), range(3)):
            owed += WEIGHT * min(given[b][t][i], sum(given[b][before][i] for before in range(t)))
    assert attention.penalty(alignment, mask).item() == pytest.approx(owed, abs=1e-10)
    assert torch.autograd.gradcheck(lambda a: attention.penalty(a, mask), alignment)
    (gradient,) = torch.autograd.grad(attention.penalty(alignment, mask), alignment)
    assert not gradient[1, 2:].any()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "coverage"])
def test_no_other_owes_anything(kind: str) -> None:
    owed = made(kind)[0].penalty(torch.rand(B, K, Tx), torch.ones(B, K, dtype=torch.bool))
    assert owed.item() == 0


def test_an_even_filter_is_refused() -> None:
    with pytest.raises(ValueError, match="odd; found 4"):
        LocationAttention(M, H, A, filters=1, width=4)


def of_threshold(share: Callable[[Array], Array], z: Array) -> Array:
    """Return share(z − τ) where τ is such that it sums to one, by bisection."""
    low, high = z.min() - 2.0, z.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if share(z - middle).sum() > 1 else (low, middle)
    return share(z - low)


SPARSE: dict[str, tuple[Normalize, Callable[[Array], Array]]] = {
    # Martins & Astudillo 2016, eq. 2; Peters et al. 2019, eq. 10 with α = 1.5.
    "sparsemax": (sparsemax, lambda z: of_threshold(lambda x: np.maximum(x, 0), z)),
    "entmax15": (entmax15, lambda z: of_threshold(lambda x: np.maximum(x, 0) ** 2, z / 2)),
}


@pytest.mark.parametrize("name", SPARSE)
@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
def test_sparse_alignments_are_what_the_papers_say(name: str, scale: float) -> None:
    normalize, reading = SPARSE[name]
    scores = scale * torch.randn(4, 2, 6, dtype=torch.float64)
    padded = F.pad(scores, (0, 3), value=float("-inf"))
    found = normalize(padded)
    assert not found[..., 6:].any()
    expected = np.apply_along_axis(reading, -1, scores.numpy())
    np.testing.assert_allclose(found[..., :6], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", SPARSE)
@pytest.mark.parametrize("kind", KINDS)
def test_any_attention_can_be_sparse(kind: str, name: str) -> None:
    attention, width = made(kind, SPARSE[name][0])
    assert isinstance(attention, nn.Module)
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=5.0)
    encoded, mask = source(width)
    memory, state = attention.build_memory(encoded, mask), carried(attention, mask)
    context, alignment, _ = attention(queries(), memory, state)
    torch.testing.assert_close(alignment.sum(-1), torch.ones(B, K, dtype=torch.float64), rtol=0, atol=1e-12)
    assert not alignment.masked_select(~mask.unsqueeze(1)).any()
    assert (alignment[0] == 0).any()  # of five real tokens
    assert context.isfinite().all()


@pytest.mark.parametrize("name", SPARSE)
def test_sparse_alignments_sum_to_one_in_bfloat16(name: str) -> None:
    scores = 0.01 * torch.randn(5, 300)
    found = SPARSE[name][0](scores.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float().sum(-1), torch.ones(5), rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", SPARSE)
def test_gradients_of_sparse_alignments_pass_gradcheck(name: str) -> None:
    scores = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SPARSE[name][0], scores)
    assert torch.autograd.gradcheck(lambda z: SPARSE[name][0](F.pad(z, (0, 2), value=-math.inf)), scores)
