"""A run → its graph for ONNX Runtime, with a manifest."""

import hashlib
from pathlib import Path
from typing import NamedTuple, TypedDict

import nmt
from nmt.builders.search import build_penalty
from nmt.builders.tokenizer import build_normalizer
from nmt.builders.translator import Member, read_member
from nmt.config.decoding import DecodingConfig
from nmt.files import replace_bytes, sha256
from nmt.graphs.translation import translation_graph
from nmt.models import Seq2Seq
from nmt.run import checksum
from nmt.runtime.manifest import FILE, GRAPH, GraphPrecision, Manifest


class Exported(NamedTuple):
    """A graph, serialised, and its manifest."""

    manifest: Manifest
    graph: bytes

    def write(self, folder: Path) -> None:
        """Write both files; the manifest comes last, so that it never describes a file that is not there."""
        replace_bytes(folder / GRAPH, self.graph)
        replace_bytes(folder / FILE, self.manifest.to_json())


class SearchKeys(TypedDict):
    """The keys of a manifest that say how to search."""

    beam: int
    alpha: float
    offset: float
    max_ratio: float
    max_extra: int
    max_source: int
    tokens_per_batch: int


def export_run(folder: Path, precision: GraphPrecision) -> Exported:
    """Return the graph of a run; raises UserError where it is none or holds a layer without a graph."""
    member = read_member(folder)
    return export_model(member, member.load_model(), precision)


def export_model(member: Member, model: Seq2Seq, precision: GraphPrecision) -> Exported:
    """Return the graph of a run's model."""
    graph = translation_graph(model, member.trg.banned, precision).SerializeToString(deterministic=True)
    data = member.experiment.data
    manifest = Manifest(
        nmt=nmt.__version__,
        kind="seq2seq",
        precision=precision,
        graph=hashlib.sha256(graph).hexdigest(),
        weights=checksum({name: weight.detach() for name, weight in model.named_parameters()}),
        config=sha256(member.run.config, within=member.run.folder),
        src_tokens=member.src.vocabulary.fingerprint,
        trg_tokens=member.trg.vocabulary.fingerprint,
        src=data.src or "",
        trg=data.trg or "",
        normalize=build_normalizer(data).form,
        **search_keys(member.experiment.decoding),
    )
    return Exported(manifest, graph)


def search_keys(config: DecodingConfig) -> SearchKeys:
    """Return how the decoding section searches, as a manifest says it."""
    penalty = build_penalty(config.length_penalty)
    return SearchKeys(
        beam=config.beam,
        alpha=penalty.alpha,
        offset=penalty.offset,
        max_ratio=config.max_ratio,
        max_extra=config.max_extra,
        max_source=config.max_source,
        tokens_per_batch=config.tokens_per_batch,
    )
