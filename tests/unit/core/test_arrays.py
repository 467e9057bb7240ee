"""Tests of the bounded reading of npz files: hostile sizes, headers and archives, and the memory that they cost."""

import io
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
    assert f"expected 'pixels' to be uint8 of at most (4, 8, 8, 3), got {said}." in refusal(tmp_path / "a.npz")


def test_a_text_longer_than_its_bound_and_a_missing_array_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(pack_arrays(names=np.array(["abcd"])))
    assert "got <U4 of (1,)" in refusal(tmp_path / "a.npz", {"names": ArrayBounds("U3", (1,))})
    assert "expected an array 'pixels' (uint8 of at most (4, 8, 8, 3)), got none" in refusal(tmp_path / "a.npz")


def test_bounds_on_all_arrays_together_and_on_the_file_hold(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(pack_arrays(pixels=np.zeros((4, 8, 8, 3), np.uint8)))
    assert "at most 767 bytes together, got 768" in refusal(tmp_path / "a.npz", max_bytes=767)
    with (tmp_path / "sparse.npz").open("wb") as file:
        file.truncate(3_000_000_000)
    assert "expected a file of at most 1,000,767 bytes, got 3,000,000,000" in refusal(
        tmp_path / "sparse.npz", max_bytes=767
    )


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


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    assert len(refusal(HOSTILE[name](tmp_path / "a.npz"))) < 400


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
    assert "small directory" in refusal(tmp_path / "a.npz")


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
    assert "regular file" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "none.npz")


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
