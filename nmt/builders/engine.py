"""Options → a translator on the engine that suits them: ONNX Runtime on a CPU, else torch.

Loads torch only where it is needed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.data.directions import choose_tag
from nmt.decoding.engine import Engine
from nmt.decoding.options import TranslationOptions
from nmt.decoding.translator import Translator
from nmt.errors import CannotExport, UserError
from nmt.files import one_at_a_time
from nmt.machine import Precision, has_cuda_driver
from nmt.runtime.bundle import (
    check_precision,
    find_model,
    is_exported,
    is_fresh,
    read_graph,
    read_manifest,
    translator_of,
)
from nmt.runtime.engine import GraphEngine
from nmt.runtime.manifest import GraphPrecision, Manifest

if TYPE_CHECKING:
    from nmt.config.experiment import Experiment
    from nmt.decoding.torch_engine import TorchEngine


def open_translator(
    options: TranslationOptions, experiment: "Experiment | None" = None
) -> Translator[Engine]:
    """Return the translator that the options describe, on the engine that suits them.

    Searches in float32 or int8 on a CPU run on ONNX Runtime, in int8 unless told otherwise: the whole search
    of one model, the steps of several or under rules. A layer without an ONNX graph runs in torch, if int8 is
    not asked for by name, and so does all else. An exported model runs on ONNX Runtime alone. experiment: the
    first run's configuration with overrides. Raises UserError like `load_translator` and `reranked`.
    """
    translator = _search(options, experiment)
    if options.rerank is None:
        return translator
    from nmt.builders.reranking import reranked

    return reranked(translator, _placed(options))


def _search(options: TranslationOptions, experiment: "Experiment | None") -> Translator[Engine]:
    options = _placed(options)
    if _suits_graphs(options):
        with _else_in_torch(options.precision):
            return _open_graphs(options, experiment)
    from nmt.builders.translator import load_translator

    return load_translator(options, experiment)


def open_sampler(options: TranslationOptions) -> "Translator[TorchEngine]":
    """Return the translator that samples as the options describe, on the engine that suits it.

    Samples of which one is chosen may come from steps on ONNX Runtime, and those of an exported model do.
    Raises like `open_translator`.
    """
    from nmt.builders.translator import load_in_graphs, load_translator

    options = _placed(options)
    if (options.mbr or _exported(options)) and _suits_graphs(replace(options, sampling=None, mbr=0)):
        with _else_in_torch(options.precision):
            return load_in_graphs(options)
    usual = options.mbr and options.precision == "auto"
    return load_translator(replace(options, precision="float32") if usual else options)


def open_scorer(options: TranslationOptions) -> "Translator[TorchEngine]":
    """Return the translator that gives targets their log-probabilities, in the precision of a search.

    On a CPU its steps are on ONNX Runtime. Raises like `open_translator`.
    """
    from nmt.builders.translator import load_in_graphs, load_translator

    options = _placed(options)
    if _suits_graphs(options):
        with _else_in_torch(options.precision):
            return load_in_graphs(options)
    return load_translator(options)


def open_steps(options: TranslationOptions) -> "Translator[TorchEngine]":
    """Return the translator that forces and aligns: in torch, an exported model on ONNX Runtime.

    Raises UserError like `load_translator`.
    """
    from nmt.builders.translator import load_in_graphs, load_translator

    options = _placed(options)
    return (load_in_graphs if _exported(options) and _suits_graphs(options) else load_translator)(options)


@contextmanager
def _else_in_torch(precision: Precision) -> Iterator[None]:
    """Go on behind the block where a layer has no ONNX graph, unless int8 is asked for by name."""
    try:
        yield
    except CannotExport:
        if precision == "int8":
            raise


def _exported(options: TranslationOptions) -> bool:
    """Say whether one of the models is an exported one."""
    return any(is_exported(find_model(model)) for model in options.models)


def _placed(options: TranslationOptions) -> TranslationOptions:
    """Return the options on the CPU where an exported model is to run and no device is asked for."""
    return replace(options, device="cpu") if options.device == "auto" and _exported(options) else options


def _suits_graphs(options: TranslationOptions) -> bool:
    in_graphs = options.precision in ("auto", "float32", "int8")
    searches = options.sampling is None or _exported(options)
    return searches and in_graphs and _on_cpu(options.device)


def _open_graphs(options: TranslationOptions, experiment: "Experiment | None") -> Translator[Engine]:
    alone = len(options.models) == 1 and options.lm is None
    if alone and not options.rules and options.sampling is None:
        return _open_graph(options, experiment)
    from nmt.builders.translator import load_in_graphs

    return load_in_graphs(options, experiment)


def _on_cpu(device: str) -> bool:
    if device != "auto" or not has_cuda_driver():
        return device in ("auto", "cpu")
    from nmt.builders.hardware import choose_device

    return choose_device(device).type == "cpu"


def _open_graph(options: TranslationOptions, experiment: "Experiment | None") -> Translator[GraphEngine]:
    folder, manifest, graph = find_graph(options.models[0], options.precision)
    if experiment is not None:
        from nmt.builders.search import search_keys

        manifest = replace(manifest, **search_keys(experiment.decoding)._asdict())
    alpha, offset = options.penalty(manifest.alpha, manifest.offset)
    tag = choose_tag(folder, manifest.directions, options.to) if options.tag is None else options.tag
    translator = translator_of(
        folder,
        replace(manifest, alpha=alpha, offset=offset),
        graph,
        beam=options.beam,
        n_best=options.n_best,
        max_source=options.max_source,
        split=options.split,
        sentences=options.sentences,
        tag=tag,
        threads=options.threads or 1,
    )
    return replace(translator, protect=options.protect, replace_unk=options.replace_unk)


def find_graph(model: Path, precision: Precision = "auto") -> tuple[Path, Manifest, bytes]:
    """Return folder, manifest and graph of a model: exported, shipped, or a run that is exported now.

    precision: auto is int8 for a run, else as exported. Raises UserError where there is no whole model.
    """
    folder = find_model(model)
    wanted: GraphPrecision = "float32" if precision == "float32" else "int8"
    if (folder / "config.yaml").exists() or not (folder / "manifest.json").exists():
        return folder, *_of_run(folder, wanted)
    manifest = read_manifest(folder, "seq2seq")
    check_precision(folder, manifest, precision)
    return folder, manifest, read_graph(folder, manifest)


def _of_run(folder: Path, precision: GraphPrecision) -> tuple[Manifest, bytes]:
    """Return the graph of a run: the one in its folder, made on first use, or one made now."""
    manifest, graph = _of_folder(folder, precision)
    if manifest is None or graph is None:
        with one_at_a_time(folder):  # of several workers one makes it, the others wait for it
            manifest, graph = _of_folder(folder, precision)
            if manifest is None or graph is None:
                return _made(folder, precision, manifest)
    return manifest, graph


def _of_folder(folder: Path, precision: GraphPrecision) -> tuple[Manifest | None, bytes | None]:
    """Return the manifest in a run's folder if it is fresh, and the graph if it has this precision."""
    with suppress(UserError):  # where it is damaged it is made anew
        manifest = read_manifest(folder, "seq2seq")
        if is_fresh(folder, manifest):
            return manifest, read_graph(folder, manifest) if manifest.precision == precision else None
    return None, None


def _made(folder: Path, precision: GraphPrecision, known: Manifest | None) -> tuple[Manifest, bytes]:
    """Return a graph made now; known: the manifest of another precision, whose curve and letters hold."""
    from nmt.builders.export import export_run

    exported = export_run(folder, precision)
    if known is not None:
        exported = exported.calibrated(known.confidence).lettered(known.letters)
    if precision == "int8":  # what translates unless told otherwise
        with suppress(OSError, UserError):  # a folder of someone else; it costs seconds each time
            exported.write(folder)
    return exported
