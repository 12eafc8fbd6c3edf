"""An exported model in a folder: model.onnx, manifest.json and its tokenizers.

A run folder is one too, once it has been exported in place.
"""

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmt.data.directions import choose_tag
from nmt.data.sentences import sentence_finder
from nmt.data.text import Normalizer, TextEncoder
from nmt.decoding.options import Splitter, choose_beam
from nmt.decoding.sources import SourceLimits
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.files import MB, open_regular, read_regular, sha256
from nmt.hub import local
from nmt.machine import Precision
from nmt.onnx_runtime import open_session
from nmt.runtime.engine import GraphEngine
from nmt.runtime.manifest import FILE, GRAPH, Kind, Manifest
from nmt.runtime.onnx_file import check_onnx_file
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PRETRAINED = Path(__file__).parent.parent / "pretrained"
_MOST_BYTES = 2_000 * MB  # protocol buffers hold no more
_LABELS = "nmt predict and nmt.runtime.load_labeller"
_USE: dict[Kind, str] = {
    "seq2seq": "nmt translate and nmt.runtime.load",
    "classifier": _LABELS,
    "tagger": _LABELS,
    "language_model": "nmt.runtime.load_language_model",
}
_DOES_NOT: dict[Kind, str] = {
    "seq2seq": "translates nothing",
    "classifier": "labels nothing",
    "tagger": "labels nothing",
    "language_model": "gives text no probability",
}
_WEIGHTS, _CONFIG, _MOST_HEADER = "model.safetensors", "config.yaml", 10 * MB


def find_model(model: Path) -> Path:
    """Return the folder of a model: the path itself, one that ships with the package, or a copy from the hub.

    model: such as runs/demo, de-en or hf://user/repo@revision. Raises UserError like `nmt.hub.local`.
    """
    model = local(model)
    shipped = PRETRAINED / model.name
    if len(model.parts) == 1 and not model.exists() and shipped.is_dir():
        return shipped
    return model


def is_exported(folder: Path) -> bool:
    """Say whether a folder holds an exported model and no run."""
    of_run = (folder / _CONFIG).exists() or (folder / _WEIGHTS).exists()
    return not of_run and (folder / FILE).exists()


def load(
    model: str | Path,
    *,
    beam: int | None = None,
    n_best: int = 1,
    max_source: int | None = None,
    split: bool = True,
    protect: bool = True,
    to: str | None = None,
    threads: int = 1,
) -> Translator[GraphEngine]:
    """Return the translator of an exported model: `nmt.runtime.load("de-en").translate(["…"])`.

    model: a folder that `nmt export` wrote, a run that was exported in place, the name of a model that ships
    with the package, or hf://user/repo@revision. n_best: the most different translations of a line. protect:
    addresses, placeholders and tags come out as they are. to: the language to translate to, of a model of
    several. What else is None is as the model's manifest says. Several threads may use the translator. Raises
    UserError where the folder holds no exported model or its parts do not belong together.
    """
    folder = find_model(Path(model))
    manifest, graph = read_model(folder, "seq2seq")
    translator = translator_of(
        folder,
        manifest,
        graph,
        beam=beam,
        n_best=n_best,
        max_source=max_source,
        split=split,
        tag=choose_tag(folder, manifest.directions, to),
        threads=threads,
    )
    return replace(translator, protect=protect)


def read_model(folder: Path, *kinds: Kind) -> tuple[Manifest, bytes]:
    """Return manifest and graph of an exported model; raises UserError unless it is whole and of a kind."""
    manifest = read_manifest(folder, *kinds)
    if not is_fresh(folder, manifest):
        raise UserError(
            f"{folder / GRAPH} was exported from other weights or another configuration than {folder} has; "
            f"run nmt export {folder}"
        )
    return manifest, read_graph(folder, manifest)


def read_manifest(folder: Path, *kinds: Kind) -> Manifest:
    """Return the manifest of an exported model; raises UserError where there is none of these kinds."""
    manifest = Manifest.load(folder)
    if manifest is None:
        found = "no such folder" if not folder.is_dir() else f"a folder without {FILE}"
        raise UserError(f"{folder}: expected an exported model, found {found}; see nmt export")
    if manifest.kind not in kinds:
        raise UserError(
            f"{folder} is a model of kind {manifest.kind}, which {_DOES_NOT[kinds[0]]}; "
            f"see {_USE[manifest.kind]}"
        )
    return manifest


def check_precision(folder: Path, manifest: Manifest, asked: Precision) -> None:
    """Raise UserError where another precision is asked for than that of an exported model."""
    if asked not in ("auto", manifest.precision):
        raise UserError(f"--precision {asked}: {folder} was exported in {manifest.precision}")


def is_fresh(folder: Path, manifest: Manifest) -> bool:
    """Say whether the graph was made of the weights and the configuration that lie beside it, if any do."""
    return _made_of_weights(folder, manifest) and _made_of_config(folder, manifest)


def _made_of_weights(folder: Path, manifest: Manifest) -> bool:
    try:
        with open_regular(folder / _WEIGHTS, within=folder) as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(size, _MOST_HEADER)))
        # The fingerprints of both tokenizers, the checksum, and the keys of the model behind it.
        found: object = header["__metadata__"]["tokenizers"].split(" ", 2)[2].partition("{")[0]
        return found == manifest.weights
    except FileNotFoundError:
        return True
    except (OSError, ValueError, LookupError, AttributeError, TypeError, struct.error, RecursionError):
        return False


def _made_of_config(folder: Path, manifest: Manifest) -> bool:
    path = folder / _CONFIG
    return not path.is_file() or sha256(path, within=folder) == manifest.config


def read_graph(folder: Path, manifest: Manifest) -> bytes:
    """Return the content of model.onnx; raises UserError if it is damaged or not of our making."""
    path = folder / GRAPH
    try:
        data = read_regular(path, _MOST_BYTES, within=folder)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); export the model again") from None
    if hashlib.sha256(data).hexdigest() != manifest.graph:
        raise UserError(
            f"{path} is damaged: it is not the file that {FILE} describes; export the model again"
        )
    try:
        check_onnx_file(data)
    except ValueError as error:
        raise UserError(f"{path} is not opened: {error}; use only models of nmt export") from None
    return data


def translator_of(
    folder: Path,
    manifest: Manifest,
    graph: bytes,
    *,
    beam: int | None = None,
    n_best: int = 1,
    max_source: int | None = None,
    split: bool = True,
    sentences: Splitter = "rules",
    tag: str = "",
    threads: int = 1,
) -> Translator[GraphEngine]:
    """Return the translator of a graph with the tokenizers in a folder; see `load`.

    tag: the token before the sources, "" for none.
    """
    src, trg = tokenizers_of(folder, manifest)
    width = choose_beam(n_best, asked=beam, usual=manifest.beam)
    session = session_of(folder, graph, threads=threads)
    limits = SourceLimits.of(folder / "tokenizer", manifest.max_source, asked=max_source)
    engine = GraphEngine(
        session=session,
        precision=manifest.precision,
        beam=width,
        n_best=1 if n_best == 1 else width,  # some may be one text
        alpha=manifest.alpha,
        offset=manifest.offset,
        max_ratio=manifest.max_ratio,
        max_extra=manifest.max_extra,
        tokens_per_batch=manifest.tokens_per_batch,
    )
    encoder = TextEncoder(src, Normalizer(manifest.normalize)).with_tag(tag)
    reader = limits.reader(encoder, split=split, ends=sentence_finder(sentences, manifest.src))
    return Translator(
        engine,
        (reader,),
        trg,
        n_best=n_best,
        lengths=limits.lengths,
        confidence=manifest.confidence or np.exp,
    )


def tokenizers_of(folder: Path, manifest: Manifest) -> tuple[Tokenizer, Tokenizer]:
    """Return both tokenizers in a folder; raises UserError unless the manifest means them."""
    src, trg = load_tokenizers(folder / "tokenizer")
    _check_tokenizer(folder, "source", src, manifest.src_tokens)
    _check_tokenizer(folder, "target", trg, manifest.trg_tokens)
    return src, trg


def session_of(folder: Path, graph: bytes, *, threads: int) -> "InferenceSession":
    """Return a session of the folder's graph; raises UserError if ONNX Runtime refuses it."""
    try:
        return open_session(graph, threads=threads)
    except ValueError as error:
        raise UserError(
            f"{folder / GRAPH}: ONNX Runtime refuses it ({error}); export the model again"
        ) from None


def _check_tokenizer(folder: Path, side: str, tokenizer: Tokenizer, expected: str) -> None:
    if tokenizer.vocabulary.fingerprint != expected:
        raise UserError(
            f"{folder / 'tokenizer'}: the {side} tokenizer belongs to another model: {FILE} expects tokens "
            f"with fingerprint {expected[:12]}, found {tokenizer.vocabulary.fingerprint[:12]}; export the "
            "model again"
        )
