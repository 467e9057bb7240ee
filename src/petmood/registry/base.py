"""What is a model registry made of? Versions that never change, changes that are only ever added, and a backend.

An alias is not stored: it is what the changes, read in their order, say. Each change has the number after the last one
and is created only if nobody else has created that number. So two promotions at once can't both win, and a process
killed at any moment leaves the change whole or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from petmood.core.bundle import Bundle
from petmood.core.errors import RegistryError

__all__ = [
    "ALIASES",
    "CHALLENGER",
    "CHAMPION",
    "MODEL_NAME",
    "PREVIOUS",
    "AliasChange",
    "AliasState",
    "Author",
    "Backend",
    "Version",
    "replay",
]

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
ALIASES: Final = (CHAMPION, CHALLENGER)
"""What a version can be promoted to; ``previous`` is the champion before this one, and can't be chosen."""

MAX_AUTHOR_CHARS: Final = 200
MAX_REASON_CHARS: Final = 500
MODEL_NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _StoredRecord(_Record):
    """What a backend stores; ``nonce`` is random, so that no two writers ever write equal bytes ("": an old record)."""

    nonce: str = Field(default="", repr=False)

    def shown(self) -> dict[str, Any]:
        """Return what people see of it."""
        return self.model_dump(exclude={"nonce"})


class Version(_StoredRecord):
    """One registered bundle: ``sha256`` is that of its manifest, which seals every file of it.

    ``accuracy`` is the bundle's own (value, low, high, n) on the photos it was tested on, where it was.
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
    """One move of an alias: who let it point from ``before`` to ``to``, when, why, and by which gate's report."""

    number: int = Field(ge=1)
    kind: Literal["promoted", "rolled_back"]
    alias: Literal["champion", "challenger"]
    to: int = Field(ge=1)
    before: int | None = None
    author: str
    reason: str
    at: str
    report: str | None = None


@dataclass(frozen=True, slots=True)
class Author:
    """Who decides a change, and why; both stand in the history. Raises RegistryError where they can't."""

    name: str
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a change by nobody, and a novel."""
        if not self.name.strip() or len(self.name) > MAX_AUTHOR_CHARS or len(self.reason) > MAX_REASON_CHARS:
            raise RegistryError(
                f"Expected who decides (1 to {MAX_AUTHOR_CHARS} signs) and why (up to {MAX_REASON_CHARS} signs), "
                f"got {len(self.name)} and {len(self.reason)} signs."
            )


class AliasState(_Record):
    """Where the aliases point after the change number ``last`` (0: nothing was ever promoted)."""

    last: int
    aliases: dict[str, int]

    def of(self, number: int) -> tuple[str, ...]:
        """Return the aliases of a version."""
        return tuple(alias for alias, to in self.aliases.items() if to == number)


class Backend(Protocol):
    """Keep the versions and changes of one model; nothing that was written is ever written anew."""

    model: str
    address: str

    def versions(self) -> Sequence[Version]:
        """Return every version by its number."""
        ...

    def add(self, bundle: Bundle, about: Mapping[str, Any]) -> Version:
        """Store a verified bundle's files, and after that give it the next free number."""
        ...

    def fetch(self, version: Version, to: Path) -> None:
        """Put a version's files into an empty folder, unverified.

        Raises:
            CorruptVersion: a file is missing.
            RegistryError: the registry can't be reached.
        """
        ...

    def repair(self, version: Version, bundle: Bundle) -> None:
        """Put a version's files back from the same bundle, where they are missing or damaged."""
        ...

    def changes(self) -> Sequence[AliasChange]:
        """Return every change in its order."""
        ...

    def record(self, change: AliasChange) -> bool:
        """Add a change under its number; return False, changing nothing, where that number is taken."""
        ...

    def attach(self, version: Version, files: Mapping[str, bytes]) -> None:
        """Keep further files, such as the gate's report, beside a version: ``name`` may hold one slash."""
        ...

    def attachment(self, version: Version, name: str) -> bytes:
        """Return what was attached under a name.

        Raises:
            RegistryError: nothing was.
        """
        ...


def replay(changes: Sequence[AliasChange]) -> AliasState:
    """Return where the aliases point after these changes.

    Raises:
        RegistryError: a number is missing between them.
    """
    aliases: dict[str, int] = {}
    for expected, change in enumerate(changes, start=1):
        if change.number != expected:
            raise RegistryError(
                f"The registry's history lacks change {expected}: expected it before change {change.number}. "
                "Restore it from a backup; petmood never deletes one."
            )
        if change.alias == CHAMPION and CHAMPION in aliases and aliases[CHAMPION] != change.to:
            aliases[PREVIOUS] = aliases[CHAMPION]
        aliases[change.alias] = change.to
    return AliasState(last=len(changes), aliases=aliases)
