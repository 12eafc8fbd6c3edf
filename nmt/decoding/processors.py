"""Logits processors: what a search or a sampler changes in the log-probabilities before it chooses a token.

N rows (B sentences or sequences, K hypotheses each), V tokens, t tokens so far.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor

from nmt.decoding.trees import Tree, select_rows
from nmt.shapes import Float, Int

State = TypeVar("State", bound=Tree)


class LogitsProcessor(Protocol[State]):
    """A rule about the next token. Its state is a tree of tensors that is re-ordered with the hypotheses."""

    def start(self, limits: Int[Tensor, "B"]) -> State:
        """Return the first state (B rows); limits: the longest output, </s> counted. None: no state."""

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: State
    ) -> tuple[Float[Tensor, "N V"], State]:
        """Return changed log-probabilities and the next state; ids are the tokens so far.

        It may write into log_probs. To forbid a token is to set its log-probability to −∞.
        """


AnyProcessor: TypeAlias = LogitsProcessor[Any]  # whatever its state


class Ban:
    """These tokens never occur."""

    def __init__(self, tokens: Iterable[int]) -> None:
        self._tokens = torch.tensor(sorted(tokens), dtype=torch.long)

    def start(self, limits: Int[Tensor, "B"]) -> None:
        """Return None."""
        return None

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: None
    ) -> tuple[Float[Tensor, "N V"], None]:
        """Return the log-probabilities with the banned tokens at −∞."""
        if len(self._tokens):
            self._tokens = self._tokens.to(log_probs.device)
            log_probs.index_fill_(-1, self._tokens, float("-inf"))
        return log_probs, None


class LengthLimit:
    """Where the longest output is reached, </s> is the only candidate. The state is the limits."""

    def __init__(self, eos: int) -> None:
        self.eos = eos

    def start(self, limits: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        """Return the limits."""
        return limits

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: Int[Tensor, "N"]
    ) -> tuple[Float[Tensor, "N V"], Int[Tensor, "N"]]:
        """Return the log-probabilities with all but </s> at −∞ in the rows that are at their limit."""
        at_limit = state <= ids.shape[1] + 1
        if at_limit.any():
            others = torch.arange(log_probs.shape[-1], device=log_probs.device) != self.eos
            log_probs = log_probs.masked_fill(at_limit.unsqueeze(1) & others, float("-inf"))
        return log_probs, state


class Processors:
    """Several processors, one after the other, as one; the state is the tuple of theirs."""

    def __init__(self, processors: Sequence[AnyProcessor]) -> None:
        self._processors = tuple(processors)

    def start(self, limits: Int[Tensor, "B"], rows: Int[Tensor, "N"] | None = None) -> tuple[Tree, ...]:
        """Return the first states, of `rows` of the sentences where they are given."""
        states = tuple(processor.start(limits) for processor in self._processors)
        return states if rows is None else select_rows(states, rows)

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: tuple[Tree, ...]
    ) -> tuple[Float[Tensor, "N V"], tuple[Tree, ...]]:
        """Return what the last one returns, and the next states."""
        after = []
        for processor, before in zip(self._processors, state, strict=True):
            log_probs, now = processor(log_probs, ids, before)
            after.append(now)
        return log_probs, tuple(after)
