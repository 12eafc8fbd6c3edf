"""`nmt translate`, run as a person runs it."""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import nmt
from nmt.builders.translator import load_translator
from nmt.data.lengths import TrainingLengths
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.jobs import workers
from nmt.workflows import translate as windows

TRANSLATE = [sys.executable, "-c", "from nmt.cli import main; main()", "translate", "--model"]
NMT = Path(sys.executable).with_name("nmt")
ODD = [
    "",
    "der Hund läuft.",
    "a\tb",
    "\x00\x1b[31m\x07",
    "👩‍👩‍👧 東京",
    "a\u2028b\u0085c",
    " \u2028 ",
    "die Straße, " * 1700,
]
NUMBERED = b"".join(b"der Hund %d l\xc3\xa4uft%s\n" % (n, b" schnell" * (n % 4)) for n in range(1700))


def translate(run: Path, data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*TRANSLATE, str(run), *options], input=data, capture_output=True)


def test_whatever_the_line_a_line_comes_out(tiny_run: Path) -> None:
    assert len(ODD[-1]) > 20_000
    data = "\r\n".join([*ODD, "ohne Ende"]).encode()
    done = translate(tiny_run, data)
    assert done.returncode == 0
    assert done.stderr == b""
    *found, nothing = done.stdout.decode().split("\n")
    assert nothing == ""
    assert found == nmt.load(tiny_run).translate([*ODD, "ohne Ende"])
    assert [bool(line) for line in found] == [bool(line.strip()) for line in ODD] + [True]


@pytest.fixture
def here(tiny_run: Path, command: Callable[..., tuple[object, str, str]]) -> Callable[..., object]:
    """Runs `nmt translate` with the tiny run in this process; calling it gives the exit code."""
    return lambda *options: command("translate", "--model", tiny_run, *options)[0]


def test_a_killed_job_goes_on(tiny_run: Path, tmp_path: Path, here: Callable[..., object]) -> None:
    data, whole, cut = tmp_path / "in.gz", tmp_path / "whole", tmp_path / "cut"
    data.write_bytes(gzip.compress(NUMBERED))
    assert here("--beam", "1", "--input", data, "--output", whole) == 0
    expected = whole.read_bytes()
    assert expected.count(b"\n") == NUMBERED.count(b"\n")

    job = [*TRANSLATE, str(tiny_run), "--beam", "1", "--input", str(data), "--output", str(cut)]
    with subprocess.Popen(job) as process:
        while not (cut.exists() and cut.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert cut.stat().st_size < len(expected)
    cut.write_bytes(cut.read_bytes()[:-5])
    assert here("--beam", "1", "--input", data, "--output", cut) == 2  # without --resume nothing is touched
    assert here("--beam", "1", "--input", data, "--output", cut, "--resume") == 0
    assert cut.read_bytes() == expected


def test_the_shards_are_the_whole(tiny_run: Path, tmp_path: Path, here: Callable[..., object]) -> None:
    (tmp_path / "in").write_bytes(NUMBERED)
    for shard in ("1/1", "1/3", "2/3", "3/3"):
        output = tmp_path / shard.replace("/", " of ")
        assert here("--beam", "1", "--input", tmp_path / "in", "--shard", shard, "--output", output) == 0
    parts = [(tmp_path / f"{number} of 3").read_bytes() for number in (1, 2, 3)]
    assert [part.count(b"\n") for part in parts] == [500, 500, 700]
    assert b"".join(parts) == (tmp_path / "1 of 1").read_bytes()
    with (tmp_path / "in").open("rb") as file:
        redirected = subprocess.run(
            [*TRANSLATE, str(tiny_run), "--beam", "1"], stdin=file, capture_output=True
        )
    assert redirected.stdout == b"".join(parts)


def test_the_numbers_of_a_shard_are_those_of_the_whole(tmp_path: Path, here: Callable[..., object]) -> None:
    (tmp_path / "in").write_text("der Hund\n" * 503)
    job = ["--n-best", "2", "--input", tmp_path / "in", "--shard", "2/2", "--resume", "--output"]
    assert here(*job, tmp_path / "a") == 0
    (tmp_path / "b").write_bytes((tmp_path / "a").read_bytes()[:-30])
    assert here(*job, tmp_path / "b") == 0
    lines = (tmp_path / "a").read_text().splitlines()
    assert [int(line.split(" ||| ")[0]) for line in lines] == [500, 500, 501, 501, 502, 502]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_byte_that_is_not_utf8_is_an_error_behind_the_lines_before_it(tiny_run: Path) -> None:
    done = translate(tiny_run, b"der Hund\n\nsch\xf6n\nthe dog\n")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "nmt: standard input: line 3, byte 4 of the line: expected UTF-8, found 0xf6; "
        "convert the file to UTF-8"
    ]
    assert done.stdout.decode().split("\n")[:-1] == nmt.load(tiny_run).translate(["der Hund", ""])


SENTENCES = ["Der Hund läuft schnell.", "Die Straße, z. B. der Hund.", "The dog runs!", "Über die Straße?"]


def test_a_paragraph_is_translated_sentence_by_sentence(
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., tuple[object, str, str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sentences").write_text("\n".join(SENTENCES) + "\n", "utf-8")
    Path("paragraph").write_text(" ".join(SENTENCES) + "\n", "utf-8")
    single, parts, options = ["--beam", "1"], [], ["--precision", "float64"]
    for name in ("sentences", "paragraph"):
        assert (
            command("translate", "--model", tiny_run, name, *single, *options, "--output", f"{name}.out")[0]
            == 0
        )
        parts.append(Path(f"{name}.out").read_text("utf-8").splitlines())
    assert parts[1] == [" ".join(parts[0])]
    code, out, err = command("translate", "--model", tiny_run, "paragraph", "--no-split", *single, *options)
    assert (code, err) == (0, "")
    assert out != f"{parts[1][0]}\n"
    assert out == "".join(
        f"{text}\n"
        for text in load_translator(
            TranslationOptions(models=(tiny_run,), beam=1, split=False, precision="float64")
        ).translate([" ".join(SENTENCES)])
    )


def test_training_says_what_is_cut_and_what_is_too_short(
    tiny_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (tmp_path / "in").write_text(f"der Hund\n{' '.join(SENTENCES)}\n" * 2, "utf-8")
    TrainingLengths(tokens=1000, sentences=4, ratio=100.0).save(run / "tokenizer")
    code, whole, err = command("translate", "--model", run, tmp_path / "in", "--max-source", "1000")
    assert code == 0
    assert err == (
        "nmt: 2 of the translations are much shorter than their sources, the first that of line 2; "
        "check whether text is missing there\n"
    )
    (tmp_path / "one").write_text(f"{' '.join(SENTENCES)}\n", "utf-8")
    err = command("translate", "--model", run, tmp_path / "one", "--max-source", "1000")[2]
    assert err.startswith("nmt: 1 of the translations is much shorter than its source, that of line 1;")
    assert whole.splitlines() == nmt.load(tiny_run, split=False, max_source=1000).translate(
        ["der Hund", " ".join(SENTENCES)] * 2
    )
    TrainingLengths(tokens=1000, sentences=1).save(run / "tokenizer")
    code, cut, err = command("translate", "--model", run, tmp_path / "in")
    assert (code, err) == (0, "")
    assert cut.splitlines() == nmt.load(tiny_run).translate(["der Hund", " ".join(SENTENCES)] * 2)
    (run / "tokenizer" / "lengths.json").write_text("{}")
    code, _, err = command("translate", "--model", run, tmp_path / "in")
    assert code == 2
    assert "lengths.json: holds no lengths (tokens: Field required); restore it" in err


def test_an_empty_input_is_said(
    tiny_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    (tmp_path / "in").touch()
    said = f"nmt: {tmp_path / 'in'} is empty: no line in, no line out\n"
    assert command("translate", "--model", tiny_run, tmp_path / "in") == (0, "", said)
    done = translate(tiny_run, b"")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"nmt: standard input is empty: no line in, no line out\n"
    assert translate(tiny_run, b"\n").stderr == b""


def test_a_dash_is_standard_input_and_output(tiny_run: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*TRANSLATE, str(tiny_run), "-", "--output", "-"],
        input=b"der Hund\n",
        capture_output=True,
        cwd=tmp_path,
    )
    assert done.stdout.decode().splitlines() == nmt.load(tiny_run).translate(["der Hund"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["translate", "predict"])
def test_a_standard_input_that_fails_is_one_line(tiny_run: Path, command: str) -> None:
    with open(os.devnull, "wb") as no_input:
        done = subprocess.run(
            [*TRANSLATE[:-2], command, "--model", str(tiny_run)],
            stdin=no_input,
            capture_output=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", ["", " --workers 1"])
def test_a_closed_standard_input_is_one_line(tiny_run: Path, options: str) -> None:
    job = f"{NMT} translate --model {tiny_run}{options} <&-"
    done = subprocess.run(["sh", "-c", job], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("nmt: standard input is closed; ")
    assert len(done.stderr.splitlines()) == 1


def test_a_file_of_somebody_is_not_resumed(
    tiny_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    (tmp_path / "in").write_text("der Hund\nthe dog\n")
    thesis = tmp_path / "thesis.json"
    for content in ('{"thesis": "years of work"}', '{\n  "thesis": 1\n}'):
        thesis.write_text(content)
        job = ["translate", "--model", tiny_run, tmp_path / "in", "--output", thesis]
        assert command(*job)[0] == 2
        code, _, err = command(*job, "--resume")
        assert code == 2
        assert err.startswith(f"nmt: {thesis}: its end is not what this command writes there; ")
        assert thesis.read_text() == content


def test_the_n_best_with_their_links_and_bytes_replaced(tiny_run: Path) -> None:
    lines = ["der Hund läuft schnell", "", "sch\ufffdn"]
    data = "\n".join(lines).encode().replace("\ufffd".encode(), b"\xf6")
    done = translate(tiny_run, data, "--n-best", "3", "--alignments", "--errors", "replace")
    assert done.returncode == 0
    rows = [line.split(" ||| ") for line in done.stdout.decode().removesuffix("\n").split("\n")]
    assert [row[0] for row in rows] == ["0", "0", "0", "1", "2", "2", "2"]
    assert [len(row) for row in rows] == [4, 3, 3, 4, 4, 3, 3]
    assert rows[3][1:] == ["", "0.000000", ""]
    for number, src in enumerate(lines):
        scores = [row[2] for row in rows if row[0] == str(number)]
        assert all(re.fullmatch(r"-?\d+\.\d{6}", score) for score in scores)
        assert scores == sorted(scores, key=float, reverse=True)
        best = next(row for row in rows if row[0] == str(number))
        links = [link.split("-") for link in best[3].split()]
        assert {int(trg) for _, trg in links} == set(range(len(links)))
        assert all(int(place) < len(src.split()) for place, _ in links)


def test_output_comes_before_the_input_ends(tiny_run: Path) -> None:
    process = subprocess.Popen(
        [*TRANSLATE, str(tiny_run), "--beam", "1", "--alignments"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for line in (b"der Hund", b"", b"the dog"):
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            assert b"|||" in process.stdout.readline()
        process.send_signal(signal.SIGINT)  # with the input still open, as at a terminal
        assert process.wait(timeout=60) in (1, 130)
        message = process.stderr.read().decode()
    assert "Traceback" not in message
    assert "Fatal" not in message


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        (2000, [], 1),
        (2001, [], 3),
        (2001, ["--device", "cpu", "--workers", "2"], 2),
        (1001, ["--workers", "9"], 3),
        (5001, ["--shard", "1/2"], 3),
        (5001, ["--shard", "1/9"], 1),
        (0, ["--workers", "2"], 1),
    ],
)
def test_a_large_file_is_for_every_core(
    tmp_path: Path,
    here: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    lines: int,
    options: list[str],
    expected: int,
) -> None:
    asked = []

    def refuse(_: object, count: int) -> None:
        asked.append(count)
        raise UserError("enough")

    monkeypatch.setattr(windows, "cores", lambda: 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(workers, "in_order", refuse)
    (tmp_path / "in").write_text("der Hund\n" * lines)
    assert here("--input", tmp_path / "in", *options) == 2
    assert asked == [expected]


def worker_ids(process: int) -> list[int]:
    """The processes that one has started to work for it, by what /proc says."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = stat.with_name("cmdline").read_bytes()
        except OSError:  # has just ended
            continue
        if parent == process and b"spawn_main" in command:
            found.append(int(stat.parent.name))
    return found


DRAW = ["--sample", "--temperature", "0.7", "--top-k", "40", "--seed", "5", "--input", "in", "--output"]


def test_a_line_is_drawn_alike_wherever_it_is_drawn(
    tiny_run: Path, tmp_path: Path, here: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = NUMBERED.splitlines(keepends=True)[:520]
    Path("in").write_bytes(b"".join(lines))
    assert here(*DRAW, "whole") == 0
    whole = Path("whole").read_bytes()
    assert whole.count(b"\n") == len(lines)
    # The second shard, and an ensemble of a model with itself.
    assert here(*DRAW, "shard", "--shard", "2/2", "--model", tiny_run) == 0
    assert Path("shard").read_bytes() == b"".join(line + b"\n" for line in whole.split(b"\n")[500:-1])
    assert here(*DRAW, "dealt", "--workers", "2") == 0
    assert Path("dealt").read_bytes() == whole
    Path("cut").write_bytes(whole[:-40])
    assert here(*DRAW, "cut", "--resume", "--seed", "6") == 2
    assert here(*DRAW, "cut", "--resume", "--temperature", "2") == 2
    assert Path("cut").read_bytes() == whole[:-40]
    assert here(*DRAW, "cut", "--resume") == 0
    assert Path("cut").read_bytes() == whole


def test_lines_are_drawn_one_by_one_as_all_together(tiny_run: Path) -> None:
    whole = load_translator(TranslationOptions(models=(tiny_run,), precision="float64")).sample(
        ["der Hund"] * 4, seed=1
    )
    assert len(set(whole)) > 1
    job = [*TRANSLATE, str(tiny_run), "--sample"]
    with subprocess.Popen(job, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        found = []
        for _ in whole:
            process.stdin.write(b"der Hund\n")
            process.stdin.flush()
            found.append(process.stdout.readline().decode().removesuffix("\n"))
        process.stdin.close()
    assert found == whole


LARGE = ["--n-best", "2", "--alignments", "--input", "in", "--output"]


@pytest.fixture
def two_at_work(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """`nmt translate` with two workers that has begun to write the file `out`, with more to do."""
    monkeypatch.chdir(tmp_path)
    Path("in").write_bytes(NUMBERED * 2)
    job, out = [*TRANSLATE, str(tiny_run), *LARGE, "out", "--workers", "2"], Path("out")
    with subprocess.Popen(
        job, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        while not (out.exists() and out.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        yield process
        process.kill()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_a_killed_worker_is_one_line_and_the_job_goes_on(
    two_at_work: subprocess.Popen[bytes], here: Callable[..., object]
) -> None:
    os.kill(worker_ids(two_at_work.pid)[0], signal.SIGKILL)
    _, errors = two_at_work.communicate(timeout=60)
    assert two_at_work.returncode == 2
    [message] = errors.decode().splitlines()
    assert message.startswith("nmt: a worker process ended by SIGKILL")
    written = Path("out").read_bytes()
    assert here(*LARGE, "out", "--resume", "--workers", 2) == 0
    assert here(*LARGE, "whole", "--workers", 1) == 0
    whole = Path("whole").read_bytes()
    assert written.count(b"\n") % (2 * 500) == 0
    assert len(written) < len(whole)
    assert whole.startswith(written)
    assert Path("out").read_bytes() == whole


@pytest.mark.parametrize("end", ["interrupted", "killed"])
def test_no_worker_outlives_the_command(two_at_work: subprocess.Popen[bytes], end: str) -> None:
    if end == "interrupted":
        os.killpg(two_at_work.pid, signal.SIGINT)  # to every process, as a terminal does
    else:
        two_at_work.kill()
    _, errors = two_at_work.communicate(timeout=60)  # returns when the last process is gone
    assert two_at_work.returncode in (1, 130, -signal.SIGKILL)
    assert b"Traceback" not in errors
    assert len(errors.splitlines()) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "nowhere"], "nmt: nowhere is not a folder; give the folder of a run, such as runs/demo"),
        (["--model", "tests"], "nmt: tests is not a run: it has no config.yaml"),
        (["--model", "RUN", "--beam", "2", "--n-best", "5"], "nmt: a beam of 2 cannot give the 5 best"),
        (["--model", "CUT", "--sample", "--beam", "2"], "nmt: --beam: an option of searching, and --sample"),
        (
            ["--model", "CUT", "--sample", "--n-best", "3", "--alignments"],
            "--n-best, --alignments: an option",
        ),
        (
            ["--model", "CUT", "--temperature", "1"],
            "nmt: --temperature: an option of sampling; add",
        ),
        (["--model", "CUT", "--seed", "1", "--top-p", "0.9"], "an option of sampling; add --sample"),
        (["--model", "CUT", "--sample", "--temperature", "inf"], "--temperature inf: expected a number"),
        (["--model", "CUT", "--sample", "--top-p", "1.5"], "--top-p 1.5: expected a probability above 0 and"),
        (["--model", "CUT"], "model.safetensors is damaged"),
        (["--model", "RUN", "--resume"], "--resume needs the lines as --input FILE"),
        (["--model", "RUN", "--shard", "1/2"], "--shard needs the lines as --input FILE"),
        (
            ["--model", "RUN", "--input", "/dev/null", "--shard", "1/2"],
            "expected a regular file as --input, found",
        ),
        (["--model", "RUN", "--input", "setup.cfg", "--resume"], "as --output FILE"),
        (["--model", "RUN", "--input", "setup.cfg", "--shard", "0/2"], "expected i/n such as 1/4"),
        (["--model", "RUN", "--input", "setup.cfg", "--shard", "3/2"], "expected i/n such as 1/4"),
        (["--model", "RUN", "--input", "setup.cfg", "--shard", "1/0"], "expected i/n such as 1/4"),
        (["--model", "RUN", "--input", "nowhere"], "--input nowhere: expected a file of text, found no such"),
        (["--model", "RUN", "--input", "tests"], "--input tests: expected a file of text, found a folder"),
        (["--model", "RUN", "--input", "setup.cfg", "--output", "README.md"], "README.md exists"),
        (
            ["--model", "RUN", "--input", "setup.cfg", "--output", "setup.cfg", "--resume"],
            "--input and --output are one file",
        ),
    ],
)
def test_a_mistake_is_one_line(
    tiny_run: Path,
    tmp_path: Path,
    command: Callable[..., tuple[object, str, str]],
    options: list[str],
    message: str,
) -> None:
    cut = Path(shutil.copytree(tiny_run, tmp_path / "cut"))
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    folders = {"RUN": str(tiny_run), "CUT": str(cut)}
    code, out, err = command("translate", *(folders.get(o, o) for o in options), stdin="der Hund\n")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert message in err
