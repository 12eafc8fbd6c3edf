"""Recurrent neural machine translation: from raw parallel text to translations and their score."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nmt.decoding.demands import Rules
    from nmt.decoding.engine import Engine
    from nmt.decoding.translator import Translator

# oneDNN keeps a kernel with its scratch memory for each shape it has met, 1024 of them unless told
# otherwise; batches of text have so many shapes that this grows to gigabytes.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
# torch keeps a second such cache above it, 1024 products unless told otherwise.
os.environ.setdefault("LRU_CACHE_CAPACITY", "16")
# When another process of a run has ended, torch prints a C++ stack as a warning, before the one line of ours
# that says so. Errors are still printed.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

__all__ = ["__version__", "load"]

__version__ = "0.1.0"


def load(
    run: str | Path,
    *others: str | Path,
    lm: str | Path | None = None,
    lm_weight: float | None = None,
    rerank: str | Path | None = None,
    rerank_weight: float | None = None,
    max_source: int | None = None,
    split: bool = True,
    protect: bool = True,
    rules: "Rules | None" = None,
    to: str | None = None,
) -> "Translator[Engine]":
    """Return the translator of a trained run: `nmt.load("runs/demo").translate(["…"])`.

    run: a run folder, what `nmt export` wrote, the name of a model that ships with the package, such as
    "de-en", or of one on the hub, "hf://user/repo@revision". Several are an ensemble; lm is a run of a
    language model, fused with lm_weight (0.2). rerank is one that orders what the beam holds, with
    rerank_weight (1.0). max_source: source tokens that are translated as a whole, by default the run's;
    split: False keeps together more sentences of a line than training showed. protect: addresses,
    placeholders and tags come out as they are. rules: about every translation, such as a glossary
    (`nmt.decoding.demands.Rules`). to: the language to translate to, of a model of several. Several threads
    may use the translator.
    Raises UserError where a folder is no whole run, or they do not belong together.
    """
    from nmt.builders.engine import open_translator
    from nmt.decoding.demands import NONE
    from nmt.decoding.options import TranslationOptions
    from nmt.hub import local

    return open_translator(
        TranslationOptions(
            models=tuple(local(Path(each)) for each in (run, *others)),
            lm=None if lm is None else local(Path(lm)),
            lm_weight=lm_weight,
            rerank=None if rerank is None else local(Path(rerank)),
            rerank_weight=rerank_weight,
            max_source=max_source,
            split=split,
            protect=protect,
            rules=rules or NONE,
            to=to,
        )
    )
