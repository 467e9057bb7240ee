"""Reading of npz files within bounds: sizes, shapes and types are checked before an array is allocated."""

import math
import os
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from petmood.core.errors import DataError

__all__ = ["MAX_ARRAYS_BYTES", "ArrayBounds", "read_arrays"]

MAX_ARRAYS_BYTES: Final = 512_000_000
"""Largest size in bytes of all requested arrays of one file together."""

OVERHEAD_BYTES: Final = 1_000_000
"""Bytes by which a file may be larger than its arrays, for headers and incompressible data."""
DIRECTORY_BYTES: Final = 65_536
"""Largest central directory of the zip file; zipfile keeps about ten times its size in memory."""
END_BYTES: Final = 22
LOCATOR_BYTES: Final = 20
PIECE_BYTES: Final = 1_048_576
METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class ArrayBounds:
    """What an array must be: its type, its number of axes and the largest length of each axis.

    ``dtype`` is a type such as ``"float32"`` that the array must have. For texts, ``"U100"`` is texts of at most 100
    characters.
    """

    dtype: str
    max_shape: tuple[int, ...]

    def __str__(self) -> str:
        """Return the bounds for messages: ``float32 of at most (32, 4)``."""
        return f"{self.dtype} of at most {self.max_shape}"

    def admits(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        """Return whether an array of this type and shape is within the bounds."""
        wanted = np.dtype(self.dtype)
        texts = wanted.kind == "U" == dtype.kind and 0 < dtype.itemsize <= wanted.itemsize
        fits = len(shape) == len(self.max_shape) and all(
            0 <= n <= m for n, m in zip(shape, self.max_shape, strict=True)
        )
        return fits and (texts or dtype == wanted)


@dataclass(frozen=True, slots=True)
class _Header:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool

    @property
    def size(self) -> int:
        """Bytes of the array's data."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_arrays(
    path: Path, expected: Mapping[str, ArrayBounds], *, max_bytes: int = MAX_ARRAYS_BYTES
) -> dict[str, NDArray[Any]]:
    """Read the named arrays of an npz file; other arrays in it are not read.

    Before data is read, the size of the file, its directory, every array's header and the array's size in the archive
    are checked. So a small file that expands to gigabytes is refused without the memory for it. Pickles are not read.

    Raises:
        DataError: the file is not an npz file, or an array is missing or outside its bounds; the message has one line.
    """
    try:
        return _read(path, expected, max_bytes)
    except DataError:
        raise
    except Exception as error:  # zip, deflate and npy raise different errors; all mean a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is damaged: {reason}.") from error


def _read(path: Path, expected: Mapping[str, ArrayBounds], max_bytes: int) -> dict[str, NDArray[Any]]:
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError(f"Expected {path} to be a regular file, got something else.")
    with path.open("rb") as file:
        _check_container(file, path, max_bytes)
        with zipfile.ZipFile(file) as archive:
            headers = {name: _header(archive, path, name, bounds) for name, bounds in expected.items()}
            total = sum(header.size for header in headers.values())
            if total > max_bytes:
                raise DataError(f"{path}: expected arrays of at most {max_bytes:,} bytes together, got {total:,}.")
            return {name: _array(archive, path, name, header) for name, header in headers.items()}


def _check_container(file: IO[bytes], path: Path, max_bytes: int) -> None:
    """Check the file's size and the zip's end record, which says how much zipfile would read at once."""
    size, most = os.fstat(file.fileno()).st_size, max_bytes + OVERHEAD_BYTES
    if size > most:
        raise DataError(f"{path}: expected a file of at most {most:,} bytes, got {size:,}.")
    file.seek(max(0, size - END_BYTES - LOCATOR_BYTES))
    tail = file.read()
    locator, end = tail[:-END_BYTES], tail[-END_BYTES:]
    directory = int.from_bytes(end[12:16], "little")
    zip64 = locator.startswith(b"PK\x06\x07")  # its own record of the directory's size, which zipfile would prefer
    if not end.startswith(b"PK\x05\x06") or directory > DIRECTORY_BYTES or zip64:
        raise DataError(f"{path} is damaged: expected an npz file, a zip archive with a small directory.")
    file.seek(0)


def _header(archive: zipfile.ZipFile, path: Path, name: str, bounds: ArrayBounds) -> _Header:
    """Return an array's header; its type, shape and size are within the bounds and those of the archive's entry."""
    try:
        entry = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise DataError(f"{path}: expected an array {name!r} ({bounds}), got none.") from None
    if entry.compress_type not in METHODS:
        raise DataError(f"{path}: expected {name!r} to be stored or deflated, got method {entry.compress_type}.")
    with archive.open(entry) as member:
        header = _read_header(member)
        start = member.tell()
    if not bounds.admits(header.dtype, header.shape):
        raise DataError(f"{path}: expected {name!r} to be {bounds}, got {header.dtype} of {header.shape}.")
    if entry.file_size != start + header.size:
        told = f"expected {name!r} to have {start + header.size:,} bytes by its header, got {entry.file_size:,}"
        raise DataError(f"{path} is damaged: {told}.")
    return header


def _read_header(member: IO[bytes]) -> _Header:
    if npy.read_magic(member) != (1, 0):  # later versions allow headers of 4 GB
        raise ValueError("expected arrays in version 1.0 of the npy format")
    shape, fortran, dtype = npy.read_array_header_1_0(member)
    return _Header(dtype, tuple(shape), fortran)


def _array(archive: zipfile.ZipFile, path: Path, name: str, header: _Header) -> NDArray[Any]:
    raw = np.empty(header.size, dtype=np.uint8)
    with archive.open(f"{name}.npy") as member:
        _read_header(member)
        done = 0
        while done < header.size:
            piece = member.read(min(PIECE_BYTES, header.size - done))
            if not piece:
                raise DataError(f"{path} is damaged: {name!r} ends after {done:,} of {header.size:,} bytes.")
            raw[done : done + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
            done += len(piece)
        member.read(1)  # at the end zipfile compares the checksum, also of an array without data
    return raw.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
