"""Largest sizes of a bundle's files, checked before a file is hashed or read."""

from pathlib import Path
from typing import Final

from petmood.core.errors import BundleError

__all__ = ["MANIFEST", "OTHER_BYTES", "check_size", "max_bytes", "read_card", "read_limited"]

MANIFEST: Final = "manifest.json"
CARD: Final = "card.md"
DASHES: Final = "---\n"

TEXT_BYTES: Final = 4_000_000
ARRAYS_BYTES: Final = 513_000_000
OTHER_BYTES: Final = 2**31
"""Protobuf's limit for a network in one file; the index of 10 million photos is smaller."""

MAX_BYTES: Final = {
    MANIFEST: TEXT_BYTES,
    CARD: TEXT_BYTES,
    "golden.npz": ARRAYS_BYTES,
    "golden.int8.npz": ARRAYS_BYTES,
    "reference.npz": ARRAYS_BYTES,
}


def max_bytes(name: str) -> int:
    """Return the largest size in bytes of a bundle's file of this name."""
    return MAX_BYTES.get(name, OTHER_BYTES)


def check_size(path: Path) -> int:
    """Return the size in bytes of a bundle's file, checked against the limit for its name.

    Raises:
        BundleError: the file is larger than any that petmood writes.
        OSError: the file doesn't exist.
    """
    size, most = path.stat().st_size, max_bytes(path.name)
    if size > most:
        raise BundleError(f"{path}: expected at most {most:,} bytes, got {size:,}. Export the run again.")
    return size


def read_limited(path: Path) -> bytes:
    """Return the bytes of a bundle's file; its size is checked before, and again while it is read.

    Raises:
        BundleError: the file is larger than any that petmood writes, or grows meanwhile.
        OSError: the file can't be read.
    """
    size = check_size(path)
    with path.open("rb") as file:
        data = file.read(size + 1)
    if len(data) > size:
        raise BundleError(f"{path} grew while it was read. Copy or export the bundle again.")
    return data


def read_card(folder: Path) -> str:
    """Return a bundle's model card as people read it: without the front matter, if it has one.

    Raises:
        BundleError: the card is larger than any that petmood writes.
        OSError: it can't be read.
    """
    text = read_limited(folder / CARD).decode()
    front, ends, body = text.removeprefix(DASHES).partition(f"\n{DASHES}")
    return body.lstrip("\n") if text.startswith(DASHES) and front and ends else text
