"""nmt.workflows.report: runs that translate one text, grouped by configuration."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import wandb

from nmt.builders.engine import open_translator
from nmt.config.loading import dump_experiment, load_experiment
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.evaluation.metrics import corpus_bleu, scores
from nmt.report.content import Report
from nmt.report.page import render
from nmt.report.tables import markdown_table
from nmt.workflows.compare import compare_configurations
from nmt.workflows.report import ReportOptions, report_runs
from nmt.workflows.score import held_out

pytestmark = pytest.mark.slow


def copy(run: Path, to: Path, *changes: str) -> Path:
    """The run in another folder, with another configuration."""
    shutil.copytree(run, to)
    experiment = load_experiment(to / "config.yaml", changes)
    (to / "config.yaml").write_text(dump_experiment(experiment), encoding="utf-8")
    return to


def report(*runs: Path, **options: object) -> Report:
    return report_runs(runs, ReportOptions(**options), command="nmt report", log=lambda _: None)  # type: ignore[arg-type]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_translated_as_nmt_score_does_and_nothing_is_written(tiny_run: Path) -> None:
    before = everything(tiny_run)
    found = report(tiny_run)
    assert everything(tiny_run) == before
    experiment = load_experiment(tiny_run / "config.yaml")
    pairs = held_out(experiment, "test")
    options = TranslationOptions(models=(tiny_run,), precision="float32")
    outputs = open_translator(options, experiment).translate([pair.src for pair in pairs])
    (system,) = found.systems
    assert [each.text for each in system.closer.translations] == outputs
    assert [each.score for each in system.runs[0].scores] == scores(outputs, [pair.trg for pair in pairs])
    assert found.text.label == "train.tsv test, 20 sentences"
    assert found.text.training_pairs == 280
    assert found.text.unknown == []
    assert sum(each.sentences for each in system.closer.by_length) == 20
    assert sum(system.closer.ratios) == 20


def test_runs_that_differ_in_their_seed_alone_are_one_system(tiny_run: Path, tmp_path: Path) -> None:
    seeds = [copy(tiny_run, tmp_path / f"tiny-seed-{n}", f"seed={n}", "tracking.group=g") for n in (1, 2)]
    other = copy(tiny_run, tmp_path / "other", "decoding.beam=1")
    found = report(*seeds, other)
    assert [system.name for system in found.systems] == ["tiny", "other"]
    assert [[run.seed for run in system.runs] for system in found.systems] == [[1, 2], [1]]
    first, second = found.systems
    assert first.verdict is None
    assert second.verdict is not None
    assert len(second.verdict.b.scores) == 2
    assert list(second.changed) == [("decoding.beam", "2", "1")]
    assert "a beam of 1 or 2" in found.search


def test_systems_of_one_name_are_told_apart(tiny_run: Path, tmp_path: Path) -> None:
    runs = [copy(tiny_run, tmp_path / name / "run", f"decoding.beam={n}") for n, name in ((1, "a"), (2, "b"))]
    found = report(*runs)
    assert [system.name for system in found.systems] == ["a/run", "b/run"]
    assert [run.name for run in found.runs] == ["a/run", "b/run"]


def test_files_take_the_place_of_the_split(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "t.de").write_text("der Hund läuft\nNilpferd\n\n", encoding="utf-8")
    (tmp_path / "t.en").write_text("the dog runs\nhippo\nnothing\n", encoding="utf-8")
    found = report(tiny_run, files=(tmp_path / "t.de", tmp_path / "t.en"))
    assert found.text.label == "t.de t.en, 3 sentences"
    assert found.text.unknown == [1]
    assert found.systems[0].closer.translations[2].text == ""
    assert "Nilpferd" in render(found)


def test_all_references_and_metrics_count(tiny_run: Path, tmp_path: Path) -> None:
    lines = {"t.de": "der Hund\ndie Katze\n", "a.en": "the dog\nthe cat\n", "b.en": "a dog\n\n"}
    for name, text in lines.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = report(tiny_run, files=[tmp_path / name for name in lines], metrics=("bleu", "chrf", "ter"))
    (system,) = found.systems
    outputs = [each.text for each in system.closer.translations]
    computed = scores(outputs, ["the dog", "the cat"], ["a dog", ""], metrics=("bleu", "chrf", "ter"))
    assert [each.score for each in system.runs[0].scores] == computed
    page, table = render(found), markdown_table(found)
    assert "up to 2 references" in page
    assert "| system | runs | BLEU | chrF2 | TER |" in table


def test_without_the_training_text_there_are_no_frequencies(tiny_run: Path, tmp_path: Path) -> None:
    files = tmp_path / "t.de", tmp_path / "t.en"
    for file in files:
        file.write_text("der Hund\n", encoding="utf-8")
    found = report(tiny_run, files=files, overrides=[f"data.tsv.train={tmp_path / 'gone.tsv'}"])
    assert found.text.training_pairs == 0
    assert "By frequency" not in render(found)


def test_a_model_with_tags_is_reported_on_for_one_language(tagged_run: Path) -> None:
    with pytest.raises(UserError, match=r"translates to .*; say which, such as --to"):
        report(tagged_run)
    found = report(tagged_run, to="de")
    assert found.text.languages == "en→de"
    assert len(found.text.pairs) == 12
    assert found.text.training_pairs == 200
    assert "tagged" in render(found)


def test_runs_that_read_other_sources_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    lines = (tiny_run.parent / "test.tsv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "test.tsv").write_text("".join(f"der {line}\n" for line in lines), encoding="utf-8")
    other = copy(tiny_run, tmp_path / "other", f"data.tsv.test={tmp_path / 'test.tsv'}")
    with pytest.raises(UserError, match=r"other: has other sources than .*; a report is on runs that read"):
        report(tiny_run, other)
    verdict, _ = compare_configurations([tiny_run], [other], split="test", beam=None, device="cpu")
    experiment = load_experiment(other / "config.yaml")
    options = TranslationOptions(models=(other,), precision="float32")
    pairs = held_out(experiment, "test")
    outputs = open_translator(options, experiment).translate([pair.src for pair in pairs])
    assert verdict.b.scores == (pytest.approx(corpus_bleu(outputs, [pair.trg for pair in pairs])),)


def test_what_no_report_can_be_on_is_refused(
    tiny_run: Path, language_model_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="is a language model; a report with translations"):
        report(language_model_run)
    with pytest.raises(UserError, match="is given twice"):
        report(tiny_run, tiny_run)
    with pytest.raises(UserError, match="nowhere is not a folder; give the folder of a run"):
        report(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is not a run: it has no config"):
        report(tmp_path)
    with pytest.raises(UserError, match=r"has no split 'dev'; give --split with one of"):
        report(tiny_run, split="dev")
    empty = copy(tiny_run, tmp_path / "empty", "decoding.beam=1")
    (empty / "model.safetensors").unlink()
    told: list[str] = []
    with pytest.raises(UserError, match="empty holds no model yet"):
        report_runs([tiny_run, empty], ReportOptions(), command="", log=told.append)
    assert told == []  # nothing was translated in vain
    shorter = tmp_path / "short.tsv"
    shorter.write_text("der Hund\tthe dog\n", encoding="utf-8")
    other = copy(tiny_run, tmp_path / "other", f"data.tsv.test={shorter}")
    with pytest.raises(UserError, match=r"has other targets than that of .*: 1 and 20; compare runs on one"):
        report(tiny_run, other)


def test_the_command_writes_new_files(
    tiny_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    page, table, paper = (tmp_path / f"out.{end}" for end in ("html", "md", "tex"))
    outputs = ("--html", page, "--markdown", table, "--latex", paper)
    code, out, err = command("report", tiny_run, *outputs)
    assert (code, err) == (0, "")
    first, verdict, *files = out.splitlines()
    assert first == f"{tiny_run}: 20 sentences translated"
    assert re.fullmatch(r"run: BLEU [\d.]+ on train.tsv test, 20 sentences\.", verdict)
    assert files == [*map(str, (page, table, paper))]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert table.read_text(encoding="utf-8").startswith("| system | runs | BLEU | chrF2 |")
    assert "\\toprule" in paper.read_text(encoding="utf-8")
    assert f"nmt report {tiny_run} --html {page}" in page.read_text(encoding="utf-8")


def test_wandb_gets_the_sentences_and_the_verdict(
    tiny_run: Path,
    tmp_path: Path,
    command: Callable[..., tuple[object, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    page = tmp_path / "new" / "out.html"
    page.parent.mkdir()
    try:
        code, _, err = command("report", tiny_run, "--html", page, "--wandb", "offline")
    finally:
        wandb.teardown()
    assert code == 0, err
    (file,) = page.with_name("out.html-wandb").glob("wandb/offline-run-*/*.wandb")
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    output = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout
    records = [json.loads(line) for line in output.splitlines()]
    (history,) = [record["history"]["item"] for record in records if record["type"] == "history"]
    assert "table" in {key.split(".")[0] for key in history}
    assert "verdicts" in output
    assert sorted(path.name for path in page.parent.iterdir()) == ["out.html", "out.html-wandb"]


def test_wandb_needs_a_page(
    tiny_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    code, _, err = command("report", tiny_run, "--latex", tmp_path / "a.tex", "--wandb", "offline")
    assert (code, err) == (2, "nmt: --wandb offline: logs what a page shows; give --html FILE too\n")
