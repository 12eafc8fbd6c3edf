"""nmt.layers.heads: a matrix of its own, or the embedding's."""

import torch
from torch import nn

from nmt.layers.heads import PlainHead, TiedHead

H, E, V = 6, 4, 9


def test_a_plain_head_is_one_affine_map() -> None:
    head, features = PlainHead(H, V), torch.randn(2, 3, H)
    assert torch.equal(head(features), features @ head.output.weight.mT + head.output.bias)
    assert sum(p.numel() for p in head.parameters()) == V * H + V


def test_a_tied_head_scores_by_the_embedding() -> None:
    embedding = nn.Embedding(V, E)
    head, features = TiedHead(H, embedding), torch.randn(2, 3, H)
    nn.init.normal_(head.bias)
    expected = features @ head.project.weight.mT @ embedding.weight.mT + head.bias
    torch.testing.assert_close(head(features), expected)
    assert sum(p.numel() for p in head.parameters()) == H * E + V * E + V


def test_a_tied_head_shares_the_one_tensor() -> None:
    model = nn.Module()
    model.embedding = nn.Embedding(V, E)
    model.head = TiedHead(H, model.embedding)
    assert model.head.weight is model.embedding.weight
    assert [name for name, _ in model.named_parameters()] == [
        "embedding.weight",
        "head.bias",
        "head.project.weight",
    ]
    model.head(torch.randn(1, H)).sum().backward()
    assert model.embedding.weight.grad is not None
    model.double()
    assert model.head.weight is model.embedding.weight
