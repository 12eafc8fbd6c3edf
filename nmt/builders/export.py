"""A run → its graph for ONNX Runtime, with a manifest."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from onnx import ModelProto
from torch import nn

import nmt
from nmt.builders.corpus import directions_of, languages_of
from nmt.builders.members import Member, read_member
from nmt.builders.search import search_keys
from nmt.builders.tokenizer import build_normalizer
from nmt.config.experiment import Experiment
from nmt.evaluation.calibration import Curve
from nmt.files import replace_bytes, sha256
from nmt.graphs.labeling import labeling_graph
from nmt.graphs.language_model import language_model_graph
from nmt.graphs.translation import translation_graph
from nmt.models import Classifier, LanguageModel, Seq2Seq, Tagger
from nmt.run import Run, checksum
from nmt.runtime.manifest import FILE, GRAPH, GraphPrecision, Kind, Manifest
from nmt.tokenization.tokenizer import Tokenizer


class Exported(NamedTuple):
    """A graph, serialised, and its manifest."""

    manifest: Manifest
    graph: bytes

    def calibrated(self, confidence: Curve | None) -> "Exported":
        """Return it with this curve of confidence in words."""
        return self._replace(manifest=replace(self.manifest, confidence=confidence))

    def lettered(self, letters: str) -> "Exported":
        """Return it with the common trigrams of the source language."""
        return self._replace(manifest=replace(self.manifest, letters=letters))

    def write(self, folder: Path) -> None:
        """Write both files; the manifest comes last, so that it never describes a file that is not there."""
        replace_bytes(folder / GRAPH, self.graph)
        replace_bytes(folder / FILE, self.manifest.to_json())


class ExportedRun(Protocol):
    """A run of any kind and its tokenizers; a `Member` is one."""

    @property
    def run(self) -> Run:
        """Its folder."""
        ...

    @property
    def experiment(self) -> Experiment:
        """Its configuration."""
        ...

    @property
    def src(self) -> Tokenizer:
        """The tokenizer of what the model reads."""
        ...

    @property
    def trg(self) -> Tokenizer:
        """The tokenizer of what the model gives."""
        ...


def export_run(folder: Path, precision: GraphPrecision) -> Exported:
    """Return the graph of a run; raises UserError where it is none or holds a layer without a graph."""
    member = read_member(folder)
    return export_model(member, member.load_model(), precision)


def export_model(member: Member, model: Seq2Seq, precision: GraphPrecision) -> Exported:
    """Return the graph of a run's model."""
    graph = translation_graph(model, member.trg.banned, precision)
    return _exported(member, "seq2seq", model, graph, precision)


def export_labeller(run: ExportedRun, model: Tagger, precision: GraphPrecision) -> Exported:
    """Return the graph of a run's classifier or tagger, in float32 and evaluation mode."""
    kind: Kind = "classifier" if isinstance(model, Classifier) else "tagger"
    return _exported(run, kind, model, labeling_graph(model, precision), precision)


def export_language_model(run: ExportedRun, model: LanguageModel, precision: GraphPrecision) -> Exported:
    """Return the graph of a step of a run's language model, in float32 and evaluation mode."""
    return _exported(run, "language_model", model, language_model_graph(model, precision), precision)


def _exported(
    run: ExportedRun, kind: Kind, model: nn.Module, proto: ModelProto, precision: GraphPrecision
) -> Exported:
    graph, data = proto.SerializeToString(deterministic=True), run.experiment.data
    languages = languages_of(data)
    manifest = Manifest(
        nmt=nmt.__version__,
        kind=kind,
        precision=precision,
        graph=hashlib.sha256(graph).hexdigest(),
        weights=checksum({name: weight.detach() for name, weight in model.named_parameters()}),
        config=sha256(run.run.config, within=run.run.folder),
        src_tokens=run.src.vocabulary.fingerprint,
        trg_tokens=run.trg.vocabulary.fingerprint,
        src=languages.src or "",
        trg=languages.trg or "",
        normalize=build_normalizer(data).form,
        **search_keys(run.experiment.decoding)._asdict(),
        continuous=data.continuous,
        directions=directions_of(data),
    )
    return Exported(manifest, graph)
