import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.results import (
    SCHEMA_VERSION,
    Decoding,
    Machine,
    Result,
    Score,
    Training,
    Versions,
    read_metrics,
    read_result,
    write_result,
)

SCORE = Score(metric="BLEU", form="cased, detokenised", score=37.25, signature="nrefs:1|case:mixed")
SMALLEST = Result(
    name="hyp.txt",
    date=datetime(2026, 11, 20, 12, tzinfo=UTC),
    dataset="ref.txt",
    sentences=1000,
    scores=(SCORE,),
    versions=Versions(python="3.11.7"),
)
FULL = SMALLEST.model_copy(
    update={
        "name": "multi30k-de-en",
        "src": "de",
        "trg": "en",
        "split": "test",
        "decoding": Decoding(
            settings={"beam": 5, "length_penalty": {"kind": "gnmt", "alpha": 1.0}}, sentences_per_second=81.5
        ),
        "training": Training(updates=9000, epochs=11.5, wall_minutes=43.1, cpu_minutes=85.0),
        "parameters": 12_500_000,
        "seed": 1,
        "machine": Machine(device="cpu", description="Some CPU, 2 cores, Linux", threads=2),
        "data_hashes": {"test": "ab" * 32},
        "tokenizers": {"src": "cd" * 32, "trg": "cd" * 32},
    }
)


@pytest.mark.parametrize("result", [SMALLEST, FULL])
def test_a_result_comes_back(tmp_path: Path, result: Result) -> None:
    path = tmp_path / "result.json"
    write_result(path, result)
    assert read_result(path) == result
    assert json.loads(path.read_text())["schema_version"] == SCHEMA_VERSION
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_scores_are_found_by_metric_and_form() -> None:
    assert SMALLEST.score("BLEU") == SCORE == SMALLEST.score("BLEU", "cased, detokenised")
    assert SMALLEST.score("BLEU", "lowercased, 13a") is None
    assert SMALLEST.score("TER") is None


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    write_result(path, SMALLEST)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"result\.json: cannot be written \(No space left on device\)"):
        write_result(path, FULL)
    assert read_result(path) == SMALLEST
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/result\.json: cannot be written"):
        write_result(tmp_path / "nowhere" / "result.json", SMALLEST)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema_version": 1,\n', r"result\.json:2: broken JSON"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
        pytest.param(f'{{"schema_version": {"1" * 5000}}}', "thousands of digits", id="digits"),
        ('{"schema_version": 1, "name": "\\ud800"}', "Invalid JSON"),
        ("[]", "expected a result with schema_version 2, found none"),
        ('{"name": "x"}', "expected a result with schema_version 2, found none"),
        ('{"schema_version": true}', "found True"),
        ('{"schema_version": 0}', "found 0"),
        (
            '{"schema_version": 99}',
            "schema_version 99 is newer than this nmt, which reads up to 2; update nmt",
        ),
        (SMALLEST.model_dump_json().replace('"sentences":1000', '"sentences":"many"'), "sentences: Input"),
        (SMALLEST.model_dump_json().replace('"metric":', '"metrik":'), r"scores\.0\.metric: Field required"),
    ],
)
def test_a_file_that_is_no_result_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_result(path)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with pytest.raises(UserError, match=r"result\.json: cannot be read"):
        read_result(path)
    path.write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8 at byte 0"):
        read_result(path)


def test_not_a_number_is_no_score() -> None:
    with pytest.raises(ValueError, match="finite"):
        Score(metric="BLEU", form="cased", score=float("nan"), signature="")


def test_what_this_machine_says_of_itself() -> None:
    machine = Machine.here("cuda", accelerator="Some GPU", threads=2)
    assert machine.device == "cuda"
    assert machine.description.startswith("Some GPU; ")
    assert " cores, " in machine.description
    assert Versions.installed().sacrebleu is not None


def test_a_fifo_or_a_link_out_of_its_folder_is_no_result(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    os.mkfifo(folder / "result.json")
    with pytest.raises(UserError, match="not a regular file"):
        read_result(folder / "result.json")
    write_result(tmp_path / "other.json", SMALLEST)
    (folder / "link.json").symlink_to(tmp_path / "other.json")
    with pytest.raises(UserError, match="a link out of its folder"):
        read_result(folder / "link.json")
    (folder / "large.json").write_bytes(b" " * 10_000_001)
    with pytest.raises(UserError, match="larger than 10,000,000 bytes"):
        read_result(folder / "large.json")


def test_the_lines_of_metrics_are_figures_by_step(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 2, "loss": 0.5, "text": "a", "none": null}\n{"step": 3}\n{"step": 4, "lo')
    assert [(step, figures) for _, step, figures in read_metrics(path)] == [
        (2, {"loss": 0.5, "text": "a", "none": None}),
        (3, {}),
    ]
    assert b"".join(line for line, _, _ in read_metrics(path)) == path.read_bytes()[:-15]


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"[]",
        b"{}",
        b'{"step": 1.5}',
        b'{"step": true}',
        b'{"step": null}',
        b'{"step": "1"}',
        b'{"step": 1, "a": [1]}',
        b'{"step": 1' + b"0" * 100 + b"}",
        b'{"step": 1, "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"step": 1, "a": "' + b"x" * 1_100_000 + b'"}',
        b"\xff",
        b"",
    ],
)
def test_a_line_of_metrics_that_holds_no_figures_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b"\n")
    with pytest.raises(
        UserError, match=r"metrics\.jsonl, line 2: expected a JSON object with a step, found b"
    ):
        list(read_metrics(path))
