"""nmt.cli.prompt: what a person types is translated or done, and nothing that goes wrong ends it."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nmt.runtime import load

Command = Callable[..., tuple[object, str, str]]
ROW = re.compile(r" ?(\d+) +(-?\d+\.\d\d)  (.*)")


def rows(text: str) -> list[tuple[int, str]]:
    """The rank and text of each translation, without its marks."""
    found = [ROW.fullmatch(line) for line in text.splitlines()]
    return [(int(each[1]), re.sub(r"\[(\S+)\]", r"\1", each[3])) for each in found if each]


def test_a_line_gives_the_best_and_their_links(command: Command) -> None:
    code, out, err = command("translate", "-i", "--model", "de-en", stdin="\nIch habe keine Zeit.\n  \n")
    assert (code, err) == (0, "")
    (expected,) = load("de-en", n_best=3).translations(["Ich habe keine Zeit."], details=True)
    assert rows(out) == [(rank, each.text) for rank, each in enumerate(expected.ranked, 1)]
    best = expected.ranked[0].parts[0]
    links = re.findall(r"(\S+)→(\S+) (\d+)%", out.splitlines()[-1])
    assert [(src, trg) for src, trg, _ in links] == [
        (best.src_words[link.src], best.trg_words[link.trg]) for link in expected.links()
    ]
    assert [int(rate) for *_, rate in links] == [round(100 * value) for value in best.confidence]


def test_doubtful_words_are_in_brackets(command: Command) -> None:
    _, out, _ = command("translate", "-i", "--model", "de-en", "--n-best", "1", stdin="Ich Hobelspan.\n")
    (found,) = load("de-en").translations(["Ich Hobelspan."], details=True)
    (part,) = found.ranked[0].parts
    assert min(part.confidence) < 0.5 < max(part.confidence)
    words = zip(part.trg_words, part.confidence, strict=True)
    marked = " ".join(f"[{word}]" if value < 0.5 else word for word, value in words)
    assert out.splitlines()[0].endswith(f"  {marked}")


def test_its_commands(command: Command) -> None:
    lines = [
        "Hallo!",
        ":n 1",
        "Hallo!",
        ":swap",
        "Hello!",
        ":swap",
        "Hallo!",
        ":help",
        " :n",
        ":quit",
        "Hallo!",
    ]
    code, out, err = command("translate", "-i", "--model", "de-en", stdin="\n".join(lines))
    assert (code, err) == (0, "")
    assert [rank for rank, _ in rows(out)] == [1, 2, 3, 1, 1, 1, 1]
    assert re.findall("^now .*", out, re.M) == ["now en→de", "now de→en"]
    (german,) = load("en-de").translate(["Hello!"])
    assert rows(out)[4] == (1, german)
    assert rows(out)[5] == rows(out)[3]
    assert ":swap MODEL" in out


def test_what_cannot_be_done_is_one_line_and_the_prompt_goes_on(
    exported: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "empty").mkdir()
    bad = [
        ":n",
        ":n 0",
        ":n 1001",
        ":n x",
        ":shout",
        ":swap",
        f":swap {tmp_path / 'empty'}",
        f":swap {tmp_path}/\x1b[2J",
    ]
    code, out, err = command("translate", "-i", "--model", exported, stdin="\n".join([*bad, "der Hund"]))
    assert (code, err) == (0, "")
    told = [line for line in out.splitlines() if line.startswith("nmt: ")]
    assert len(told) == len(bad)
    for line, expected in zip(
        told,
        [
            *["expected a number from 1 to 1000"] * 4,
            "expected :n, :swap, :to, :help or :quit",
            "no model that ships",
        ],
        strict=False,
    ):
        assert expected in line
    assert "\x1b" not in out
    assert rows(out)


def test_a_model_of_ones_own_goes_the_other_way(exported: Path, command: Command) -> None:
    job = f":swap {exported}\nder Hund\n:swap\nHello!"
    code, out, _ = command("translate", "-i", "--model", "en-de", "--n-best", "1", stdin=job)
    assert code == 0
    assert rows(out) == [
        (1, load(exported).translate(["der Hund"])[0]),
        (1, load("en-de").translate(["Hello!"])[0]),
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--json", "--output", "x"], "--output, --json: no effect with --interactive; leave it out"),
        (["--sample"], "--sample: no effect with --interactive"),
        (["setup.cfg"], "file: no effect with --interactive"),
    ],
)
def test_options_of_jobs_are_refused(options: list[str], told: str, command: Command) -> None:
    code, out, err = command("translate", "-i", "--model", "de-en", *options)
    assert (code, out) == (2, "")
    assert told in err


IN_A_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # its Ctrl-C is for this process
from nmt.cli import main
main("translate", "-i", "--model", "de-en")
"""


def _press(terminal: int, process: subprocess.Popen[bytes], keys: bytes) -> None:
    """Press keys until the process ends.

    Python's input() does not see a signal that arrives after it wrote the prompt and before it waits for a
    key; who presses Ctrl-C in that instant presses it again.
    """
    for _ in range(6):
        os.write(terminal, keys)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
    raise AssertionError(f"still running after {keys!r}")


@pytest.mark.slow
@pytest.mark.parametrize("end", [b"\x04", b"half a line\x03"], ids=["end", "interrupt"])
def test_a_terminal_has_a_history_and_ends_politely(end: bytes) -> None:
    terminal, inside = pty.openpty()
    seen = b""

    def until(prompts: int) -> None:
        nonlocal seen
        deadline = time.monotonic() + 60
        while seen.count("de→en> ".encode()) < prompts:
            assert time.monotonic() < deadline, seen
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 4096)

    with subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env=os.environ | {"TERM": "dumb", "LC_ALL": "C"},
        start_new_session=True,
    ) as process:
        os.close(inside)
        try:
            until(1)
            os.write(terminal, "Ich schlafe spät.\n".encode())
            until(2)
            os.write(terminal, b"\x1b[A\n")  # the line before
            until(3)
            _press(terminal, process, end)
        finally:
            process.kill()
            os.close(terminal)
    assert process.returncode == 0
    links = [line for line in seen.decode().splitlines() if "Ich→" in line]
    assert len(links) == 2
    assert links[0] == links[1]


def test_a_model_of_several_languages_is_told_another(
    tagged_run: Path, tmp_path: Path, command: Command
) -> None:
    run = shutil.copytree(tagged_run, tmp_path / "run")
    lines = "der Hund\n:to de\nder Hund\n:to fr\n:to\nder Hund\n"
    code, out, err = command("translate", "-i", "--model", run, "--to", "en", "--n-best", "1", stdin=lines)
    assert (code, err) == (0, "")
    expected = [load(run, to=to).translate(["der Hund"])[0] for to in ("en", "de", "de")]
    assert [text for _, text in rows(out)] == expected
    said = [line for line in out.splitlines() if line.startswith("nmt: ")]
    assert "expected one of en, de" in said[0]
    assert "say which, such as --to en" in said[1]
