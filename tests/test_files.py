"""Bounded reads of regular files, and writes that are whole or not at all."""

import os
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.files import open_append, read_regular, replace_text, replacing, sha256


def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_regular(tmp_path / "x", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_regular(tmp_path / "x", 4)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("fifo", "not a regular file"),
        ("/dev/zero", "not a regular file"),
        ("folder", "Is a directory"),
        ("none", "No such file"),
        ("a\0b", "a NUL in its name"),
        ("x" * 300, "File name too long"),
        ("loop", "Too many levels"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, path: str, reason: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for read in (lambda path: read_regular(path, 10), sha256):
        with pytest.raises(OSError, match=reason) as caught:
            read(tmp_path / path)
        assert caught.value.strerror


def test_a_link_within_the_folder_is_followed_and_one_out_of_it_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "x").write_bytes(b"in")
    (tmp_path / "x").write_bytes(b"out")
    (folder / "near").symlink_to("inner/x")
    (folder / "far").symlink_to("../x")
    (folder / "up").symlink_to("..")
    assert read_regular(folder / "near", 10, within=folder) == b"in"
    for name in ("far", "up/x", "../x"):
        with pytest.raises(OSError, match="a link out of its folder"):
            read_regular(folder / name, 10, within=folder)


def test_nothing_is_appended_through_a_link_or_to_a_fifo(tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(b"Dear")
    (tmp_path / "link").symlink_to("letter")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="a link, which is not written through"):
        open_append(tmp_path / "link")
    with pytest.raises(OSError, match="not a regular file"):
        open_append(tmp_path / "fifo")
    with open_append(tmp_path / "letter") as file:
        file.write(b" friend")
    assert (tmp_path / "letter").read_bytes() == b"Dear friend"


def test_a_file_is_replaced_whole_with_the_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "x"
    replace_text(path, "ü\n")
    replace_text(path, "new\r\n")
    assert path.read_bytes() == b"new\r\n"
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    assert {each.name for each in tmp_path.iterdir()} == {"x", "other"}


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear")
    (tmp_path / "x").symlink_to("letter")
    (tmp_path / f".x.{os.getpid()}.tmp").symlink_to("letter")
    replace_text(tmp_path / "x", "new")
    assert (tmp_path / "letter").read_text() == "Dear"
    assert (tmp_path / "x").read_text() == "new"
    assert not (tmp_path / "x").is_symlink()


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(UserError, match=r"x: cannot be written .*nothing was changed"), replacing(path):
        raise OSError(28, "No space left on device")
    with pytest.raises(UserError, match="cannot be written"):
        replace_text(tmp_path / "none" / "x", "")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
