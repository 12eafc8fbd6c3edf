from dataclasses import replace
from datetime import UTC, datetime

from nmt.report.content import Report
from nmt.report.origin import commands, environment_table
from nmt.results import Machine, Result, Training, Versions
from reporting import PAIRS, report, system

RIGHT = [pair.trg for pair in PAIRS]


def recorded(**training: object) -> Report:
    """A report on a run whose result was recorded by another commit than trained it."""
    result = Result(
        name="a",
        date=datetime(2026, 1, 1, tzinfo=UTC),
        dataset="corpus",
        sentences=3,
        scores=(),
        commit="f" * 40,
        versions=Versions(python="3.11", torch="2.13"),
        machine=Machine(device="cpu", description="a machine", threads=2),
        training=Training(updates=1, epochs=1, wall_minutes=1, **training),  # type: ignore[arg-type]
        data_hashes={"test": "0123456789abcdef0123"},
    )
    only = system("a", RIGHT)
    run = replace(only.runs[0], recorded={"result.json": result}, folder="my runs/a")
    return report(replace(only, runs=[run]))


def test_what_trained_is_told_from_what_scored() -> None:
    facts = {row[0]: row[1:] for row in environment_table(recorded(commit="e" * 40)).rows}
    assert facts["commit that trained"] == ["e" * 40, "–"]
    assert facts["commit of the result"] == ["f" * 40, "–"]
    assert facts["torch"] == ["2.13", "–"]
    assert facts["python"] == ["3.11", "3.11"]
    assert facts["test text"] == ["0123456789abcdef", "–"]


def test_the_commands_check_out_the_commit_that_trained() -> None:
    found = dict(commands(recorded(commit="e" * 40 + "-dirty")))
    reproduce, checkout, _, train, score = found["a-1"].splitlines()
    assert reproduce.startswith("nmt reproduce 'my runs/a'")
    assert checkout.startswith(f"git checkout {'e' * 40}    # the files had changes")
    assert train.startswith("nmt train config.yaml --set seed=1 --run runs/a-1")
    assert score == "nmt score --model runs/a-1"
    assert found["This report"] == "nmt report runs/a --html a.html"
    assert f"git checkout {'f' * 40}\n" in dict(commands(recorded()))["a-1"]


def test_a_run_without_a_result_names_no_commit() -> None:
    assert dict(commands(report(system("a", RIGHT))))["a-1"].startswith("git checkout COMMIT\n")
