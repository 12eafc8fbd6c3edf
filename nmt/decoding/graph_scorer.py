"""Step scorers on ONNX Runtime, for the search in torch.

B sentences, N = B · K rows, V target vocabulary.
"""

from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from nmt.decoding.search import Step
from nmt.models import Source
from nmt.onnx_runtime import open_session
from nmt.shapes import Int

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Parts: TypeAlias = tuple[Tensor, ...]


class GraphScorer:
    """One sequence-to-sequence model on the CPU, as the graphs of `nmt.graphs.steps`.

    Memory and state are what the graphs keep, in their order. Several threads may use one scorer.
    """

    def __init__(self, encode: bytes, step: bytes, *, threads: int = 1) -> None:
        """encode, step: the graphs, serialised. threads: that each of them computes with.

        Raises ValueError if ONNX Runtime refuses a graph.
        """
        self._encode, self._step = (open_session(graph, threads=threads) for graph in (encode, step))
        self._kept = [value.name for value in self._encode.get_outputs()]
        self._memories = sum(name.startswith("memory_") for name in self._kept)

    def start(self, source: Source) -> tuple[Parts, Parts]:
        """Encode the sources."""
        found = _run(self._encode, {"src": source.ids, "src_len": source.lengths})
        return found[: self._memories], found[self._memories :]

    def step(self, y_prev: Int[Tensor, "N"], memory: Parts, state: Parts) -> Step[Parts]:
        """Score the next token after y_prev."""
        kept = dict(zip(self._kept, (*memory, *state), strict=True))
        beam = torch.tensor([len(y_prev) // len(memory[0])])
        log_probs, alignment, *after = _run(self._step, {"y": y_prev, "beam": beam, **kept})
        return Step(log_probs, tuple(after), alignment)


class LanguageModelGraphScorer:
    """One language model on the CPU, as the graph of `nmt.graphs.language_model`; it has no memory.

    Its source is the number of rows. Several threads may use one scorer.
    """

    def __init__(self, step: bytes, *, threads: int = 1) -> None:
        """step: the graph, serialised. threads: that it computes with.

        Raises ValueError if ONNX Runtime refuses the graph.
        """
        self._step = open_session(step, threads=threads)
        self._state = {part.name: part.shape[1] for part in self._step.get_inputs()[1:]}

    def start(self, source: int) -> tuple[None, Parts]:
        """Return the state of `source` rows that have read nothing."""
        return None, tuple(torch.zeros(source, width) for width in self._state.values())

    def step(self, y_prev: Int[Tensor, "N"], memory: None, state: Parts) -> Step[Parts]:
        """Score the next token after y_prev."""
        kept = dict(zip(self._state, state, strict=True))
        log_probs, *after = _run(self._step, {"y": y_prev, **kept})
        return Step(log_probs, tuple(after), None)


def _run(session: "InferenceSession", inputs: dict[str, Tensor]) -> Parts:
    """Return all outputs of a graph; tensors are read and handed over where they lie in memory."""
    found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    return tuple(map(torch.from_numpy, found))
