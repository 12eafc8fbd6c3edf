"""Recurrent neural machine translation: from raw parallel text to translations and their score."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator

# oneDNN keeps a kernel with its scratch memory for each shape it has met, 1024 of them unless told
# otherwise; batches of text have so many shapes that this grows to gigabytes.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
# torch keeps a second such cache above it, 1024 products unless told otherwise.
os.environ.setdefault("LRU_CACHE_CAPACITY", "16")

__all__ = ["__version__", "load"]

__version__ = "0.1.0"


def load(run: str | Path) -> "Translator":
    """Return the translator of a trained run: `nmt.load("runs/demo").translate(["…"])`.

    Raises UserError where the folder is no whole run.
    """
    from nmt.build.translator import load_translator

    return load_translator(Path(run))
