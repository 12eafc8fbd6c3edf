"""nmt.layers.heads: a matrix of its own, or the embedding's; the lexical model beside either."""

import numpy as np
import pytest
import torch
from torch import nn

from nmt.layers.heads import Head, LexicalHead, PlainHead, TiedHead

H, E, V = 6, 4, 9


def test_a_plain_head_is_one_affine_map() -> None:
    head, features = PlainHead(H, V), torch.randn(2, 3, H)
    assert torch.equal(head(features), features @ head.output.weight.mT + head.output.bias)
    assert sum(p.numel() for p in head.parameters()) == V * H + V


def test_a_tied_head_scores_by_the_embedding() -> None:
    embedding = nn.Embedding(V, E)
    head, features = TiedHead(H, embedding), torch.randn(2, 3, H)
    nn.init.normal_(head.output.bias)
    expected = features @ head.project.weight.mT @ embedding.weight.mT + head.output.bias
    torch.testing.assert_close(head(features), expected)
    assert sum(p.numel() for p in head.parameters()) == H * E + V * E + V


def test_a_tied_head_shares_the_one_tensor() -> None:
    model = nn.Module()
    model.embedding = nn.Embedding(V, E)
    model.head = TiedHead(H, model.embedding)
    assert model.head.output.weight is model.embedding.weight
    assert [name for name, _ in model.named_parameters()] == [
        "embedding.weight",
        "head.output.bias",
        "head.project.weight",
    ]
    model.head(torch.randn(1, H)).sum().backward()
    assert model.embedding.weight.grad is not None
    model.double()
    assert model.head.output.weight is model.embedding.weight


B, Ty, Tx = 2, 3, 5


def plain_heads() -> list[Head]:
    return [PlainHead(H, V), TiedHead(H, nn.Embedding(V, E))]


@pytest.mark.parametrize("head", plain_heads(), ids=["plain", "tied"])
def test_a_plain_head_asks_for_nothing_of_the_source(head: Head) -> None:
    features = torch.randn(B, Ty, H)
    assert head.build_memory(torch.randn(B, Tx, E)) is None
    assert head.join(features, torch.rand(B, Ty, Tx), None) is features


def lexical(plain: Head) -> LexicalHead:
    head = LexicalHead(plain, H, E, V).double()
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    return head


@pytest.mark.parametrize("plain", plain_heads(), ids=["plain", "tied"])
def test_a_lexical_head_is_what_the_paper_says(plain: Head) -> None:
    head = lexical(plain)
    features = torch.randn(B, Ty, H, dtype=torch.float64)
    alignment = torch.rand(B, Ty, Tx, dtype=torch.float64)
    embedded = torch.randn(B, Tx, E, dtype=torch.float64)
    logits = head(head.join(features, alignment, head.build_memory(embedded)))
    w, out = (linear.weight.detach().numpy() for linear in (head.hidden, head.lexical))
    for b in range(B):
        for t in range(Ty):
            shares, words = alignment[b, t].tolist(), embedded[b].numpy()
            word = np.tanh(sum(share * f for share, f in zip(shares, words, strict=True)))
            expected = plain(features[b, t]).detach().numpy() + out @ (np.tanh(w @ word) + word)
            np.testing.assert_allclose(logits[b, t].detach(), expected, rtol=0, atol=1e-10)


def test_a_lexical_head_takes_several_hypotheses_a_sentence() -> None:
    head, K = lexical(PlainHead(H, V)), 4
    features = torch.randn(B * K, H, dtype=torch.float64)
    alignment = torch.rand(B * K, Tx, dtype=torch.float64)
    words = torch.randn(B, Tx, E, dtype=torch.float64)
    found = head.join(features, alignment, words)
    apart = head.join(features, alignment, words.repeat_interleave(K, dim=0))
    torch.testing.assert_close(found, apart, rtol=0, atol=1e-12)
    assert found.shape == (B * K, H + E)


def test_gradients_of_a_lexical_head_pass_gradcheck() -> None:
    head = lexical(PlainHead(H, V))

    def logits(
        features: torch.Tensor, alignment: torch.Tensor, words: torch.Tensor, *_: object
    ) -> torch.Tensor:
        found: torch.Tensor = head(head.join(features, alignment, head.build_memory(words)))
        return found

    shapes = [(B, Ty, H), (B, Ty, Tx), (B, Tx, E)]
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(logits, (*given, *head.parameters()), fast_mode=True)
