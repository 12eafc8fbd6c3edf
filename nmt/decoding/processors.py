"""Logits processors: changes to the log-probabilities before a search or sampler chooses a token.

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
        """Return the first state (B rows), or None for no state; limits: the longest output with </s>."""

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: State
    ) -> tuple[Float[Tensor, "N V"], State]:
        """Return changed log-probabilities and the next state; ids are the tokens so far.

        It may overwrite log_probs. Set the log-probability of a token to −∞ to forbid it.
        """


AnyProcessor: TypeAlias = LogitsProcessor[Any]  # any state


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


class MinimumLength:
    """No output ends before it has so many tokens, or all that its limit leaves. The state is how many."""

    def __init__(self, tokens: int, eos: int) -> None:
        self.tokens, self.eos = tokens, eos

    def start(self, limits: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        """Return the fewest tokens of each output."""
        return (limits - 1).clamp(max=self.tokens)

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: Int[Tensor, "N"]
    ) -> tuple[Float[Tensor, "N V"], Int[Tensor, "N"]]:
        """Return the log-probabilities with </s> at −∞ in the rows that are too short."""
        log_probs[:, self.eos].masked_fill_(ids.shape[1] < state, float("-inf"))
        return log_probs, state


class NoRepeat:
    """No n tokens in a row occur twice in an output (Paulus et al. 2018). It has no state."""

    def __init__(self, n: int, eos: int) -> None:
        self.n, self.eos = n, eos

    def start(self, limits: Int[Tensor, "B"]) -> None:
        """Return None."""
        return None

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: None
    ) -> tuple[Float[Tensor, "N V"], None]:
        """Return the log-probabilities with −∞ for tokens that followed the last n − 1 tokens before."""
        t = ids.shape[1]
        if t < self.n:
            return log_probs, None
        grams = ids.unfold(1, self.n, 1)  # (N, t − n + 1, n)
        again = (grams[:, :, :-1] == ids[:, None, t - self.n + 1 :]).all(dim=2)
        again &= grams[:, :, -1] != self.eos  # a finished hypothesis repeats </s>
        rows, places = again.nonzero(as_tuple=True)
        log_probs[rows, grams[rows, places, -1]] = float("-inf")
        return log_probs, None


class Prefix:
    """Each output begins with the tokens that its sentence is given; the state is these tokens."""

    def __init__(self, prefixes: Sequence[Sequence[int]]) -> None:
        self._tokens = torch.full((len(prefixes), max(map(len, prefixes), default=0)), -1)
        for row, each in zip(self._tokens, prefixes, strict=True):
            row[: len(each)] = torch.tensor(each)

    def start(self, limits: Int[Tensor, "B"]) -> Int[Tensor, "B P"]:
        """Return the tokens of each sentence, −1 behind its last."""
        return self._tokens.to(limits.device)

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: Int[Tensor, "N P"]
    ) -> tuple[Float[Tensor, "N V"], Int[Tensor, "N P"]]:
        """Return the log-probabilities with all but the given token at −∞, in rows that still have one."""
        t = ids.shape[1]
        if t < state.shape[1]:
            given = state[:, t : t + 1]
            others = torch.arange(log_probs.shape[1], device=log_probs.device) != given
            log_probs = log_probs.masked_fill((given >= 0) & others, float("-inf"))
        return log_probs, state


class LengthLimit:
    """At the longest output, </s> is the only candidate. The state is the limits."""

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
    """Several processors applied in order; the state is the tuple of their states."""

    def __init__(self, processors: Sequence[AnyProcessor]) -> None:
        self._processors = tuple(processors)

    def start(self, limits: Int[Tensor, "B"], rows: Int[Tensor, "N"] | None = None) -> tuple[Tree, ...]:
        """Return the first states, for the given `rows` of the sentences or for all."""
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
