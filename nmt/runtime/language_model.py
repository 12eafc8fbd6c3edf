"""Log-probabilities of text by an exported language model.

N rows, H hidden width, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmt.data.text import Normalizer, TextEncoder
from nmt.decoding.engine import by_length
from nmt.errors import Diverged
from nmt.runtime.bundle import find_model, read_model, session_of, tokenizers_of
from nmt.runtime.manifest import GraphPrecision, Manifest
from nmt.tokenization.vocabulary import BOS, EOS, PAD

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True, kw_only=True)
class GraphLanguageModel:
    """Scores text with the graph of a step; several threads may use one.

    tokens_per_batch: padding included. continuous: lines are read as one long text.
    """

    session: "InferenceSession"
    precision: GraphPrecision
    encoder: TextEncoder
    tokens_per_batch: int
    continuous: bool

    def log_probs(self, lines: Sequence[str]) -> list[float]:
        """Return the log-probability of each line, its end included, in nats.

        Of a model of one long text each line is read after those before it. Raises Diverged if one is not a
        number.
        """
        rows = [[*ids, EOS] for ids in self.encoder.encode_batch(lines)]
        if self.continuous:
            (whole,) = self._forced([[token for row in rows for token in row]], EOS)
            each = iter(whole)
            return [fsum(next(each) for _ in row) for row in rows]
        results = [0.0] * len(rows)
        for chosen in by_length(rows, self.tokens_per_batch):
            for i, of_tokens in zip(chosen, self._forced([rows[i] for i in chosen], BOS), strict=True):
                results[i] = fsum(of_tokens)
        return results

    def _forced(self, rows: Sequence[list[int]], first: int) -> list[list[float]]:
        """Return the log-probability of each token; first: what stands before them."""
        texts = np.full((len(rows), max(map(len, rows))), PAD, np.int64)
        for text, row in zip(texts, rows, strict=True):
            text[: len(row)] = row
        inputs = self.session.get_inputs()[1:]
        state = [np.zeros((len(rows), part.shape[1]), np.float32) for part in inputs]
        found = np.zeros(texts.shape, np.float64)
        before = np.full(len(rows), first, np.int64)
        for t, y in enumerate(texts.T):
            given = dict(zip((part.name for part in inputs), state, strict=True))
            log_probs, *state = self.session.run(None, {"y": before, **given})  # (N, V), each (N, H)
            found[:, t] = log_probs[np.arange(len(rows)), y]
            before = np.ascontiguousarray(y)
        by_row = [each[: len(row)] for each, row in zip(found, rows, strict=True)]
        if any(np.isnan(each).any() for each in by_row):
            raise Diverged.giving_no("text")
        return [each.tolist() for each in by_row]


def load_language_model(model: str | Path, *, threads: int = 1) -> GraphLanguageModel:
    """Return an exported language model: `load_language_model("folder").log_probs(["…"])`.

    model: a folder that `nmt export` wrote, a run that was exported in place, or hf://user/repo@revision.
    Raises UserError where the folder holds no such model or its parts do not belong together.
    """
    folder = find_model(Path(model))
    manifest, graph = read_model(folder, "language_model")
    return language_model_of(folder, manifest, graph, threads=threads)


def language_model_of(
    folder: Path, manifest: Manifest, graph: bytes, *, threads: int = 1
) -> GraphLanguageModel:
    """Return the language model of a graph with the tokenizer in a folder; see `load_language_model`."""
    text, _ = tokenizers_of(folder, manifest)
    return GraphLanguageModel(
        session=session_of(folder, graph, threads=threads),
        precision=manifest.precision,
        encoder=TextEncoder(text, Normalizer(manifest.normalize, strip=False)),
        tokens_per_batch=manifest.tokens_per_batch,
        continuous=manifest.continuous,
    )
