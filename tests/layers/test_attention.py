"""nmt.layers.attention: each against a slow reading of its paper's equations."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    MultiHeadAttention,
)

B, K, Tx, M, H, A, HEADS = 3, 2, 5, 6, 4, 7, 2
LENGTHS = [5, 3, 1]
Array = np.ndarray

KINDS = ["additive", "dot", "general", "multi_head"]


def made(kind: str) -> tuple[Attention, int]:
    """Return an attention in float64 and the encoder's width it is made for."""
    match kind:
        case "additive":
            return AdditiveAttention(M, H, A).double(), M
        case "dot":
            return DotAttention(H, H).double(), H
        case "general":
            return GeneralAttention(M, H).double(), M
        case _:
            return MultiHeadAttention(M, H, HEADS).double(), M


def source(width: int, length: int = Tx) -> tuple[Tensor, Tensor]:
    mask = torch.arange(length) < torch.tensor(LENGTHS).clamp(max=length).unsqueeze(1)
    return torch.randn(B, length, width, dtype=torch.float64), mask


def queries() -> Tensor:
    return torch.randn(B, K, H, dtype=torch.float64)


def numpy_weights(module: Attention) -> dict[str, Array]:
    assert isinstance(module, nn.Module)
    return {name.removesuffix(".weight"): p.detach().numpy() for name, p in module.named_parameters()}


def by_the_paper(kind: str, w: dict[str, Array], q: Array, encoded: Array) -> tuple[Array, Array]:
    """Return context (H,) and alignment (Tx,) of one query over the real outputs of one sentence."""

    def weigh(scores: list[float]) -> Array:
        exponentials = np.array([math.exp(score) for score in scores])
        return exponentials / exponentials.sum()

    match kind:
        case "additive":
            alignment = weigh(
                [float(w["score"][0] @ np.tanh(w["query"] @ q + w["key"] @ k)) for k in encoded]
            )
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
    q = queries()
    context, alignment = attention(q, attention.remember(encoded, mask))
    weights = numpy_weights(attention)
    for b, length in enumerate(LENGTHS):
        for k in range(K):
            expected = by_the_paper(kind, weights, q[b, k].numpy(), encoded[b, :length].numpy())
            np.testing.assert_allclose(context[b, k].detach(), expected[0], rtol=0, atol=1e-10)
            np.testing.assert_allclose(alignment[b, k, :length].detach(), expected[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_alignments_sum_to_one_over_real_tokens(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width)
    _, alignment = attention(queries(), attention.remember(encoded, mask))
    assert alignment.shape == (B, K, Tx)
    torch.testing.assert_close(alignment.sum(-1), torch.ones(B, K, dtype=torch.float64), rtol=0, atol=1e-12)
    assert not alignment.masked_select(~mask.unsqueeze(1)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_never_seen(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width)
    q = queries()
    context, _ = attention(q, attention.remember(encoded, mask))
    garbage = torch.where(mask.unsqueeze(-1), encoded, 1e6)
    longer = F.pad(garbage, (0, 0, 0, 4), value=-1e6)
    other, _ = attention(q, attention.remember(longer, F.pad(mask, (0, 4))))
    torch.testing.assert_close(other, context, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_of_one_token_everything_comes_from_it(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width, length=1)
    memory = attention.remember(encoded, mask)
    context, alignment = attention(queries(), memory)
    assert (alignment == 1).all()
    value = memory.values
    if isinstance(attention, MultiHeadAttention):
        value = attention.output(memory.values.transpose(1, 2).flatten(2))
    torch.testing.assert_close(context, value.expand(B, K, H), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_large_scores_do_not_overflow(kind: str) -> None:
    attention, width = made(kind)
    encoded, mask = source(width)
    context, alignment = attention(1e4 * queries(), attention.remember(1e4 * encoded, mask))
    assert context.isfinite().all()
    assert alignment.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_pass_gradcheck(kind: str) -> None:
    attention, width = made(kind)
    assert isinstance(attention, nn.Module)
    encoded, mask = source(width, length=3)

    def attend(q: Tensor, outputs: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        return attention(q, attention.remember(outputs, mask))

    arguments = (queries().requires_grad_(), encoded.requires_grad_(), *attention.parameters())
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
    found = ours(q, ours.remember(encoded, mask))
    expected = theirs(q, encoded, encoded, key_padding_mask=~mask)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_dot_refuses_unequal_widths() -> None:
    with pytest.raises(ValueError, match="equal widths, found 6 and 4"):
        DotAttention(6, 4)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide the width 4"):
        MultiHeadAttention(6, 4, 3)
