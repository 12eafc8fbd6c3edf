"""The table of a paper, in Markdown and in LaTeX: a row a system."""

from collections.abc import Sequence

from nmt.evaluation.markdown import table
from nmt.evaluation.verdict import METHOD
from nmt.report.content import Report, System, cased_places, show_p, spread, what_p_ignores

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        "≤": r"$\le$",
        "→": r"$\rightarrow$",
        **{char: f"\\{char}" for char in "&%$#_{}"},
    }
)


def markdown_table(report: Report) -> str:
    """Return the table with what it stands on below it."""
    head, *rows = [[_escape(cell) for cell in line] for line in _rows(report)]
    made = table(head, rows, range(1, len(head)))
    return f"{made}\n\n{' '.join(map(_escape, _caption(report)))}\n\n{_signatures(report, '`')}\n"


def latex_table(report: Report) -> str:
    """Return the table for the package booktabs, with what it stands on as its caption."""
    head, *rows = [[cell.translate(_LATEX) for cell in line] for line in _rows(report)]
    caption = " ".join(each.translate(_LATEX) for each in _caption(report))
    signatures = "\n".join(f"% {line}" for line in _signatures(report, "").splitlines() if line)
    body = "\n".join(f"  {' & '.join(row)} \\\\" for row in rows)
    return (
        "% needs \\usepackage{booktabs}\n"
        f"{signatures}\n"
        "\\begin{table}\n  \\centering\n"
        f"  \\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}\n  \\toprule\n"
        f"  {' & '.join(head)} \\\\\n  \\midrule\n{body}\n  \\bottomrule\n  \\end{{tabular}}\n"
        f"  \\caption{{{caption}}}\n\\end{{table}}\n"
    )


def _rows(report: Report) -> list[list[str]]:
    places = cased_places(report)
    names = [report.systems[0].runs[0].scores[place].score.metric for place in places]
    several = len(report.systems) > 1
    head = ["system", "runs", *names, *(["p"] if several else [])]
    return [head, *(_row(system, places, several=several) for system in report.systems)]


def _row(system: System, places: Sequence[int], *, several: bool) -> list[str]:
    shown = [spread(system, place, digits=1) for place in places]
    p = "" if system.verdict is None else show_p(system.verdict.p).removeprefix("p ").removeprefix("= ")
    return [system.name, str(len(system.runs)), *shown, *([p or "–"] if several else [])]


def _caption(report: Report) -> list[str]:
    found = [f"{report.text.label}. Scores are cased and detokenised."]
    if any(len(system.runs) > 1 for system in report.systems):
        found.append("Mean ± standard deviation over the seeds.")
    if len(report.systems) > 1:
        first = report.systems[0].name
        found.append(
            f"p: how often a difference in BLEU from {first} as large as this would be chance (paired "
            "bootstrap over seeds and sentences)."
        )
        found += what_p_ignores(report.systems)
    return found


def _signatures(report: Report, mark: str) -> str:
    scores = [report.systems[0].runs[0].scores[place].score for place in cased_places(report)]
    lines = [f"{score.metric}: {mark}{score.signature}{mark}" for score in scores]
    if len(report.systems) > 1:
        lines.append(f"p: {mark}{METHOD}{mark}")
    # Two spaces at the end of a line are Markdown's line break.
    return "  \n".join(lines)


def _escape(text: str) -> str:
    """Return text for Markdown, in which none of its characters means anything."""
    for char in "\\`*_[]<>":
        text = text.replace(char, f"\\{char}")
    return " ".join(text.split())
