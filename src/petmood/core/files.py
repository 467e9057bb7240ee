"""How does petmood write to disk? In one step: a reader finds the old content or the new, never half of one.

Every file is written under a temporary name in its own folder, flushed to the disk and then renamed;
every folder likewise. A process killed at any moment leaves at most a hidden ``.partial`` entry.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["create_bytes", "folder_in_one_step", "sha256_of", "write_bytes", "write_json", "write_text"]


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step; parents are made.

    Raises:
        OSError: the disk refuses; the old file, if any, is untouched and no partial file is left.
    """
    with _partial(path, data) as partial:
        partial.replace(path)


def create_bytes(path: Path, data: bytes) -> bool:
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
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o644)
        yield partial
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step, with the line ends as they are in ``text``."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - whatever json can hold
    """Write indented JSON in one step; NaN and infinity are refused, since JSON has no word for them."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def folder_in_one_step(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` when the block ends without an error.

    An existing ``target`` is replaced; should the process die between the two renames, the next call puts the
    old one back first. After an error in the block, ``target`` is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    retired = target.parent / f".{target.name}.retired"
    if retired.exists():
        _put_back_or_clear(retired, target)
    for litter in target.parent.glob(f".{target.name}.*.partial"):
        shutil.rmtree(litter, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial"))
    try:
        partial.chmod(0o755)
        yield partial
        _flush_tree(partial)
        if target.exists():
            target.rename(retired)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if retired.exists():
            _put_back_or_clear(retired, target)
        raise
    _flush_folder(target.parent)
    shutil.rmtree(retired, ignore_errors=True)


def _put_back_or_clear(retired: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(retired)
    else:
        retired.rename(target)


def _flush_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
