"""Registry backend over an object store (folder or bucket), based on exclusive creation of objects.

MODEL/bundles/SHA256/FILE     a bundle's files, the manifest last
MODEL/versions/000001.json    a version, created after its files
MODEL/changes/000001.json     a change of an alias
MODEL/attached/000001/NAME    a file attached to a version
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from petmood.core.bundle import MANIFEST, Bundle, read
from petmood.core.bundle_files import OTHER_BYTES, max_bytes
from petmood.core.errors import CorruptVersion, RegistryConflict, RegistryError
from petmood.core.files import atomic_write_bytes
from petmood.registry.base import AliasChange, Version

__all__ = ["ObjectBackend", "ObjectStore"]

TRIES: Final = 100
RECORD_BYTES: Final = 1_000_000
Record = TypeVar("Record", bound=BaseModel)


class ObjectStore(Protocol):
    """Storage of bytes under keys such as ``a/b.json``."""

    address: str

    def create(self, key: str, data: bytes) -> bool:
        """Store bytes under a new key atomically; return False and change nothing if the key is taken."""
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Store bytes under a key atomically, replacing existing ones."""
        ...

    def read(self, key: str, *, max_bytes: int = OTHER_BYTES) -> bytes | None:
        """Return the bytes under a key; None if there are none. An object larger than ``max_bytes`` is not read.

        Raises:
            RegistryError: the object is larger.
        """
        ...

    def names(self, prefix: str) -> Sequence[str]:
        """Return the names directly below ``prefix/``, sorted."""
        ...


class ObjectBackend:
    """Registry backend over an object store; records are immutable, so each is read once."""

    def __init__(self, store: ObjectStore, *, model: str) -> None:
        self.model = model
        self.address = store.address
        self._store = store
        self._known: dict[str, BaseModel] = {}

    def versions(self) -> Sequence[Version]:
        """Return every version, sorted by number."""
        return self._records("versions", Version)

    def changes(self) -> Sequence[AliasChange]:
        """Return every change, sorted by number."""
        return self._records("changes", AliasChange)

    def add(self, bundle: Bundle, about: Mapping[str, Any]) -> Version:
        """Store a bundle's files, the manifest last, then register it under the next free number.

        If another client registers the same bundle meanwhile, its version is returned. This needs no locks: a number
        can be taken once, and the records of all numbers before it are read.

        Raises:
            RegistryConflict: other clients took each of the numbers that were tried.
        """
        self._store_files(bundle)
        known = self.versions()
        if same := [version for version in known if version.sha256 == bundle.sha256]:
            return same[0]
        first = max((version.number for version in known), default=0) + 1
        for number in range(first, first + TRIES):
            version = Version(number=number, model=self.model, **about)
            key = self._record_key("versions", number)
            if self._create(key, _as_json(version)):
                return version
            taken = self._store.read(key, max_bytes=RECORD_BYTES)
            if taken is not None and (other := self._parse(key, taken, Version)).sha256 == bundle.sha256:
                return other
        raise RegistryConflict(
            f"No free version number of {self.model} in {TRIES} tries: other clients register versions. Push again."
        )

    def repair(self, version: Version, bundle: Bundle) -> None:
        """Restore missing or damaged files of a version."""
        del version  # the files are stored under the bundle's hash
        for name, data in bundle.contents():
            key = f"{self._folder(bundle.sha256)}/{name}"
            if self._store.read(key) != data:
                self._store.replace(key, data)

    def fetch(self, version: Version, to: Path) -> None:
        """Download a version's files into an empty folder without verifying them."""
        self._fetch_file(version, MANIFEST, to)
        for name in read(to).files:
            if PurePosixPath(name).name != name:
                raise CorruptVersion(
                    f"Version {version.number} of {self.model} lists a file outside its bundle: {name!r}. "
                    "Push the bundle again."
                )
            self._fetch_file(version, name, to)

    def record(self, change: AliasChange) -> bool:
        """Add a change under its number; return False if the number is taken."""
        return self._create(self._record_key("changes", change.number), _as_json(change))

    def attach(self, version: Version, files: Mapping[str, bytes]) -> None:
        """Attach files to a version, replacing those of the same name."""
        for name, data in files.items():
            self._store.replace(self._attached_key(version, name), data)

    def attachments(self, version: Version, folder: str) -> Sequence[str]:
        """Return the names of the files attached directly below a folder, sorted."""
        return self._store.names(self._attached_key(version, folder))

    def attachment(self, version: Version, name: str) -> bytes:
        """Return the content of a file attached to a version."""
        found = self._store.read(self._attached_key(version, name))
        if found is None:
            raise RegistryError(f"No file {name} is attached to version {version.number} of {self.model}.")
        return found

    def _store_files(self, bundle: Bundle) -> None:
        for name, data in bundle.contents():
            key = f"{self._folder(bundle.sha256)}/{name}"
            if not self._create(key, data):
                self._store.replace(key, data)  # may be damaged; the key fixes the content, so it is safe to restore

    def _create(self, key: str, data: bytes) -> bool:
        """Create an object; also return True if the key already holds exactly these bytes.

        A client retries a request whose response was lost; the retry then fails because the first one succeeded.
        """
        return self._store.create(key, data) or self._store.read(key) == data

    def _fetch_file(self, version: Version, name: str, to: Path) -> None:
        data = self._store.read(f"{self._folder(version.sha256)}/{name}", max_bytes=max_bytes(name))
        if data is None:
            raise CorruptVersion(
                f"{name} of version {version.number} of {self.model} is missing in {self.address}. "
                "Push the bundle again to restore it."
            )
        atomic_write_bytes(to / name, data)

    def _records(self, kind: str, record: type[Record]) -> list[Record]:
        found = []
        for name in self._store.names(f"{self.model}/{kind}"):
            if not name.endswith(".json"):
                continue
            key = f"{self.model}/{kind}/{name}"
            if key not in self._known:
                self._known[key] = self._parse(key, self._store.read(key, max_bytes=RECORD_BYTES) or b"", record)
            one = self._known[key]
            assert isinstance(one, record)  # noqa: S101 - for the type checker: the key determines the type
            found.append(one)
        return found

    def _parse(self, key: str, data: bytes, record: type[Record]) -> Record:
        return _parsed(data, record, where=f"{self.address}/{key}")

    def _folder(self, sha256: str) -> str:
        return f"{self.model}/bundles/{sha256}"

    def _record_key(self, kind: str, number: int) -> str:
        return f"{self.model}/{kind}/{number:06}.json"

    def _attached_key(self, version: Version, name: str) -> str:
        return f"{self.model}/attached/{version.number:06}/{name}"


def _as_json(record: BaseModel) -> bytes:
    return record.model_dump_json(indent=2).encode() + b"\n"


def _parsed(data: bytes, record: type[Record], *, where: str) -> Record:
    try:
        return record.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise RegistryError(f"{where} is damaged: {first['msg']}. Restore it from a backup.") from error
