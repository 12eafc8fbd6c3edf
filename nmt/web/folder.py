"""Exported models → the files of a page that translates in the browser.

index.html, *.js, *.css     the page of nmt serve, with another backend.js
translate/                  what nmt.runtime is, in JavaScript
onnxruntime/                onnxruntime-web
models.json, models/        the list of models; graph and settings of each
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import nmt
from nmt.decoding.sources import SourceLimits
from nmt.errors import UserError
from nmt.runtime.bundle import tokenizers_of
from nmt.runtime.manifest import GRAPH
from nmt.server.models import Found, Pair, languages_of
from nmt.web.tokenizers import describe_tokenizer

_SERVED = Path(nmt.__file__).parent / "server" / "page"
_OWN = Path(__file__).parent / "page"
_ONLY_SERVED = {"backend.js", "docs.css"}
_CHARSET = '<meta charset="utf-8">'
# A page on a plain host sends no headers, so the policy stands in the page. Nothing comes from elsewhere.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="'
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'none'\">"
)


def web_files(models: Mapping[Pair, Found], runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the page by their paths; runtime: what `read_runtime` gives.

    Raises UserError for a tokenizer that the browser has not.
    """
    files = {each.name: each.read_bytes() for each in _SERVED.iterdir() if each.name not in _ONLY_SERVED}
    files |= {path.relative_to(_OWN).as_posix(): path.read_bytes() for path in _OWN.rglob("*.*")}
    index = files["index.html"].decode()
    files["index.html"] = index.replace(_CHARSET, f"{_CHARSET}\n  {_POLICY}", 1).encode()
    files |= {f"onnxruntime/{name}": content for name, content in runtime.items()}

    def listed(path: str) -> dict[str, str | int]:
        return {"path": path, "bytes": len(files[path])}

    folders = list(dict.fromkeys(model.folder for model in models.values()))  # one may be of several pairs
    known = []
    for (src, trg), model in models.items():
        number = folders.index(model.folder) + 1
        graph, settings = (f"models/{number}/{name}" for name in (GRAPH, "settings.json"))
        files[graph], files[settings] = model.graph, _settings(model)
        pair = {"source": src, "target": trg, "tag": model.tag}
        known.append(pair | {"graph": listed(graph), "settings": listed(settings)})
    content = {
        "nmt": nmt.__version__,
        "languages": languages_of(models),
        "models": known,
        "runtime": {"script": listed("onnxruntime/ort.js"), "wasm": listed("onnxruntime/ort.wasm")},
    }
    return files | {"models.json": _json(content)}


def _settings(model: Found) -> bytes:
    """Return all but the graph that the browser needs of a model."""
    folder, manifest = model.folder, model.manifest
    src, trg = tokenizers_of(folder, manifest)
    limits = SourceLimits.of(folder / "tokenizer", manifest.max_source)
    search = ("beam", "alpha", "offset", "max_ratio", "max_extra", "tokens_per_batch")
    return _json(
        {
            "search": {key: getattr(manifest, key) for key in search},
            "limits": {
                "max_source": limits.max_source,
                "tokens": limits.lengths.tokens,
                "sentences": limits.lengths.sentences,
            },
            "normalize": manifest.normalize,
            "confidence": manifest.confidence.points if manifest.confidence else [],
            "src": describe_tokenizer(src),
            "trg": None if trg is src else describe_tokenizer(trg),
        }
    )


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a new folder, all of them or none; raises UserError if that fails."""
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        for name, content in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        partial.rename(folder)
    except OSError as error:
        raise UserError(f"--to {folder}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):
            shutil.rmtree(partial)
