"""Push, promote, roll back and pull model bundles; hashes are verified at each step."""

import dataclasses
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from petmood.core.atomic_directory import atomic_directory
from petmood.core.bundle import MANIFEST, Bundle, verify
from petmood.core.bundle_target import is_bundle, refuse_foreign_files
from petmood.core.commands import shell_command
from petmood.core.errors import BundleError, CorruptVersion, RegistryConflict, RegistryError
from petmood.core.signature import check_signature, read_signature
from petmood.registry.base import (
    ALIASES,
    CHAMPION,
    PREVIOUS,
    AliasChange,
    AliasState,
    Author,
    Backend,
    Version,
    new_nonce,
    replay,
    version_fields,
)
from petmood.registry.signatures import check_version, store_signature, write_signature

__all__ = ["IntegrityIssue", "Registry", "bundle_at"]

NUMBER = re.compile(r"v?(\d{1,9})")
SHA = re.compile(r"[0-9a-f]{8,64}")


def bundle_at(folder: Path) -> Bundle | None:
    """Return the verified bundle in a folder; None if there is none or it is damaged."""
    try:
        return verify(folder)
    except BundleError:
        return None


@dataclass(frozen=True, slots=True)
class IntegrityIssue:
    """A problem of a version, an alias or the history."""

    what: str
    message: str


class Registry:
    """Versions and aliases of one model; backend-independent logic."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def model(self) -> str:
        """The model's name."""
        return self._backend.model

    @property
    def address(self) -> str:
        """The backend's address, without credentials."""
        return self._backend.address

    def versions(self) -> Sequence[Version]:
        """Return every version, sorted by number."""
        return self._backend.versions()

    def state(self) -> AliasState:
        """Return the versions that the aliases point to now."""
        return replay(self._backend.changes())

    def history(self) -> Sequence[AliasChange]:
        """Return every alias change with its author, time and reason, oldest first."""
        return self._backend.changes()

    def find(self, name: str) -> Version:
        """Return the version with this number, alias or SHA-256 prefix.

        Raises:
            RegistryError: no version matches, or several do.
        """
        aliases = self.state().aliases  # read before the versions, so that a new champion is among them
        versions = {version.number: version for version in self.versions()}
        match = NUMBER.fullmatch(name)
        if name in (*ALIASES, PREVIOUS):
            if name not in aliases:
                raise RegistryError(f"No version of {self.model} is {name} yet. {_hint(versions, aliases)}")
            found = [versions[aliases[name]]] if aliases[name] in versions else []
        elif match:
            found = [versions[int(match[1])]] if int(match[1]) in versions else []
        else:
            found = [one for one in versions.values() if SHA.fullmatch(name) and one.sha256.startswith(name)]
        if len(found) != 1:
            hint = _hint(versions, aliases)
            if not found and match:
                raise RegistryError(f"{self.model} in {self.address} has no version {match[1]}. {hint}")
            if found:
                hint = f"{len(found)} versions have this SHA-256 prefix; give more digits."
            elif name in aliases:
                hint = f"It points to version {aliases[name]}, which was deleted or not registered by petmood. {hint}"
            raise RegistryError(
                f"Expected {name!r} to match one version of {self.model} in {self.address}, got {len(found)}. {hint}"
            )
        return found[0]

    def push(self, folder: Path, *, by: str, public_key: Path | None = None) -> Version:
        """Register a bundle with its signature; if it is registered already, restore its files, return that version.

        Raises:
            BundleError: the bundle is incomplete or was changed, or, with a key, its signature is not valid.
            RegistryError: the version has another signature and no key is given, or the registry can't be reached.
        """
        bundle, signature = verify(folder), read_signature(folder)
        if public_key is not None:
            check_signature(folder, signature, public_key=public_key)
        same = [version for version in self.versions() if version.sha256 == bundle.sha256]
        if same:
            self._backend.repair(same[0], bundle)
        version = same[0] if same else self._backend.add(bundle, version_fields(bundle, by=by))
        if signature is not None:
            store_signature(self._backend, version, signature, is_checked=public_key is not None)
        return version

    def write_signature(self, version: Version, folder: Path) -> None:
        """Write the signature that a version was pushed with, if any, beside the folder of its bundle."""
        write_signature(self._backend, version, folder)

    def pull(self, version: Version, to: Path, *, replace: bool = False, public_key: Path | None = None) -> Bundle:
        """Download a version's bundle into a folder and verify it; a folder that already holds it is only verified.

        Its signature, if it has one, is written beside the folder. With a public key, the signature must be valid.

        Raises:
            SignatureError: with a key, the version has no signature, or one that is not valid; nothing was written.
            CorruptVersion: a file is missing, or the bundle is not the registered one.
            BundleError: the downloaded files are damaged, or the folder holds files that are not part of a bundle.
            OutputError: the folder can't be written, or another process is writing it.
            RegistryError: the folder has other content, or the registry can't be reached.
        """
        if (existing_bundle := bundle_at(to)) is not None and existing_bundle.sha256 == version.sha256:
            if public_key is not None:
                check_version(self._backend, version, to, public_key=public_key)
                self.write_signature(version, to)
            return existing_bundle

        def existing(folder: Path) -> Iterable[str]:
            if folder.exists() and not (replace and is_bundle(folder)):
                raise RegistryError(
                    f"{to} exists and is not version {version.number}. "
                    "Choose another folder, or replace a bundle with --replace."
                )
            refuse_foreign_files(folder, shown=to)
            return ()

        try:
            with atomic_directory(to, existing=existing) as draft:
                fetched = self.fetch_verified(version, draft.path, public_key=public_key)
                draft.expect([*fetched.manifest.files, MANIFEST])
        except (RegistryError, OSError):
            if (pulled := bundle_at(to)) is not None and pulled.sha256 == version.sha256:
                return pulled  # by another process, on a file system without locks
            raise
        self.write_signature(version, to)
        return dataclasses.replace(fetched, folder=to)

    def fetch_verified(self, version: Version, to: Path, *, public_key: Path | None = None) -> Bundle:
        """Download a version's bundle into an empty folder and verify it, and with a key its signature too.

        Raises:
            SignatureError: with a key, the version has no signature, or one that is not valid.
            CorruptVersion: a file is missing, or the bundle is not the registered one.
            BundleError: the downloaded files are damaged.
        """
        self._backend.fetch(version, to)
        fetched = verify(to)
        if fetched.sha256 != version.sha256:
            raise CorruptVersion(
                f"Version {version.number} of {self.model} holds another bundle: expected the manifest hash "
                f"{version.sha256[:12]}, got {fetched.sha256[:12]}. Push the registered bundle again."
            )
        if public_key is not None:
            check_version(self._backend, version, to, public_key=public_key)
        return fetched

    def promote(
        self, version: Version, *, alias: str, by: Author, seen: AliasState, report: str | None = None
    ) -> AliasChange:
        """Point an alias to a version, if no alias was changed since the state ``seen``.

        Raises:
            RegistryConflict: another writer changed the registry first.
            RegistryError: the alias is unknown, or it points to this version already.
        """
        self.check_promotable(version, alias=alias, seen=seen)
        return self._move(version, kind="promoted", alias=alias, by=by, seen=seen, report=report)

    def check_promotable(self, version: Version, *, alias: str, seen: AliasState) -> None:
        """Reject a promotion that would have no effect, before the promotion checks run.

        Raises:
            RegistryError: the alias is unknown, or it points to this version already.
        """
        if alias not in ALIASES:
            raise RegistryError(f"Unknown alias {alias!r}. Expected one of: {', '.join(ALIASES)}.")
        if seen.aliases.get(alias) == version.number:
            raise RegistryError(f"Version {version.number} of {self.model} is {alias} already: nothing to do.")

    def roll_back(self, by: Author) -> AliasChange:
        """Point ``champion`` back to its previous version; a second rollback undoes the first.

        Raises:
            RegistryConflict: another writer changed the registry at the same time.
            RegistryError: there is no previous champion, or its files are missing.
            BundleError: its bundle is damaged, or of an unsupported schema version; the alias is unchanged.
        """
        seen = self.state()
        if PREVIOUS not in seen.aliases:
            raise RegistryError(f"{self.model} has no previous champion to roll back to.")
        version = self.find(str(seen.aliases[PREVIOUS]))
        with tempfile.TemporaryDirectory(prefix="petmood-") as scratch:
            self.fetch_verified(version, Path(scratch))
        return self._move(version, kind="rolled_back", alias=CHAMPION, by=by, seen=seen)

    def attach(self, version: Version, files: Mapping[str, bytes]) -> None:
        """Attach files to a version."""
        self._backend.attach(version, files)

    def attachments(self, version: Version, folder: str) -> Sequence[str]:
        """Return the names of the files attached directly below a folder, sorted."""
        return self._backend.attachments(version, folder)

    def attachment(self, version: Version, name: str) -> bytes:
        """Return the content of a file attached to a version.

        Raises:
            RegistryError: no file is attached under this name.
        """
        return self._backend.attachment(version, name)

    def verify(self, scratch: Path, *, public_key: Path | None = None) -> list[IntegrityIssue]:
        """Check every version (downloaded into ``scratch``), the history and the aliases; return the issues found.

        With a public key, a version without a valid signature is an issue.
        """
        found, broken, aliases = [], [], {}
        try:
            aliases = self.state().aliases  # read before the versions, as in find
        except RegistryError as error:
            broken = [IntegrityIssue("history", str(error))]
        versions = self.versions()
        for version in versions:
            folder = scratch / str(version.number)
            folder.mkdir(parents=True)
            try:
                self.fetch_verified(version, folder, public_key=public_key)
            except (RegistryError, BundleError) as error:
                found.append(IntegrityIssue(f"version {version.number}", str(error)))
        known = {version.number for version in versions}
        dangling = [(alias, to) for alias, to in aliases.items() if to not in known]
        return [
            *found,
            *broken,
            *(IntegrityIssue(alias, f"points to version {to}, which does not exist") for alias, to in dangling),
        ]

    def _move(self, version: Version, *, alias: str, by: Author, seen: AliasState, **facts: Any) -> AliasChange:  # noqa: ANN401 - the fields of AliasChange
        now, before = datetime.now(UTC).isoformat(timespec="milliseconds"), seen.aliases.get(alias)
        recorded = {"author": by.name, "reason": by.reason, "at": now, "nonce": new_nonce()}
        change = AliasChange(number=seen.last + 1, alias=alias, to=version.number, before=before, **recorded, **facts)
        if self.state() != seen or not self._backend.record(change):
            raise RegistryConflict(
                f"Another client changed the aliases of {self.model} first (change {change.number}). "
                f"Review them with: {shell_command('registry', 'list', '--model', self.model)}; then try again."
            )
        return change


def _hint(versions: Mapping[int, Version], aliases: Mapping[str, int]) -> str:
    if not versions:
        return f"The model has no versions. Register one with: {shell_command('registry', 'push', 'bundles/first')}"
    return f"Known: {', '.join(map(str, sorted(versions)))}; aliases: {', '.join(aliases) or 'none'}."
