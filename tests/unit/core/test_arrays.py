"""Tests of the bounded reading of npz files: hostile sizes, headers and archives, and the memory that they cost."""

import io
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.bundle import pack_arrays
from petmood.core.errors import DataError

PIXELS = {"pixels": ArrayBounds("uint8", (4, 8, 8, 3))}

PEAK = """
import resource, sys
from pathlib import Path
from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.errors import DataError
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak()
try:
    read_arrays(Path(sys.argv[1]), {"pixels": ArrayBounds("uint8", (10**10,))}, max_bytes=100_000_000)
except DataError as error:
    print(peak() - before, error)
"""


def npy_bytes(array: np.ndarray[Any, Any], **header: object) -> bytes:
    """Return an array in the npy format; ``header`` replaces entries of its header."""
    described: dict[str, object] = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {**described, **header})
    return file.getvalue() + array.tobytes()


def archive(
    to: Path, members: Mapping[str, bytes] | None = None, *, method: int = zipfile.ZIP_DEFLATED, **named: bytes
) -> Path:
    """Write an npz file of given members."""
    with zipfile.ZipFile(to, "w", method) as file:
        for name, data in {**(members or {}), **named}.items():
            file.writestr(f"{name}.npy", data)
    return to


def refusal(path: Path, expected: dict[str, ArrayBounds] | None = None, **given: Any) -> str:  # noqa: ANN401 - max_bytes
    """Return the one line with which a file is refused."""
    with pytest.raises(DataError) as refused:
        read_arrays(path, expected or PIXELS, **given)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_arrays_come_back_as_they_were(tmp_path: Path, order: Any, method: int) -> None:  # noqa: ANN401 - a literal
    generator = np.random.default_rng(0)
    pixels = np.asarray(generator.integers(0, 256, (3, 8, 8, 3)), dtype=np.uint8, order=order)
    buffer = io.BytesIO()
    (np.savez if method == zipfile.ZIP_STORED else np.savez_compressed)(
        buffer, pixels=pixels, names=np.array(["a", "größe"]), none=np.zeros((0, 2), np.float32), other=np.arange(9)
    )
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    bounds = {**PIXELS, "names": ArrayBounds("U9", (2,)), "none": ArrayBounds("float32", (5, 2))}
    found = read_arrays(tmp_path / "a.npz", bounds)
    assert sorted(found) == ["names", "none", "pixels"]
    assert np.array_equal(found["pixels"], pixels)
    assert found["pixels"].dtype == np.uint8
    assert found["names"].tolist() == ["a", "größe"]
    assert found["none"].shape == (0, 2)
    assert found["none"].dtype == np.float32
    found["pixels"][0] = 1  # arrays belong to the caller


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_array_of_several_mebibytes_comes_back_whole(tmp_path: Path, method: int) -> None:
    numbers = np.arange(600_001, dtype=np.int32)
    archive(tmp_path / "a.npz", numbers=npy_bytes(numbers), method=method)
    found = read_arrays(tmp_path / "a.npz", {"numbers": ArrayBounds("int32", (600_001,))})
    assert np.array_equal(found["numbers"], numbers)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((5, 8, 8, 3), np.uint8), "uint8 of (5, 8, 8, 3)"),
        (np.zeros((4, 8, 8), np.uint8), "uint8 of (4, 8, 8)"),
        (np.zeros((4, 8, 8, 3), np.int8), "int8 of (4, 8, 8, 3)"),
        (np.zeros((4, 8, 8, 3), ">f4"), ">f4 of (4, 8, 8, 3)"),
        (np.array("text"), "<U4 of ()"),
    ],
)
def test_an_array_outside_its_bounds_is_refused_with_both(
    tmp_path: Path, array: np.ndarray[Any, Any], said: str
) -> None:
    (tmp_path / "a.npz").write_bytes(pack_arrays(pixels=array))
    path = tmp_path / "a.npz"
    assert refusal(path) == f"{path}: expected 'pixels' to be uint8 of at most (4, 8, 8, 3), got {said}."


def test_a_text_longer_than_its_bound_and_a_missing_array_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(pack_arrays(names=np.array(["abcd"])))
    path = tmp_path / "a.npz"
    assert refusal(path, {"names": ArrayBounds("U3", (1,))}) == (
        f"{path}: expected 'names' to be U3 of at most (1,), got <U4 of (1,)."
    )
    assert refusal(path) == f"{path}: expected an array 'pixels' (uint8 of at most (4, 8, 8, 3)), got none."


def test_an_archive_without_arrays_is_one_and_lacks_the_array(tmp_path: Path) -> None:
    """It has 22 bytes: its end record alone."""
    path = archive(tmp_path / "a.npz")
    assert path.stat().st_size == 22
    assert refusal(path) == f"{path}: expected an array 'pixels' (uint8 of at most (4, 8, 8, 3)), got none."


@pytest.mark.parametrize(
    ("dtype", "shape", "admitted"),
    [
        ("<U5", (2,), True),
        ("<U4", (1,), True),
        ("<U1", (0,), True),
        ("<U0", (2,), False),
        ("<U6", (2,), False),
        ("<U5", (3,), False),
        ("<U5", (-1,), False),
        ("<U5", (), False),
        ("<U5", (1, 1), False),
        ("S5", (2,), False),
        ("uint8", (2,), False),
        (">U5", (2,), True),
    ],
)
def test_texts_are_within_their_bounds_if_none_is_longer(dtype: str, shape: tuple[int, ...], admitted: bool) -> None:
    assert ArrayBounds("U5", (2,)).admits(np.dtype(dtype), shape) is admitted


def test_bounds_on_all_arrays_together_and_on_the_file_hold(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(pack_arrays(pixels=np.zeros((4, 8, 8, 3), np.uint8)))
    path = tmp_path / "a.npz"
    assert read_arrays(path, PIXELS, max_bytes=768)["pixels"].shape == (4, 8, 8, 3)
    assert refusal(path, max_bytes=767) == f"{path}: expected arrays of at most 767 bytes together, got 768."


def test_a_file_may_be_a_million_bytes_larger_than_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "sparse.npz"
    path.touch()
    os.truncate(path, 1_000_768)
    assert refusal(path, max_bytes=767) == f"{path}: expected a file of at most 1,000,767 bytes, got 1,000,768."
    assert "expected an npz file" in refusal(path, max_bytes=768)
    os.truncate(path, 513_000_001)
    assert refusal(path) == f"{path}: expected a file of at most 513,000,000 bytes, got 513,000,001."


@pytest.mark.parametrize(("comment", "admitted"), [(65_480, True), (65_481, False)])
def test_the_directory_of_the_archive_has_65536_bytes_at_most(tmp_path: Path, comment: int, admitted: bool) -> None:
    """An entry of the directory has 46 bytes, a name, here of ten characters, and a comment."""
    path = tmp_path / "a.npz"
    entry = zipfile.ZipInfo("pixels.npy")
    entry.comment = bytes(comment)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(entry, npy_bytes(ARRAY))
    if admitted:
        assert np.array_equal(read_arrays(path, PIXELS)["pixels"], ARRAY)
    else:
        assert refusal(path) == (f"{path} is damaged: expected an npz file, a zip archive with a small directory.")


ARRAY = np.zeros((2, 8, 8, 3), np.uint8)
HOSTILE: dict[str, Callable[[Path], Path]] = {
    "fewer bytes than the header says": lambda to: archive(to, pixels=npy_bytes(ARRAY, shape=(4, 8, 8, 3))),
    "more bytes than the header says": lambda to: archive(to, pixels=npy_bytes(ARRAY) + bytes(1_000_000)),
    "a negative length": lambda to: archive(to, pixels=npy_bytes(ARRAY, shape=(-2, 8, 8, 3))),
    "8 EB": lambda to: archive(to, pixels=npy_bytes(ARRAY, shape=(8 * 10**18,))),
    "another compression": lambda to: archive(to, method=zipfile.ZIP_LZMA, pixels=npy_bytes(ARRAY)),
    "version 2 of the format": lambda to: archive(
        to, pixels=b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + bytes(50)
    ),
    "a header of 60 kB": lambda to: archive(
        to, pixels=b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + bytes(60_000)
    ),
    "a header that is nested deeply": lambda to: archive(
        to, pixels=b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000
    ),
    "2,000 entries": lambda to: archive(to, {f"a{number}": b"" for number in range(2000)}),
}
SAID = {
    "fewer bytes than the header says": " is damaged: expected 'pixels' to have 896 bytes by its header, got 512.",
    "more bytes than the header says": " is damaged: expected 'pixels' to have 512 bytes by its header, got 1,000,512.",
    "a negative length": ": expected 'pixels' to be uint8 of at most (4, 8, 8, 3), got uint8 of (-2, 8, 8, 3).",
    "8 EB": ": expected 'pixels' to be uint8 of at most (4, 8, 8, 3), got uint8 of (8000000000000000000,).",
    "another compression": ": expected 'pixels' to be stored or deflated, got method 14.",
    "version 2 of the format": " is damaged: expected arrays in version 1.0 of the npy format.",
    "2,000 entries": " is damaged: expected an npz file, a zip archive with a small directory.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = HOSTILE[name](tmp_path / "a.npz")
    assert len(refusal(path)) < 400
    assert refusal(path) == f"{path}{SAID[name]}" if name in SAID else refusal(path).startswith(f"{path} is damaged: ")


def test_of_an_error_with_several_lines_or_none_the_first_line_or_the_type_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = HOSTILE["a header of 60 kB"](tmp_path / "a.npz")
    assert refusal(path) == (
        f"{path} is damaged: Header info length (60000) is large and may not be safe to load securely.."
    )

    def end(*_: object) -> None:
        raise EOFError

    monkeypatch.setattr(np.lib.format, "read_magic", end)
    assert refusal(path) == f"{path} is damaged: EOFError."


def test_a_stream_that_ends_early_with_a_right_checksum_is_refused(tmp_path: Path) -> None:
    """Header, directory and entry say 4 photos, and the stream holds 2 of them."""
    path = archive(tmp_path / "a.npz", pixels=npy_bytes(ARRAY, shape=(4, 8, 8, 3)))
    whole = path.read_bytes()
    assert whole.count(struct.pack("<I", 512)) == 2
    path.write_bytes(whole.replace(struct.pack("<I", 512), struct.pack("<I", 896)))
    assert refusal(path) == f"{path} is damaged: 'pixels' ends after 384 of 768 bytes."


def test_declared_sizes_that_are_not_the_real_ones_are_refused(tmp_path: Path) -> None:
    """The directory and the entry say 2 photos, and the stream holds more: only what was declared is decompressed."""
    whole = archive(tmp_path / "a.npz", pixels=npy_bytes(ARRAY) + bytes(5_000_000)).read_bytes()
    real, told = struct.pack("<I", len(npy_bytes(ARRAY)) + 5_000_000), struct.pack("<I", len(npy_bytes(ARRAY)))
    assert whole.count(real) == 2
    (tmp_path / "a.npz").write_bytes(whole.replace(real, told))
    assert "damaged: Bad CRC-32" in refusal(tmp_path / "a.npz")


def test_a_second_record_of_the_directory_s_size_is_refused(tmp_path: Path) -> None:
    """Zip64's record would let zipfile read a directory of any size."""
    data = archive(tmp_path / "a.npz", pixels=npy_bytes(ARRAY)).read_bytes()
    end, directory = data[-22:], struct.unpack("<I", data[-10:-6])[0]
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, directory, len(data) - 22 - directory)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(data) - 22, 1)
    (tmp_path / "a.npz").write_bytes(data[:-22] + record + locator + end)
    path = tmp_path / "a.npz"
    assert refusal(path) == f"{path} is damaged: expected an npz file, a zip archive with a small directory."


@pytest.mark.parametrize("place", range(0, 400, 13))
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, place: int) -> None:
    data = bytearray(pack_arrays(pixels=ARRAY))
    data[place % len(data)] ^= 4
    (tmp_path / "a.npz").write_bytes(data)
    try:
        found = read_arrays(tmp_path / "a.npz", PIXELS)["pixels"]
    except DataError:
        return
    assert np.array_equal(found, ARRAY)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "none.npz"
    assert refusal(tmp_path) == f"Expected {tmp_path} to be a regular file, got something else."
    assert refusal(missing) == f"{missing} is damaged: [Errno 2] No such file or directory: '{missing}'."


@pytest.mark.spawns
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_a_small_file_that_expands_to_gigabytes_costs_no_memory(tmp_path: Path) -> None:
    """Zeros, so that 1 MB of file is a thousand MB of arrays."""
    head = npy_bytes(np.zeros(0, np.uint8), shape=(1_000_000_000,))
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("pixels.npy", "w", force_zip64=True) as member,
    ):
        member.write(head)
        for _ in range(1000):
            member.write(bytes(1_000_000))
    told = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "a.npz")], capture_output=True, text=True, check=True
    ).stdout
    kb, _, message = told.partition(" ")
    assert "100,000,000 bytes together, got 1,000,000,000" in message
    assert int(kb) < 20_000
