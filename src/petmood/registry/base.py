"""Records of a model registry (immutable versions, append-only alias changes) and the backend protocol.

Aliases are computed by replaying the changes in order. Each change has the next number and is created only if that
number is free. So of two concurrent promotions only one succeeds, and a killed process leaves either a complete change
or none. In MLflow, which has aliases of its own, the changes include those that were made outside of petmood.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from petmood.core.bundle import Bundle
from petmood.core.errors import RegistryError
from petmood.core.names import MODEL_NAME
from petmood.presentation.display_names import headline_split

__all__ = [
    "ALIASES",
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "AliasChange",
    "AliasState",
    "Author",
    "Backend",
    "Version",
    "check_object_size",
    "new_nonce",
    "replay",
    "version_fields",
]

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
ALIASES: Final = (CHAMPION, CHALLENGER)
"""Aliases that a version can be promoted to; ``previous`` is derived: the champion before the current one."""

MAX_AUTHOR_CHARS: Final = 200
MAX_REASON_CHARS: Final = 500


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _StoredRecord(_Record):
    """A stored record; its random ``nonce`` makes the bytes of each writer unique ("" in old records)."""

    nonce: str = Field(default="", repr=False)

    def shown(self) -> dict[str, Any]:
        """Return the fields that are shown to users: all but ``nonce``."""
        return self.model_dump(exclude={"nonce"})


class Version(_StoredRecord):
    """One registered bundle; ``sha256`` is that of its manifest, which lists the SHA-256 of every other file.

    ``accuracy`` is in the bundle's metrics (value, low, high, n, split): on test photos, else of the recipe in
    cross-validation, else on validation photos. It is None if not measured. Records of earlier versions have no split.
    """

    number: int = Field(ge=1)
    model: str = Field(pattern=MODEL_NAME)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bundle: str
    bundle_version: str
    backbone: str
    data_hash: str
    code_version: str
    run: str = ""
    accuracy: dict[str, Any] | None = None
    registered: str
    by: str


class AliasChange(_StoredRecord):
    """One change of an alias from version ``before`` to version ``to``: author, reason, time and promotion report.

    A change made outside petmood has an unknown author, and ``at`` is the time of its detection ("" before it is
    stored). Such a change may also concern ``previous``, or remove the alias (``to`` is None).
    """

    number: int = Field(ge=1)
    kind: Literal["promoted", "rolled_back", "moved_outside"]
    alias: Literal["champion", "challenger", "previous"]
    to: int | None = Field(ge=1)
    before: int | None = None
    author: str
    reason: str
    at: str
    report: str | None = None


@dataclass(frozen=True, slots=True)
class Author:
    """Author of a change and the reason, both recorded in the history.

    Raises:
        RegistryError: the author is empty, or the author or the reason is too long.
    """

    name: str
    reason: str = ""

    def __post_init__(self) -> None:
        """Reject an empty or overlong author or reason."""
        if not self.name.strip() or len(self.name) > MAX_AUTHOR_CHARS or len(self.reason) > MAX_REASON_CHARS:
            raise RegistryError(
                f"Expected an author of 1 to {MAX_AUTHOR_CHARS} characters and a reason of at most {MAX_REASON_CHARS}, "
                f"got {len(self.name)} and {len(self.reason)} characters."
            )


class AliasState(_Record):
    """Versions that the aliases point to after change number ``last`` (0 = no changes)."""

    last: int
    aliases: dict[str, int]

    def of(self, number: int) -> tuple[str, ...]:
        """Return the aliases of a version."""
        return tuple(alias for alias, to in self.aliases.items() if to == number)


class Backend(Protocol):
    """Storage of the versions and changes of one model; existing records are never overwritten."""

    model: str
    address: str

    def versions(self) -> Sequence[Version]:
        """Return every version, sorted by number."""
        ...

    def add(self, bundle: Bundle, about: Mapping[str, Any]) -> Version:
        """Store a verified bundle's files, then register it under the next free number."""
        ...

    def fetch(self, version: Version, to: Path) -> None:
        """Download a version's files into an empty folder without verifying them.

        Raises:
            CorruptVersion: a file is missing.
            RegistryError: the registry can't be reached.
        """
        ...

    def repair(self, version: Version, bundle: Bundle) -> None:
        """Restore missing or damaged files of a version from the same bundle."""
        ...

    def changes(self) -> Sequence[AliasChange]:
        """Return every change, sorted by number; changes made outside petmood that are not stored yet come last."""
        ...

    def record(self, change: AliasChange) -> bool:
        """Add a change under its number; return False and change no alias if the number is taken."""
        ...

    def attach(self, version: Version, files: Mapping[str, bytes]) -> None:
        """Attach files, such as a promotion report, to a version; a file name may contain one slash."""
        ...

    def attachments(self, version: Version, folder: str) -> Sequence[str]:
        """Return the names of the files attached directly below a folder, sorted; () if there are none."""
        ...

    def attachment(self, version: Version, name: str) -> bytes:
        """Return the content of an attached file.

        Raises:
            RegistryError: no file is attached under this name.
        """
        ...


def replay(changes: Sequence[AliasChange]) -> AliasState:
    """Return the versions that the aliases point to after these changes.

    Raises:
        RegistryError: the sequence lacks a change.
    """
    aliases: dict[str, int] = {}
    for expected, change in enumerate(changes, start=1):
        if change.number != expected:
            raise RegistryError(
                f"The registry's history is incomplete: change {expected} is missing before change {change.number}. "
                "Restore it from a backup."
            )
        if change.alias == CHAMPION and CHAMPION in aliases and aliases[CHAMPION] != change.to:
            aliases[PREVIOUS] = aliases[CHAMPION]
        if change.to is None:
            aliases.pop(change.alias, None)
        else:
            aliases[change.alias] = change.to
    return AliasState(last=len(changes), aliases=aliases)


def check_object_size(size: int, address: str, *, max_bytes: int) -> int:
    """Return the size in bytes of a stored object; it is checked before the object is read.

    Raises:
        RegistryError: the object has more than ``max_bytes``.
    """
    if size > max_bytes:
        raise RegistryError(
            f"{address}: expected at most {max_bytes:,} bytes, got {size:,}. It is not from petmood; remove it."
        )
    return size


def new_nonce() -> str:
    """Return a random string that makes the bytes of a record unique."""
    return secrets.token_hex(8)


def version_fields(bundle: Bundle, *, by: str) -> dict[str, Any]:
    """Return the fields of a version that describe its bundle and who registers it, all but number and model."""
    manifest = bundle.manifest
    splits = manifest.metrics.get("splits") or {}
    split = headline_split(splits) or ""
    accuracy = splits.get(split, {}).get("accuracy")
    return {
        "sha256": bundle.sha256,
        "bundle": manifest.name,
        "bundle_version": manifest.version,
        "backbone": manifest.backbone,
        "data_hash": manifest.data_hash,
        "code_version": manifest.code_version,
        "run": str(manifest.metrics.get("run", "")),
        "accuracy": {**accuracy, "split": split} if accuracy else None,
        "registered": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "by": by,
        "nonce": new_nonce(),
    }
