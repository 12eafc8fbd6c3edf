"""The report as one HTML page: no other file, no other site, no text of a corpus that is markup."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.evaluation.metrics import RESAMPLES, RESAMPLES_SEED
from nmt.evaluation.record import translation_record
from nmt.report import charts
from nmt.report.buckets import bucket_tables, fault_letters
from nmt.report.content import (
    RecordedRuns,
    Report,
    RunPart,
    System,
    cased_places,
    spread,
    verdicts,
    what_p_ignores,
)
from nmt.report.folders import curves, recorded_scores, training_costs, validations
from nmt.report.grid import Grid
from nmt.report.origin import commands, environment_table

PAGE = Path(__file__).parent / "page"
COLOURS = 6  # of lines, as in report.css
MOST_BYTES = 4_500_000  # of the sentences; the page is to stay below 5 MB
HEADINGS = {
    "summary": "Summary",
    "scores": "Scores",
    "curves": "Training curves",
    "buckets": "Where it is good and bad",
    "confidence": "Confidence",
    "sentences": "Sentences",
    "configuration": "Configuration",
    "environment": "Environment",
    "repeat": "How to repeat it",
}


class Sentences(NamedTuple):
    """The sentences for the page's script: JSON without a character that HTML reads, and how many."""

    json: str
    shown: int


def render(report: Report, *, with_text: bool = True) -> str:
    """Return the page of a report, which asks no other file for anything.

    with_text: with the sentences of the text and of the systems; without, the page holds none and no script.
    """
    sentences = sentence_data(report, MOST_BYTES) if with_text else None
    left_out = _left_out(sentences.shown, len(report.text.pairs)) if sentences else ""
    calibration, errors, bins = _calibration(report)
    several = [system for system in report.systems if len(system.runs) > 1]
    agreements = " ".join(_agreement(report, run) for run in report.runs).strip()
    content: Mapping[str, object] = {
        "verdicts": verdicts(report),
        "ignored": what_p_ignores(report.systems) if len(report.systems) > 1 else [],
        "overview": _overview(report),
        "scores": _scores(report),
        "recorded": recorded_scores(report.runs, agreements),
        "buckets": bucket_tables(report),
        "looked_at": ", ".join(system.runs[0].name for system in several),
        "calibration": calibration,
        "errors": errors,
        "bins": bins,
        "left_out": left_out,
        "changed": _changed(report),
    }
    may_miss = {"confidence": calibration, "sentences": sentences}
    sections = [key for key in HEADINGS if may_miss.get(key, True)]
    systems = {system.name: system.runs for system in report.systems}
    return _page("report", report, systems, content, sections, sentences)


def render_recorded(found: RecordedRuns) -> str:
    """Return the page on what run folders hold, which asks no other file for anything and has no script."""
    content: Mapping[str, object] = {
        "recorded": recorded_scores(found.runs),
        "costs": training_costs(found.runs),
        "changed": Grid("", [], []),
    }
    sections = ["scores", "curves", "configuration", "environment", "repeat"]
    return _page("recorded", found, {run.name: [run] for run in found.runs}, content, sections)


def _page(
    template: str,
    report: Report | RecordedRuns,
    systems: Mapping[str, Sequence[RunPart]],
    content: Mapping[str, object],
    sections: Sequence[str],
    sentences: Sentences | None = None,
) -> str:
    """Return a page of a template. systems: the runs by name. content: what this template alone shows."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((PAGE / name).read_text("utf-8") for name in ("report.css", "report.js"))
    names, drawn = [*systems], [*curves([*systems.values()])]
    common: Mapping[str, object] = {
        "report": report,
        "names": names,
        "title": " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])),
        "style": Markup(style),
        "script": Markup(script),
        "style_hash": Markup(_hash(style)),
        "script_source": Markup(f"'{_hash(script)}'" if sentences else "'none'"),
        "data": Markup(sentences.json) if sentences else None,
        "headings": {key: HEADINGS[key] for key in sections if drawn or key != "curves"},
        "charts": drawn,
        "configured": [runs[0] for runs in systems.values() if runs[0].config],
        "validations": validations(report.runs),
        "environment": environment_table(report),
        "commands": dict(commands(report)),
        "colours": COLOURS,
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
        "left": charts.LEFT,
        "right": charts.RIGHT,
        "bottom": charts.BOTTOM,
    }
    return environment.get_template(f"{template}.html.j2").render({**common, **content})


def _hash(text: str) -> str:
    """Return the name of a style or script for a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def as_data(value: object) -> str:
    """Return JSON that can stand in a script element: nothing in it ends the element or begins another."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def sentence_data(report: Report, most: int) -> Sentences:
    """Return the sentences with all outputs, at most so many bytes: then evenly spread ones are left out."""
    first = report.text
    rows = [as_data(each) for each in _sentences(report)]
    size = sum(len(row.encode()) + 1 for row in rows)
    if size > most:
        keep = max(1, int(len(rows) * most / size))
        while True:
            chosen = np.unique(np.linspace(0, len(rows) - 1, keep).astype(int)).tolist()
            if keep == 1 or sum(len(rows[i].encode()) + 1 for i in chosen) <= most:
                break
            keep = keep * 9 // 10
        rows = [rows[i] for i in chosen]
    src, _, trg = first.languages.partition("→")
    head = {
        "systems": [system.name for system in report.systems],
        "languages": {"src": _language_tag(src), "trg": _language_tag(trg)},
    }
    return Sentences(f'{as_data(head)[:-1]},"sentences":[{",".join(rows)}]}}', len(rows))


def _sentences(report: Report) -> Iterator[Mapping[str, object]]:
    """Yield each sentence under short keys: n number, s source, r reference, x faults, o outputs.

    Of an output: t text, s sentence chrF2, x faults, c confidence in each word, a attention (a row for each
    word), both in bytes of 1/255 as base64; w its words and f those of the source, unless spaces part them.
    """
    unknown = {*report.text.unknown}
    letters = [fault_letters(system.closer.faults) for system in report.systems]
    for number, pair in enumerate(report.text.pairs):
        found = [
            _output(pair.src, system, number, faults.get(number, ""))
            for system, faults in zip(report.systems, letters, strict=True)
        ]
        row: dict[str, object] = {"n": number, "s": pair.src, "r": pair.trg, "o": found}
        if number in unknown:
            row["x"] = "u"
        yield row


def _language_tag(code: str) -> str:
    """Return a language as HTML names it, "" for a name that is no code."""
    return code.replace("_", "-") if re.fullmatch("[a-z]{2,3}([-_][A-Za-z0-9]+)*", code) else ""


def _output(source: str, system: System, number: int, faults: str) -> Mapping[str, object]:
    record = translation_record(source, system.closer.translations[number])
    words = [word["text"] for word in record["words"]]
    found: dict[str, object] = {"t": record["text"], "s": round(system.closer.scores[number], 1)}
    if faults:
        found["x"] = faults
    if words:
        found["c"] = _bytes([word["confidence"] for word in record["words"]])
        found["a"] = _bytes([value for word in record["words"] for value in word["attention"]])
        if " ".join(words) != record["text"]:
            found["w"] = words
        if " ".join(record["source_words"]) != source:
            found["f"] = record["source_words"]
    return found


def _bytes(values: Sequence[float]) -> str:
    """Return numbers from 0 to 1 as base64, a byte each."""
    return base64.b64encode(np.round(np.clip(values, 0, 1) * 255).astype(np.uint8).tobytes()).decode()


def _left_out(shown: int, count: int) -> str:
    if shown == count:
        return ""
    return f"{shown:,} of the {count:,} sentences are in this page, evenly spread, to keep it small."


def _overview(report: Report) -> Grid:
    rows, places = [], cased_places(report)
    for system in report.systems:
        trained = system.runs[0].trained
        cost = trained.training if trained else None
        size = trained.parameters if trained else None
        seeds = ", ".join(str(run.seed) for run in system.runs)
        rows.append(
            [
                system.name,
                f"{len(system.runs)} (seed {seeds})",
                *(spread(system, place) for place in places),
                "–" if size is None else f"{size / 1e6:.1f} M",
                "–" if cost is None else f"{cost.updates:,}",
                "–" if cost is None else f"{cost.wall_minutes:.1f}",
            ]
        )
    names = [report.systems[0].runs[0].scores[place].score.metric for place in places]
    columns = ["system", "runs", *names, "parameters", "updates", "minutes of training"]
    several = any(len(system.runs) > 1 for system in report.systems)
    note = "Mean ± standard deviation over the seeds." if several else ""
    return Grid("Systems", columns, rows, note)


def _scores(report: Report) -> Grid:
    rows = [
        [
            run.name,
            score.metric,
            score.form,
            f"{score.score:.2f}",
            f"{low:.2f} to {high:.2f}",
            score.signature,
        ]
        for run in report.runs
        for score, low, high in run.scores
    ]
    note = (
        f"Intervals: bootstrap over sentences, {RESAMPLES:,} resamples, seed {RESAMPLES_SEED}, percentiles "
        "2.5 and 97.5."
    )
    if len(report.systems) > 1:
        note += " Two may overlap though the paired comparison in the summary tells the systems apart."
    columns = ["run", "metric", "of", "score", "95 % interval", "signature"]
    return Grid("Scores on this text", columns, rows, note)


def _agreement(report: Report, run: RunPart) -> str:
    """Return whether nmt score recorded the same BLEU of this text as the report found; "" if it did not."""
    now = run.scores[0].score
    for result in run.recorded.values():
        before = result.score(now.metric, now.form)
        same = (result.split, result.sentences) == (report.text.split, len(report.text.pairs))
        if before and same and before.signature == now.signature:
            if abs(before.score - now.score) < 0.005:
                return f"{run.name}: BLEU of this text is as recorded."
            return (
                f"{run.name}: BLEU of this text was recorded as {before.score:.2f} and is {now.score:.2f} "
                "here: the search, the precision, the text or the version differs."
            )
    return ""


def _calibration(report: Report) -> tuple[charts.Chart | None, Grid, Grid]:
    series, told, rows, errors = list[charts.Series](), list[str](), [], []
    for number, system in enumerate(report.systems):
        bins, error = system.closer.reliability, system.closer.calibration_error
        series.append(charts.Series(number, [each.confidence for each in bins], [each.rate for each in bins]))
        for each in bins:
            cells = [f"{each.words:,}", f"{each.confidence:.3f}", f"{each.rate:.3f}"]
            rows.append([system.name, *cells])
        if error is not None:
            told.append(f"{system.name}: expected calibration error {error:.3f}")
            errors.append([system.name, f"{sum(each.words for each in bins):,}", f"{error:.3f}"])
    if not rows:
        return None, Grid("", [], []), Grid("", [], [])
    series.append(charts.Series(-1, [0, 1], [0, 1], thin=True))
    chart = charts.draw("Rate of right words by confidence", "confidence", series, "; ".join(told))
    note = (
        "The expected calibration error is the mean distance of the curve from the dashed line "
        "(15 bins). Nothing is calibrated before nmt export has done it for a run."
    )
    table = Grid("Expected calibration error", ["system", "words", "error"], errors, note)
    columns = ["system", "words", "mean confidence", "rate of right words"]
    return chart, table, Grid("Words by confidence", columns, rows)


def _changed(report: Report) -> Grid:
    first = report.systems[0].name
    rows = [[system.name, *changed] for system in report.systems[1:] for changed in system.changed]
    return Grid(f"Keys that differ from {first}", ["system", "key", f"in {first}", "in the system"], rows)
