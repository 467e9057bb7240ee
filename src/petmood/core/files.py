"""Atomic and durable writes of single files; ``core.atomic_directory`` writes folders.

Every file is written under a temporary name in its own folder, flushed to disk and then renamed. A killed process
leaves at most a hidden ``.partial`` entry, which the next writer of that file removes. File modes follow the umask of
the process.
"""

import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from petmood.core.open_flags import BINARY
from petmood.core.partials import partial_file

__all__ = [
    "atomic_write_bytes",
    "atomic_write_chunks",
    "atomic_write_json",
    "atomic_write_text",
    "copy_folder",
    "create_exclusive",
    "flush_folder",
    "sha256_of",
]


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically; parent folders are created.

    Raises:
        OSError: the write failed; an old file is unchanged and no partial file is left.
    """
    atomic_write_chunks(path, [data])


def atomic_write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file atomically from its parts, one of them in memory at a time; parent folders are created.

    Raises:
        OSError: the write failed; an old file is unchanged and no partial file is left. So it is after any other error.
    """
    with _partial(path, chunks) as partial:
        partial.replace(path)


def create_exclusive(path: Path, data: bytes) -> bool:
    """Write a new file atomically; return False and change nothing if it exists. Parent folders are created.

    If several processes create the same name at the same time, exactly one gets True.

    Raises:
        OSError: the write failed, or the file system has no hard links.
    """
    with _partial(path, [data]) as partial:
        try:
            path.hardlink_to(partial)
        except FileExistsError:
            return False
    return True


@contextmanager
def _partial(path: Path, chunks: Iterable[bytes]) -> Iterator[Path]:
    """Yield a flushed temporary file beside ``path``; on exit it is removed if not renamed, and the folder flushed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_file(path) as partial:
        with partial.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    flush_folder(path.parent)


def atomic_write_text(path: Path, text: str) -> None:
    r"""Write UTF-8 text atomically; line endings are kept as they are in ``text``.

    Bytes of a file's name that are not UTF-8 are escaped as in ``\udce9``, which JSON reads as the same name again.
    """
    atomic_write_bytes(path, text.encode(errors="backslashreplace"))


def atomic_write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write indented JSON atomically.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON does not support.
    """
    atomic_write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def copy_folder(source: Path, target: Path) -> None:
    """Copy the files below a folder into another one; modes follow the umask, and executable files stay executable.

    Links are copied as the files that they point to.

    Raises:
        FileExistsError: a file of the same name is in the target.
        OSError: the copy failed; the files before are copied.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            copy_folder(path, target / path.name)
            continue
        is_executable = path.stat().st_mode & stat.S_IXUSR
        handle = os.open(
            target / path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o777 if is_executable else 0o666
        )
        with os.fdopen(handle, "wb") as copied, path.open("rb") as original:
            shutil.copyfileobj(original, copied)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk (fsync); Windows can't open folders, and flushes them by itself."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
