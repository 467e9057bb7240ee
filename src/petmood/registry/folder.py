"""Object store in a plain folder: one file per object, created exclusively with hard links."""

from collections.abc import Sequence
from pathlib import Path

from petmood.core.bundle_files import OTHER_BYTES
from petmood.core.files import atomic_write_bytes, create_exclusive
from petmood.registry.base import check_object_size

__all__ = ["FolderStore"]


class FolderStore:
    """Object store of files below a folder, which need not exist yet; machines may share it over NFS."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = str(folder)

    def create(self, key: str, data: bytes) -> bool:
        """Store bytes under a new key; return False if the key is taken."""
        return create_exclusive(self._folder / key, data)

    def replace(self, key: str, data: bytes) -> None:
        """Store bytes under a key, replacing existing ones."""
        atomic_write_bytes(self._folder / key, data)

    def read(self, key: str, *, max_bytes: int = OTHER_BYTES) -> bytes | None:
        """Return the bytes under a key; None if there are none.

        Raises:
            RegistryError: the file is larger than ``max_bytes``.
        """
        path = self._folder / key
        try:
            size = check_object_size(path.stat().st_size, f"{self.address}/{key}", max_bytes=max_bytes)
            with path.open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            return None

    def names(self, prefix: str) -> Sequence[str]:
        """Return the names directly below a prefix, sorted; hidden (partial) files are left out."""
        folder = self._folder / prefix
        return sorted(path.name for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []
