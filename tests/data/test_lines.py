"""A line ends at the newline alone, and what is not text is named."""

import gzip
from io import BytesIO
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.lines import LONGEST, decode_lines, in_memory, read_lines
from nmt.errors import UserError

ODD = ["a\u0085b", "c\u2028d\u2029", "e\ff\vg", "h\ri", "", "\x1c\x1d\x1e", "😀\t"]


@pytest.mark.parametrize("name", ["text.de", "text.de.gz"])
def test_only_the_newline_ends_a_line(tmp_path: Path, name: str) -> None:
    data = "".join(line + "\n" for line in ODD).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    assert list(read_lines(path)) == ODD


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\ufeff", codec="utf-8"))))
def test_any_text_comes_back(lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    assert list(decode_lines(BytesIO(data), "memory")) == lines


def test_windows_line_ends_and_byte_order_mark_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "windows.de"
    path.write_bytes(b"\xef\xbb\xbfeins\r\nzwei\r\r\n\r\ndrei")
    assert list(read_lines(path)) == ["eins", "zwei\r", "", "drei"]


def test_bytes_that_are_not_utf8_are_named_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "latin.de"
    path.write_bytes("gut\nschön\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.de: line 2, byte 4 of the line: expected UTF-8, found 0xf6"):
        list(read_lines(path))
    assert list(read_lines(path, "replace")) == ["gut", "sch\ufffdn"]


def test_a_gzip_file_that_is_not_whole_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"line %d\n" % i for i in range(5000)))
    for number, data in enumerate([whole[: len(whole) // 2], b"plain text\n", whole[:100] + whole[200:]]):
        path = tmp_path / f"{number}.gz"
        path.write_bytes(data)
        with pytest.raises(UserError, match=rf"{number}\.gz: not a whole gzip file"):
            list(read_lines(path))


@pytest.mark.parametrize("name", ["zeros", "zeros.gz"])
def test_a_line_without_end_is_named(tmp_path: Path, name: str) -> None:
    path, data = tmp_path / name, b"first\n" + bytes(LONGEST + 1)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    lines = read_lines(path)
    assert next(lines) == "first"
    with pytest.raises(UserError, match=rf"{name}: line 2: expected lines of at most 10,000,000 bytes"):
        next(lines)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_as_long_as_may_be_is_read(end: bytes) -> None:
    (line,) = decode_lines(BytesIO(b"x" * LONGEST + end), "memory")
    assert len(line) == LONGEST


def test_a_device_without_end_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="/dev/zero: line 1: expected lines of at most"):
        next(read_lines(Path("/dev/zero")))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.de: cannot be read \(No such file"):
        list(read_lines(tmp_path / "nowhere.de"))


def test_a_file_is_kept_in_memory_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.data.lines.MOST_TEXT", 3 * 64 + 6)
    assert in_memory(iter(["ab", "cd", "ef"]), "x") == ["ab", "cd", "ef"]
    assert in_memory([("a", "bcd")], "x") == [("a", "bcd")]
    with pytest.raises(UserError, match=r"x: more than is kept in memory \(198 bytes, 3 lines so far\)"):
        in_memory(repeat("", 10**12), "x")
