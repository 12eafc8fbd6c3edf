"""nmt.layers.collecting: plain autograd is the reference."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.collecting import Collecting, collecting

N, H, T = 3, 4, 5
Weight = Tensor | Collecting
Loop = Callable[[Tensor, Weight], Tensor]


def repeat(step: Loop) -> Loop:
    def loop(x: Tensor, w: Weight) -> Tensor:
        for _ in range(T):
            x = torch.tanh(step(x, w))
        return x.square().sum()

    return loop


BIAS = torch.arange(H, dtype=torch.float64) / H

LOOPS: dict[str, Loop] = {
    "linear": repeat(lambda x, w: F.linear(x, w)),
    "linear with a bias": repeat(lambda x, w: F.linear(x, w, BIAS)),
    "linear by keyword": repeat(lambda x, w: F.linear(x, weight=w)),
    "operator": repeat(lambda x, w: x @ w),
    "matmul": repeat(lambda x, w: torch.matmul(x, w)),
    "method": repeat(lambda x, w: x.matmul(w)),
    "transpose": repeat(lambda x, w: x @ w.mT),
    "transposed twice": repeat(lambda x, w: x @ w.mT.mT),
    "linear of a transpose": repeat(lambda x, w: F.linear(x, w.mT)),
    "both ways round": repeat(lambda x, w: F.linear(x, w) + x @ w),
    "another function": repeat(lambda x, w: x * torch.sigmoid(w).sum() + x * w.norm()),
    "a list": repeat(lambda x, w: F.linear(x, torch.cat([w, w])[:H])),
    "mixed": repeat(lambda x, w: F.linear(x, w) * torch.mul(2.0, w).mean() + x @ w.tanh()),
    "on the left": repeat(lambda x, w: torch.matmul(w, x.mT).mT),
    "with itself": repeat(lambda x, w: x @ torch.matmul(w, w)),
    "a vector": repeat(lambda x, w: torch.stack([row @ w for row in x])),
    "three dimensions": repeat(lambda x, w: F.linear(x.unsqueeze(0), w).squeeze(0)),
    "two and three dimensions": repeat(lambda x, w: F.linear(x, w) + F.linear(x.unsqueeze(1), w).squeeze(1)),
}


def leaves() -> tuple[Tensor, Tensor]:
    return tuple(torch.randn(n, H, dtype=torch.float64, requires_grad=True) for n in (N, H))  # type: ignore[return-value]


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_gradients_are_plain_autograds(loop: Loop) -> None:
    x, w = leaves()
    expected = loop(x, w)
    found = loop(x, Collecting(w))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(found, (x, w)), torch.autograd.grad(expected, (x, w)), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_in_float32_too(loop: Loop) -> None:
    x, w = leaves()
    narrow = tuple(leaf.detach().float().requires_grad_() for leaf in (x, w))
    expected, found = loop(x, w), loop(narrow[0], Collecting(narrow[1]))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    for share, wanted in zip(
        torch.autograd.grad(found, narrow), torch.autograd.grad(expected, (x, w)), strict=True
    ):
        torch.testing.assert_close(share.double(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("transposed", [True, False])
def test_a_batch_of_operands(transposed: bool) -> None:
    """As attention uses it: each sentence has its own keys and values."""
    memory = torch.randn(2, 6, 6, dtype=torch.float64, requires_grad=True)
    query = torch.randn(2, 1, 6, dtype=torch.float64, requires_grad=True)

    def loop(q: Tensor, m: Weight) -> Tensor:
        for _ in range(T):
            q = torch.tanh(q @ (m.mT if transposed else m))
        return q.sum()

    expected = torch.autograd.grad(loop(query, memory), (query, memory))
    found = torch.autograd.grad(loop(query, Collecting(memory)), (query, memory))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_rows_shared_by_a_batch_of_operands() -> None:
    memory = torch.randn(2, H, H, dtype=torch.float64, requires_grad=True)
    x, _ = leaves()

    def loss(m: Weight) -> Tensor:
        shared = x @ m  # (2, N, H)
        return (shared.square() + torch.tanh(shared @ m)).sum()

    expected = torch.autograd.grad(loss(memory), (x, memory))
    found = torch.autograd.grad(loss(Collecting(memory)), (x, memory))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_gradients_add_up_over_loops_and_passes() -> None:
    x, w = leaves()
    loop = LOOPS["linear"]
    expected = torch.autograd.grad(loop(x, w) + 3 * loop(x, w), w)[0]
    (loop(x, Collecting(w)) + 3 * loop(x, Collecting(w))).backward()
    torch.testing.assert_close(w.grad, expected, rtol=0, atol=1e-10)
    w.grad = None
    again = loop(x, Collecting(w))
    again.backward(retain_graph=True)
    (3 * again).backward()
    torch.testing.assert_close(w.grad, expected, rtol=0, atol=1e-10)


def test_a_pass_for_other_gradients_leaves_nothing_behind() -> None:
    x, w = leaves()
    loop = LOOPS["linear"]
    found = loop(x, Collecting(w))
    torch.autograd.grad(found, x, retain_graph=True)
    torch.testing.assert_close(
        torch.autograd.grad(found, w), torch.autograd.grad(loop(x, w), w), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_second_derivatives_are_plain_autograds(dtype: torch.dtype, tolerance: float) -> None:
    x, w = (leaf.detach().to(dtype).requires_grad_() for leaf in leaves())
    found, expected = (
        torch.autograd.grad(LOOPS["both ways round"](x, operand), (x, w), create_graph=True)
        for operand in (Collecting(w), w)
    )
    torch.testing.assert_close(
        *(torch.autograd.grad(sum(g.square().sum() for g in part), (x, w)) for part in (found, expected)),
        rtol=tolerance,
        atol=tolerance,
    )


def test_an_unused_operand_has_no_gradient() -> None:
    x, w = leaves()
    Collecting(w)
    x.sum().backward()
    assert w.grad is None


def test_a_frozen_operand_lets_the_input_learn() -> None:
    x, w = leaves()
    loop = LOOPS["linear"]
    expected = torch.autograd.grad(loop(x, w), x)
    torch.testing.assert_close(
        torch.autograd.grad(loop(x, Collecting(w.detach())), x), expected, rtol=0, atol=1e-10
    )


def test_without_gradients_it_is_just_the_product() -> None:
    x, w = leaves()
    with torch.no_grad():
        found = LOOPS["linear"](x, Collecting(w))
    assert not found.requires_grad
    torch.testing.assert_close(found, LOOPS["linear"](x, w).detach())


def test_under_autocast_the_gradient_comes_back_wide() -> None:
    x, w = (leaf.detach().float().requires_grad_() for leaf in leaves())
    with torch.autocast("cpu", torch.bfloat16):
        collected = Collecting(w)
        products = [F.linear(x, collected) for _ in range(T)]
        expected = F.linear(x, w)
    assert [p.dtype for p in products] == [torch.bfloat16] * T
    assert all(torch.equal(p, expected) for p in products)
    sum(p.float().sum() for p in products).backward()
    assert (x.grad.dtype, w.grad.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(w.grad, T * x.detach().sum(0).expand(H, H), rtol=2e-2, atol=2e-2)


def test_float64_is_left_alone_under_autocast() -> None:
    x, w = leaves()
    with torch.autocast("cpu", torch.bfloat16):
        assert F.linear(x, Collecting(w)).dtype == torch.float64


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleList([nn.Linear(H, H), nn.Linear(H, H, bias=False)])
        self.scale = nn.Parameter(torch.rand(H))
        self.absent = None

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.inner:
            x = torch.tanh(layer(x)) * self.scale
        return x


def test_a_twin_computes_the_same_and_leaves_the_module_untouched() -> None:
    x, module = torch.randn(N, H, dtype=torch.float64), Nested().double()
    before = dict(module.named_parameters())
    twin = collecting(module)
    assert isinstance(twin.inner[0].weight, Collecting)
    assert twin.inner[0].bias is module.inner[0].bias
    torch.testing.assert_close(twin(twin(x)), module(module(x)), rtol=0, atol=1e-12)
    found = torch.autograd.grad(twin(twin(x)).sum(), list(module.parameters()))
    expected = torch.autograd.grad(module(module(x)).sum(), list(module.parameters()))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    after = dict(module.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert isinstance(module.inner[0].weight, nn.Parameter)


def test_a_twin_leaves_frozen_weights_as_they_are() -> None:
    module = Nested().requires_grad_(False)
    assert collecting(module).inner[0].weight is module.inner[0].weight


def test_weights_tied_inside_the_module_get_both_shares() -> None:
    module, x = Nested().double(), torch.randn(N, H, dtype=torch.float64)
    module.inner[1].weight = module.inner[0].weight
    found = torch.autograd.grad(collecting(module)(x).sum(), module.inner[0].weight)
    expected = torch.autograd.grad(module(x).sum(), module.inner[0].weight)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
