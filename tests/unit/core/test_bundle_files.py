"""Tests of the limits on the sizes of a bundle's files, with sparse files of gigabytes."""

import io
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from petmood.core.bundle import DATA_NAME, read, verify
from petmood.core.bundle_files import MANIFEST, check_size, max_bytes, read_card, read_limited
from petmood.core.errors import BundleError
from tests.support.bundles import word_bundle

PEAK = """
import sys
from pathlib import Path
from petmood.core.bundle import verify
from petmood.core.errors import BundleError
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak()
try:
    verify(Path(sys.argv[1]))
except BundleError as error:
    print(peak() - before, error)
"""


def enlarged(path: Path, size: int) -> Path:
    """Enlarge a file with a hole."""
    with path.open("ab") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize("name", [MANIFEST, "golden.npz", "reference.npz", "card.md", "model.onnx", DATA_NAME])
def test_a_file_of_3_gb_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    path = enlarged(tmp_path / name, 3_000_000_000)
    for refused in (check_size, read_limited):
        with pytest.raises(BundleError, match=f"at most {max_bytes(name):,} bytes, got 3,000,000,000"):
            refused(path)


LIMITS = {
    "manifest.json": 4_000_000,
    "card.md": 4_000_000,
    "golden.npz": 513_000_000,
    "reference.npz": 513_000_000,
    "model.onnx": 2_147_483_648,
    "data.csv": 2_147_483_648,
}


@pytest.mark.parametrize(("name", "most"), LIMITS.items())
def test_a_file_of_the_largest_size_passes_and_one_more_byte_does_not(tmp_path: Path, name: str, most: int) -> None:
    assert max_bytes(name) == most
    path = enlarged(tmp_path / name, most)
    assert check_size(path) == most
    enlarged(path, most + 1)
    with pytest.raises(BundleError) as refusal:
        check_size(path)
    assert str(refusal.value) == f"{path}: expected at most {most:,} bytes, got {most + 1:,}. Export the run again."


def test_of_a_file_that_grows_meanwhile_one_byte_more_than_its_size_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "card.md"
    path.write_bytes(b"12345")
    grown = io.BytesIO(b"123456789")
    monkeypatch.setattr(Path, "open", lambda _path, _mode: nullcontext(grown))
    with pytest.raises(BundleError) as refusal:
        read_limited(path)
    assert str(refusal.value) == f"{path} grew while it was read. Copy or export the bundle again."
    assert grown.tell() == 6


@pytest.mark.parametrize("name", ["golden.npz", "reference.npz", "card.md", "model.onnx"])
def test_a_listed_file_that_is_too_large_is_refused_before_it_is_hashed(tmp_path: Path, name: str) -> None:
    bundle = word_bundle(tmp_path, "one")
    enlarged(bundle / name, 5_000_000_000)
    with pytest.raises(BundleError, match="expected at most"):
        verify(bundle)


def test_files_within_their_limits_are_read_whole(tmp_path: Path) -> None:
    bundle = word_bundle(tmp_path, "one")
    assert read_limited(bundle / "card.md") == b"card.md of one"
    assert read(bundle).name == "pets"
    (tmp_path / "card.md").touch()
    assert read_limited(tmp_path / "card.md") == b""


@pytest.mark.spawns
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_a_manifest_of_3_gb_costs_no_memory(tmp_path: Path) -> None:
    bundle = word_bundle(tmp_path, "one")
    enlarged(bundle / MANIFEST, 3_000_000_000)
    told = subprocess.run([sys.executable, "-c", PEAK, str(bundle)], capture_output=True, text=True, check=True).stdout
    kb, _, message = told.partition(" ")
    assert "got 3,000,000,000" in message
    assert int(kb) < 20_000


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("---\nlicense: unknown\n---\n\n# Card\n---\nend\n", "# Card\n---\nend\n"),
        ("# Card\n", "# Card\n"),
        ("---\n# a rule, no front matter\n", "---\n# a rule, no front matter\n"),
        ("", ""),
    ],
)
def test_a_card_is_read_without_its_front_matter(tmp_path: Path, text: str, read: str) -> None:
    (tmp_path / "card.md").write_bytes(text.encode())
    assert read_card(tmp_path) == read
