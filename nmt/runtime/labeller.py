"""Labels by an exported classifier or tagger.

B texts, Tx positions, Ty labels of a text, V labels with the special tokens before them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmt.data.text import Normalizer, TextEncoder
from nmt.decoding.engine import by_length
from nmt.decoding.label_text import label_lines
from nmt.errors import Diverged
from nmt.runtime.bundle import find_model, read_model, session_of, tokenizers_of
from nmt.runtime.manifest import GraphPrecision, Manifest
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import EOS, PAD

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True, kw_only=True)
class GraphLabeller:
    """Labels texts with a graph; several threads may use one. tokens_per_batch: padding included."""

    session: "InferenceSession"
    precision: GraphPrecision
    encoder: TextEncoder
    labels: Tokenizer
    tokens_per_batch: int

    def label(self, lines: Sequence[str]) -> list[str]:
        """Return the label of each line, or those of its words between spaces; of a blank line none.

        Raises Diverged if a score is not a number.
        """
        return label_lines(lines, self.encoder, self.labels, self.predicted)

    def predicted(self, rows: Sequence[list[int]]) -> list[list[int]]:
        """Return the ids of the labels of texts, whose ids lack </s>."""
        results: list[list[int]] = [[]] * len(rows)
        for chosen in by_length(rows, self.tokens_per_batch):
            src_len = np.array([len(rows[i]) + 1 for i in chosen], np.int64)
            src = np.full((len(chosen), int(src_len.max())), PAD, np.int64)
            for row, i in zip(src, chosen, strict=True):
                row[: len(rows[i]) + 1] = [*rows[i], EOS]
            (log_probs,) = self.session.run(None, {"src": src, "src_len": src_len})  # (B, Ty, V)
            if np.isnan(log_probs).any():
                raise Diverged.giving_no("label")
            best = log_probs[..., EOS + 1 :].argmax(-1) + EOS + 1  # no special token is a label
            for i, ids in zip(chosen, best.tolist(), strict=True):
                results[i] = ids[: len(rows[i])]
        return results


def load_labeller(model: str | Path, *, threads: int = 1) -> GraphLabeller:
    """Return the labeller of an exported classifier or tagger: `load_labeller("folder").label(["…"])`.

    model: a folder that `nmt export` wrote, a run that was exported in place, or hf://user/repo@revision.
    Raises UserError where the folder holds no such model or its parts do not belong together.
    """
    folder = find_model(Path(model))
    manifest, graph = read_model(folder, "classifier", "tagger")
    return labeller_of(folder, manifest, graph, threads=threads)


def labeller_of(folder: Path, manifest: Manifest, graph: bytes, *, threads: int = 1) -> GraphLabeller:
    """Return the labeller of a graph with the tokenizers in a folder; see `load_labeller`."""
    text, labels = tokenizers_of(folder, manifest)
    return GraphLabeller(
        session=session_of(folder, graph, threads=threads),
        precision=manifest.precision,
        encoder=TextEncoder(text, Normalizer(manifest.normalize)),
        labels=labels,
        tokens_per_batch=manifest.tokens_per_batch,
    )
