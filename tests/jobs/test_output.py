"""nmt.jobs.output: wherever a job was cut, the resumed one leaves the file of the undisturbed one."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.jobs.blocks import BLOCK
from nmt.jobs.output import open_output

LINES = 2 * BLOCK + 7


def plain(number: int) -> str:
    return f"line {number}\n" if number % 10 else "\n"


def n_best(number: int) -> str:
    return "".join(f"{number} ||| {rank} ||| x\n" for rank in range(1 + number % 3))


def work(path: Path, form: Callable[[int], str], *, resume: bool, first: int = 0, lines: int = LINES) -> int:
    """Write what a job of so many lines writes; return how many lines it did."""
    numbers = range(first, first + lines)
    with open_output(path, resume=resume, numbered_from=None if form is plain else first) as output:
        todo = numbers[output.done :]
        for begin in range(0, len(todo), BLOCK):
            output.write("".join(map(form, todo[begin : begin + BLOCK])))
    return len(todo)


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), first=st.sampled_from([0, 3 * BLOCK]))
@pytest.mark.parametrize("form", [plain, n_best])
def test_a_job_goes_on_where_it_was_cut(
    tmp_path: Path, form: Callable[[int], str], share: float, first: int
) -> None:
    path = tmp_path / "out"
    whole = "".join(map(form, range(first, first + LINES))).encode()
    path.write_bytes(whole[: int(share * len(whole))])
    done = path.read_bytes().count(b"\n")
    todo = work(path, form, resume=True, first=first)
    assert path.read_bytes() == whole
    if form is plain:
        assert LINES - done <= todo <= LINES - done + 2 * BLOCK


def test_a_new_file_is_written_and_an_old_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    work(path, plain, resume=False, lines=3)
    assert path.read_text() == "\nline 1\nline 2\n"
    with pytest.raises(UserError, match=r"out exists; continue it with --resume, or give another --output"):
        work(path, plain, resume=False)
    assert path.read_text() == "\nline 1\nline 2\n"


def test_resuming_what_is_not_there_begins(tmp_path: Path) -> None:
    assert work(tmp_path / "out", plain, resume=True) == LINES
    assert work(tmp_path / "out", plain, resume=True) <= 2 * BLOCK


def test_more_than_a_line_of_a_job_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "out"
    whole = "".join(map(plain, range(LINES)))
    other = whole.replace("line 499\n", "line 4990\n")  # in the block before the last line's
    path.write_text(other[: other.index("line 502\n")])
    with pytest.raises(UserError, match="is not what this command writes there"):
        work(path, plain, resume=True)
    assert path.read_text() == other[: other.index("line 502\n")]


@pytest.mark.parametrize("kind", ["link", "dangling link", "FIFO", "device"])
@pytest.mark.parametrize("resume", [False, True])
def test_nothing_is_written_through_what_is_no_file(tmp_path: Path, kind: str, resume: bool) -> None:
    path, letter = tmp_path / "out", tmp_path / "letter"
    match kind:
        case "link":
            letter.write_text(plain(0))
            path.symlink_to(letter)
        case "dangling link":
            path.symlink_to(letter)
        case "FIFO":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/null")
    with pytest.raises(UserError, match=r"give another --output"):
        work(path, plain, resume=resume)
    assert letter.read_text() == plain(0) if kind == "link" else not letter.exists()


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ("line 0, of another model\n", plain, "is not what this command writes there"),
        ("\nline 1\nhalf", plain, "is not what this command writes there"),
        ("\nline 1\nline 2\nline 3\n\nhalf", plain, "holds more lines than the input"),
        ('{"thesis": 1}', plain, "is not what this command writes there"),
        ("x" * 3_000_000, plain, "is not what this command writes there"),
        ("\n" + "x" * 3_000_000, n_best, "line 1: expected 'NUMBER"),
        ("\n" * (2 * BLOCK), plain, "is not what this command writes there"),
        ("line 0\n", n_best, r"line 1: expected 'NUMBER \|\|\| TEXT \|\|\| SCORE' with a number from 0"),
        (f"{'9' * 5000} ||| a ||| b\n", n_best, "line 1: expected 'NUMBER"),
        ("800 ||| 0 ||| x\n", n_best, "is not what this command writes there"),
    ],
)
def test_a_file_of_another_job_is_refused_and_stays(
    tmp_path: Path, content: str, form: Callable[[int], str], message: str
) -> None:
    path = tmp_path / "out"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        work(path, form, resume=True, lines=3)
    assert path.read_text() == content


def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with open_output(path, resume=False), pytest.raises(UserError, match="is in use by another process"):
        work(path, plain, resume=True)
    assert work(path, plain, resume=True) == LINES


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/out: cannot be written \(No such file or directory\)"):
        work(tmp_path / "nowhere" / "out", plain, resume=False)
    with pytest.raises(UserError, match="cannot be written"):
        work(tmp_path, plain, resume=True)


def test_a_full_disk_is_one_line_and_the_job_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "out"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK * 12, hard))
    try:
        with pytest.raises(
            UserError, match=r"out: cannot be written \(File too large\); free space, then use"
        ):
            work(path, plain, resume=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == BLOCK * 12
    work(path, plain, resume=True)
    assert path.read_text() == "".join(map(plain, range(LINES)))
