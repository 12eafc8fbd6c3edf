"""Where the runs of a report come from, and the commands that repeat them."""

from collections.abc import Iterator
from shlex import join, quote

from nmt.report.content import RecordedRuns, Report, RunPart
from nmt.report.grid import Grid


def environment_table(report: Report | RecordedRuns) -> Grid:
    """Return what each run was trained with, a column each, and what made this report."""
    runs = report.runs
    columns = ["fact", *(run.name for run in runs), "this report"]
    facts: list[dict[str, str]] = [_facts(run) for run in runs]
    facts.append(dict(report.here))
    keys = list(dict.fromkeys(key for each in facts for key in each))
    rows = [[key, *(each.get(key, "–") for each in facts)] for key in keys]
    note = "The runs as their results record them; checksums are SHA-256 of the raw text."
    return Grid("Machine, versions and data", columns, rows, note)


def _facts(run: RunPart) -> dict[str, str]:
    found = {"folder": run.folder, "seed": "–" if run.seed is None else str(run.seed)}
    if (result := run.trained) is None:
        return found
    cost = result.training
    machine = (cost and cost.machine) or result.machine
    found |= {
        "commit that trained": (cost and cost.commit) or "–",
        "commit of the result": result.commit or "–",
        "date": f"{result.date:%Y-%m-%d %H:%M}",
        "machine": machine.description if machine else "–",
        "device, threads": f"{machine.device}, {machine.threads}" if machine else "–",
        "precision": (cost and cost.precision) or "–",
    }
    found |= {name: str(value) for name, value in result.versions.model_dump().items() if value}
    found |= {f"{side} tokenizer": each[:16] for side, each in result.tokenizers.items()}
    return found | {f"{split} text": each[:16] for split, each in result.data_hashes.items()}


def _commit(run: RunPart) -> str | None:
    """Return the commit that trained the run; early results have one commit for all."""
    if (result := run.trained) is None:
        return None
    return (result.training and result.training.commit) or result.commit


def commands(report: Report | RecordedRuns) -> Iterator[tuple[str, str]]:
    """Yield the name of each run with the commands that repeat it, then those of the report."""
    for run in report.runs:
        commit = _commit(run) or "COMMIT"
        folder = quote(f"runs/{run.name}")
        seed = "" if run.seed is None else f" --set seed={run.seed}"
        lines = [
            f"git checkout {commit.partition('-')[0]}",
            "pip install -e . -c constraints.txt",
            f"nmt train config.yaml{seed} --run {folder}    # config.yaml as above",
        ]
        if "-" in commit:
            lines[0] += "    # the files had changes that are not in this commit"
        command = (run.trained.command if run.trained else ()) or ("score",)
        if command != ("train",):  # whose result has the scores already
            lines.append(f"{join(['nmt', *command])} --model {folder}")
        if run.trained:
            lines.insert(0, f"nmt reproduce {quote(run.folder)}    # does it all and compares; or by hand:")
        yield run.name, "\n".join(lines)
    yield "This report", report.command
