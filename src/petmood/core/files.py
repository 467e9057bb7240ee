"""Atomic and durable writes of single files; folders are written by ``core.atomic_directory``.

Every file is written under a temporary name in its own folder, flushed to the disk and then renamed. A process killed
at any moment leaves at most a hidden ``.partial`` entry. Modes follow the umask of the process.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "atomic_write_bytes",
    "atomic_write_json",
    "atomic_write_text",
    "create_exclusive",
    "flush_folder",
    "partial_name",
    "sha256_of",
]


def partial_name(name: str) -> str:
    """Return a new hidden name for what is written beside an entry: ``.NAME.<8 hexadecimal digits>.partial``."""
    return f".{name}.{secrets.token_hex(4)}.partial"


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step; parents are made.

    Raises:
        OSError: the disk refuses; the old file, if any, is untouched and no partial file is left.
    """
    with _partial(path, data) as partial:
        partial.replace(path)


def create_exclusive(path: Path, data: bytes) -> bool:
    """Write a new file in one step; return False, changing nothing, where the name is taken. Parents are made.

    Of several processes that create one name at the same time, exactly one gets True.

    Raises:
        OSError: the disk refuses, or its file system knows no hard links.
    """
    with _partial(path, data) as partial:
        try:
            path.hardlink_to(partial)
        except FileExistsError:
            return False
        finally:
            partial.unlink()
    return True


@contextmanager
def _partial(path: Path, data: bytes) -> Iterator[Path]:
    """Yield a flushed file with these bytes beside ``path``; afterwards it is gone and the folder is flushed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(partial_name(path.name))
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step, with the line ends as they are in ``text``."""
    atomic_write_bytes(path, text.encode())


def atomic_write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - whatever json can hold
    """Write indented JSON in one step; NaN and infinity are refused, since JSON has no word for them."""
    atomic_write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
