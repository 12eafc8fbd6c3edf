"""The Markdown table of results, made from result.json files and kept current between two markers."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from nmt.errors import UserError
from nmt.evaluation import markdown
from nmt.evaluation.metrics import CASED, tag_of
from nmt.files import MB, read_regular, replace_text
from nmt.results import Result, Score, read_result

BEGIN = "<!-- results:begin -->"
END = "<!-- results:end -->"
REPORT = "report.html"

_NUMERIC = ("BLEU", "chrF2", "beam", "parameters", "updates", "minutes (CPU)", "sentences/s", "seed")
_OF_TRANSLATIONS = ("BLEU", "chrF2", "TER")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


Results: TypeAlias = Mapping[Path, Sequence[Result]]  # by the folder of the experiment
_Columns: TypeAlias = dict[str, Callable[[Result], str | None]]


def load_results(folder: Path) -> Results:
    """Return the results in each `folder`/*/, ordered by name; raises UserError for what cannot be read."""
    if not folder.is_dir():
        raise UserError(f"{folder}: expected the folder of the experiments, found none; give --results")
    runs = sorted(path for path in folder.iterdir() if path.is_dir())
    return {run: results for run in runs if (results := results_of_run(run))}


def results_of_run(run: Path) -> list[Result]:
    """Return the results in a run folder, result.json first; raises UserError for what cannot be read.

    The validation scores that training wrote are left out if `nmt score` wrote others.
    """
    paths = [*run.glob("result.json"), *sorted(run.glob("result-*.json"))]
    results = [read_result(path) for path in paths]
    if results[1:] and paths[0].name == "result.json" and results[0].split == "validation":
        del results[0]
    return results


def table(results: Sequence[Result]) -> str:
    """Return the Markdown table of translations, with signatures below, and one of the other tasks.

    Scores are cased and detokenised. If results of one metric have different signatures, superscripts mark
    them. A hyphen means unknown. The table of the other tasks shows the first two scores of each.
    """
    others = [r for r in results if r.scores and r.scores[0].metric not in _OF_TRANSLATIONS]
    translations = [row for r in results if r not in others for row in _by_tag(r)]
    signatures = _signatures(translations)
    begin: _Columns = {"experiment": lambda r: r.name, "test set": _test_set}
    cost: _Columns = {
        "parameters": lambda r: None if r.parameters is None else f"{r.parameters / 1e6:.1f} M",
        "updates": lambda r: f"{r.training.updates:,}" if r.training else None,
        "minutes (CPU)": _minutes,
        "machine": _machine,
    }
    end: _Columns = {
        "seed": lambda r: _text(r.seed),
        "commit": lambda r: _short(r.commit) if r.commit else None,
    }
    columns: _Columns = {
        **begin,
        "BLEU": lambda r: _score(r, "BLEU", signatures["BLEU"]),
        "chrF2": lambda r: _score(r, "chrF2", signatures["chrF2"]),
        "beam": lambda r: _text(r.decoding.settings.get("beam") if r.decoding else None),
        **cost,
        "sentences/s": _speed,
        **end,
    }
    lines = _rows(columns, translations)
    notes = [
        f"{metric}{_mark(signature, found)}: `{signature}`"
        for metric, found in signatures.items()
        for signature in found
    ]
    if notes:
        # Two spaces at the end of a line are Markdown's line break.
        lines += ["", "  \n".join(["Scores are cased and detokenised, by sacreBLEU.", *notes])]
    if others:
        lines += ["", *_rows({**begin, "scores": _first_scores, **cost, **end}, others)]
    return "\n".join(lines)


def _by_tag(result: Result) -> list[Result]:
    """Return a result for each tag of a model of several languages, which its name then shows."""
    found: dict[str, list[Score]] = {}
    for score in result.scores:
        tag, form = tag_of(score.form)
        found.setdefault(tag, []).append(score.model_copy(update={"form": form}))
    return [
        result.model_copy(
            update={"name": f"{result.name} `{tag}`" if tag else result.name, "scores": tuple(scores)}
        )
        for tag, scores in found.items()
    ] or [result]


def _rows(columns: _Columns, results: Sequence[Result]) -> list[str]:
    rows = [[value(result) or "-" for value in columns.values()] for result in results]
    if not rows:
        rows = [["*no results yet*"] + [""] * (len(columns) - 1)]
    numbers = [place for place, name in enumerate(columns) if name in _NUMERIC]
    return markdown.table([*columns], rows, numbers).split("\n")


def table_is_current(path: Path, results: Results) -> bool:
    """Return whether the table between the file's markers is the one these results give."""
    text, new = _with_table(path, results)
    return new == text


def update_tables(paths: Sequence[Path], results: Results) -> list[bool]:
    """Rewrite what stands between the markers of Markdown files; say of each whether that changed anything.

    A link stays one: the file that it leads to is rewritten. UserError, before anything is written, where a
    file cannot be read or has not each marker once, the first one first.
    """
    both = [_with_table(path, results) for path in paths]
    for path, (text, new) in zip(paths, both, strict=True):
        if new != text:
            replace_text(path.resolve(), new)
    return [new != text for text, new in both]


def _with_table(path: Path, results: Results) -> tuple[str, str]:
    """Return the text of a file, and what it should be."""
    try:
        text = read_regular(path, 10 * MB).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise UserError(f"{path}: expected one line {BEGIN} and after it one line {END}; add them")
    linked = [_linked(result, folder, path) for folder, each in results.items() for result in each]
    return text, f"{before}{BEGIN}\n{table(linked)}\n{END}{after}"


def _linked(result: Result, folder: Path, path: Path) -> Result:
    """Return the result under a name that, in a Markdown file, leads to its folder, and to a report on it.

    The report lies in the folder, or in that above for several runs.
    """

    def link(text: str, to: Path) -> str:
        return f"[{text}]({quote(os.path.relpath(to, path.resolve().parent))})"

    folder = folder.resolve()
    found = link(re.sub(r"([\\\[\]])", r"\\\1", result.name), folder)
    pages = [page for page in (folder / REPORT, folder.parent / REPORT) if page.is_file()]
    if pages:
        found += f" ({link('report', pages[0])})"
    return result.model_copy(update={"name": found})


def _signatures(results: Sequence[Result]) -> dict[str, list[str]]:
    """Return the distinct signatures of each metric, in the order of the results."""
    return {
        metric: list(dict.fromkeys(s.signature for r in results if (s := r.score(metric, CASED))))
        for metric in ("BLEU", "chrF2")
    }


def _score(result: Result, metric: str, signatures: Sequence[str]) -> str | None:
    found = result.score(metric, CASED)
    return f"{found.score:.1f}{_mark(found.signature, signatures)}" if found else None


def _first_scores(result: Result) -> str:
    return ", ".join(f"{score.metric} {score.score:.2f}" for score in result.scores[:2])


def _mark(signature: str, among: Sequence[str]) -> str:
    return str(among.index(signature) + 1).translate(_SUPERSCRIPTS) if len(among) > 1 else ""


def _test_set(result: Result) -> str:
    languages = f" {result.src}→{result.trg}" if result.src and result.trg else ""
    return " ".join(filter(None, [result.dataset, result.split])) + languages


def _minutes(result: Result) -> str | None:
    if result.training is None:
        return None
    cpu = result.training.cpu_minutes
    return f"{result.training.wall_minutes:.1f}" + ("" if cpu is None else f" ({cpu:.1f})")


def _machine(result: Result) -> str | None:
    if result.machine is None:
        return None
    threads = result.machine.threads
    counted = "" if threads is None else f", {threads} thread{'s' if threads != 1 else ''}"
    return f"{result.machine.description}{counted}"


def _speed(result: Result) -> str | None:
    speed = result.decoding.sentences_per_second if result.decoding else None
    return None if speed is None else f"{speed:.{0 if speed >= 10 else 1}f}"


def _short(commit: str) -> str:
    sha, dash, dirty = commit.partition("-")
    return f"`{sha[:7]}{dash}{dirty}`"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
