"""Files: bounded reads of regular files, atomic writes, no links that lead out of a folder."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from io import BufferedReader, FileIO
from pathlib import Path

from nmt.errors import UserError

MB = 1_000_000


def usable(name: str) -> str:
    """Return a person's path with ~ expanded; raises UserError if the system allows no such name."""
    path = os.path.expanduser(name)
    try:
        os.lstat(path)
    except ValueError:
        raise UserError(f"expected a path, found one with NUL in it: {name[:60]!r}") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            long = len(os.fsencode(path))
            raise UserError(
                f"expected a path, found one of {long:,} bytes, longer than the system allows: {name[:60]!r}…"
            ) from None
    return path


def check_new(path: Path, option: str) -> None:
    """Raise UserError unless a new file can be created at the path given with an option.

    An existing file is never replaced, and `-` is not a file.
    """
    if path == Path("-"):
        raise UserError(f"{option} -: expected the name of a new file, found that of standard output")
    if os.path.lexists(path):
        raise UserError(f"{option} {path}: exists; give the name of a new file, or remove it")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: there is no folder {path.parent}; create it, or give another")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{option} {path}: nothing can be written in {path.parent}; give another folder")


def open_regular(path: Path, *, limit: int | None = None, within: Path | None = None) -> BufferedReader:
    """Open a regular file of at most `limit` bytes for reading; raises OSError for anything else.

    FIFOs and devices are refused because they may block or never end. within: the folder that must contain
    the file after all links are followed.
    """
    if within is not None:
        check_within(path, within)
    handle = _open(path, os.O_RDONLY)
    found = os.fstat(handle)
    if limit is not None and found.st_size > limit:
        os.close(handle)
        raise _too_large(limit)
    return open(handle, "rb")


def read_regular(path: Path, limit: int, *, within: Path | None = None) -> bytes:
    """Return the content of a regular file; see `open_regular`."""
    with open_regular(path, limit=limit, within=within) as file:
        content = file.read(limit + 1)  # it may have grown since it was opened
    if len(content) > limit:
        raise _too_large(limit)
    return content


def open_append(path: Path) -> FileIO:
    """Open a regular file, created if missing, for reading and appending; raises OSError for a link."""
    return FileIO(_open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW), "a+")


def check_within(path: Path, folder: Path) -> None:
    """Raise OSError if `path` leads out of `folder` through links."""
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise OSError(errno.ELOOP, "a link out of its folder, which is not followed; put a copy there")


def _open(path: Path, flags: int) -> int:
    """Return a handle of a regular file, without waiting for the other end of a FIFO."""
    try:
        handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except ValueError:
        raise OSError(errno.EINVAL, "a NUL in its name") from None
    except OSError as error:
        if error.errno == errno.ELOOP and flags & os.O_NOFOLLOW:
            raise OSError(
                errno.ELOOP, f"{path.name} is a link, which is not written through; remove it"
            ) from None
        raise
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, os.strerror(code) if stat.S_ISDIR(mode) else "not a regular file")
    return handle


def _too_large(limit: int) -> OSError:
    return OSError(errno.EFBIG, f"larger than {limit:,} bytes, which nmt reads at most")


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other processes and threads waiting that want the same of a folder; nothing is written.

    Where the folder cannot be locked, nobody waits.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file to write, then sync it and rename it to `path`.

    After an exception the existing file is unchanged. An OSError (full disk, no permission) becomes a
    UserError.
    """
    temporary = path.with_name(f".{path.name[:60]}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        # O_EXCL: never write through an existing link.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        os.close(handle)
        if path.is_file():  # what takes its place may be read by whom it might be
            mode = stat.S_IMODE(path.stat().st_mode)
        yield temporary
        temporary.chmod(mode)  # safetensors makes its files readable by the owner only
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)  # the rename itself must survive a power cut
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); nothing was changed"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def replace_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def replace_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, see `replacing`."""
    replace_bytes(path, text.encode())


def remove(path: Path) -> None:
    """Remove a folder with all in it, a file or a link, as far as possible; rmtree would wait for a FIFO."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Sync a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path, *, within: Path | None = None) -> str:
    """Return the SHA-256 of a regular file."""
    with open_regular(path, within=within) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
