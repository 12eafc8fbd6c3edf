"""Score an exported model, as it translates, on text with references."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from nmt.builders.engine import open_translator
from nmt.data.corpus import Languages
from nmt.decoding.options import TranslationOptions
from nmt.hub import name_of_copy
from nmt.results import Decoding, Machine, Result
from nmt.runtime.manifest import Manifest
from nmt.workflows.result import System
from nmt.workflows.score import as_written, other_models, score_texts


def score_exported(
    options: TranslationOptions,
    manifest: Manifest,
    sources: Sequence[str],
    dataset: str,
    references: Mapping[Path, Sequence[str]],
    *,
    metrics: Sequence[str],
    tokenize: str,
    moses: str | None,
) -> tuple[Result, list[str]]:
    """Return the scores of the one model of the options, and its translations; see `score_texts`.

    Its training is not known. Raises UserError like `open_translator`.
    """
    translator = open_translator(options)
    translator.translate(sources[:8])  # the first products include the creation of kernels
    began = time.perf_counter()
    outputs = translator.translate(sources)
    seconds = time.perf_counter() - began
    system = System(
        experiment=None,
        trained=None,
        languages=Languages(manifest.src or None, manifest.trg or None),
        machine=Machine.here("cpu", threads=options.threads or 1),
        tokenizers={"src": translator.src_tokenizer.fingerprint, "trg": translator.trg_tokenizer.fingerprint},
        decoding=Decoding(
            settings={"beam": translator.engine.beam, "to": options.to, **other_models(options)},
            sentences_per_second=len(sources) / seconds,
            precision=translator.engine.precision,
        ),
    )
    result = score_texts(
        name_of_copy(options.models[0]) or options.models[0].name,
        outputs,
        dataset,
        references,
        metrics=metrics,
        tokenize=tokenize,
        moses=moses,
        written=None if moses is None else as_written(translator, sources),
        system=system,
    )
    return result, outputs
