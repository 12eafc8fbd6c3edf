"""`nmt translate`, run as a person runs it."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import nmt
from nmt.cli import main

TRANSLATE = [sys.executable, "-c", "from nmt.cli import main; main()", "translate", "--model"]
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


def test_a_byte_that_is_not_utf8_is_an_error_behind_the_lines_before_it(tiny_run: Path) -> None:
    done = translate(tiny_run, b"der Hund\n\nsch\xf6n\nthe dog\n")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "nmt: standard input: line 3, byte 4 of the line: expected UTF-8, found 0xf6; "
        "convert the file to UTF-8"
    ]
    assert done.stdout.decode().split("\n")[:-1] == nmt.load(tiny_run).translate(["der Hund", ""])


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
    ("options", "message"),
    [
        (["--model", "nowhere"], "nmt: nowhere is not a folder; give the folder of a run, such as runs/demo"),
        (["--model", "tests"], "nmt: tests is not a run: it has no config.yaml"),
        (["--model", "RUN", "--beam", "2", "--n-best", "5"], "nmt: a beam of 2 cannot give the 5 best"),
        (["--model", "CUT"], "model.safetensors is damaged"),
    ],
)
def test_a_mistake_is_one_line(
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    cut = Path(shutil.copytree(tiny_run, tmp_path / "cut"))
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    folders = {"RUN": str(tiny_run), "CUT": str(cut)}
    monkeypatch.setattr(sys, "argv", ["nmt", "translate", *(folders.get(o, o) for o in options)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
