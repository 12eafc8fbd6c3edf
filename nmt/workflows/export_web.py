"""Models → a folder with a page that translates in the browser."""

from collections.abc import Callable, Sequence
from pathlib import Path

from nmt.builders.engine import find_graph
from nmt.errors import UserError
from nmt.runtime.bundle import find_model
from nmt.runtime.manifest import GraphPrecision
from nmt.server.models import Found, by_pair
from nmt.web.folder import web_files, write_folder
from nmt.web.npm import read_runtime


def export_web(
    models: Sequence[Path],
    to: Path,
    precision: GraphPrecision | None,
    package: Path | None,
    log: Callable[[str], None],
) -> int:
    """Write the folder, and return how many bytes it has.

    models: runs, which are exported into their own folders first, exported models and those that ship; each
    of another pair of languages. precision: of the runs, int8 if None. package: see `read_runtime`. Raises
    UserError, and writes no folder, where a model or the package cannot be had.
    """
    runtime = read_runtime(package)
    found = by_pair((str(model), _find(model, precision, log)) for model in models)
    files = web_files(found, runtime)
    write_folder(to, files)
    return sum(map(len, files.values()))


def _find(model: Path, precision: GraphPrecision | None, log: Callable[[str], None]) -> Found:
    folder = find_model(model)
    if (folder / "config.yaml").exists():
        from nmt.workflows.export import export_run

        export_run(folder, None, precision or "int8", log)
    found = Found(*find_graph(folder, precision or "auto"))
    if found.manifest.directions:
        raise UserError(
            f"{model}: translates to several languages, chosen by tags, which the page in a browser cannot "
            "do; export models of one direction"
        )
    return found
