"""How does a plain folder keep a registry? A file an object, linked into place: a taken name is never changed."""

from collections.abc import Sequence
from pathlib import Path

from petmood.core.files import atomic_write_bytes, create_exclusive

__all__ = ["FolderStore"]


class FolderStore:
    """Objects as files below a folder, which need not exist yet; several machines may share it (NFS)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = str(folder)

    def create(self, key: str, data: bytes) -> bool:
        """Store bytes under a new key; False where the key is taken."""
        return create_exclusive(self._folder / key, data)

    def replace(self, key: str, data: bytes) -> None:
        """Store bytes under a key, whatever was there."""
        atomic_write_bytes(self._folder / key, data)

    def read(self, key: str) -> bytes | None:
        """Return the bytes under a key, or None."""
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None

    def names(self, prefix: str) -> Sequence[str]:
        """Return the names directly below a prefix, sorted; unfinished files are hidden."""
        place = self._folder / prefix
        return sorted(path.name for path in place.iterdir() if path.name[0] != ".") if place.is_dir() else []
