"""Signatures of registered versions: stored as attached files, and written beside pulled bundles."""

from pathlib import Path, PurePosixPath
from typing import Final

from petmood.core.commands import shell_command
from petmood.core.errors import RegistryError, SignatureError
from petmood.core.files import atomic_write_bytes
from petmood.core.signature import check_signature, signature_path
from petmood.registry.base import Backend, Version

__all__ = ["SIGNATURE", "check_version", "store_signature", "stored_signature", "write_signature"]

SIGNATURE: Final = "signature/bundle.sig"
"""Name of the attached file."""


def stored_signature(backend: Backend, version: Version) -> bytes | None:
    """Return the signature that a version was pushed with; None if it has none.

    Raises:
        RegistryError: the registry can't be reached.
    """
    path = PurePosixPath(SIGNATURE)
    is_signed = path.name in backend.attachments(version, str(path.parent))
    return backend.attachment(version, SIGNATURE) if is_signed else None


def write_signature(backend: Backend, version: Version, folder: Path) -> None:
    """Write a version's signature beside the folder of its bundle; if it has none, remove that of an earlier bundle.

    Raises:
        RegistryError: the registry can't be reached.
    """
    if (signature := stored_signature(backend, version)) is not None:
        atomic_write_bytes(signature_path(folder), signature)
    else:
        signature_path(folder).unlink(missing_ok=True)


def store_signature(backend: Backend, version: Version, signature: bytes, *, is_checked: bool) -> None:
    """Store the signature of a version; one that was not checked never replaces another.

    Raises:
        RegistryError: the version has another signature, or the registry can't be reached.
    """
    stored = stored_signature(backend, version)
    if stored == signature:
        return
    if stored is not None and not is_checked:
        raise RegistryError(
            f"Version {version.number} of {version.model} has another signature than the file beside this folder. "
            "To replace it, push with --public-key, which checks the new one; else remove the file."
        )
    backend.attach(version, {SIGNATURE: signature})


def check_version(backend: Backend, version: Version, folder: Path, *, public_key: Path) -> None:
    """Check the stored signature of a version against the files of its bundle in a folder.

    Raises:
        SignatureError: the version has no signature, or one that is not valid for the key.
        RegistryError: the registry can't be reached.
    """
    if (signature := stored_signature(backend, version)) is None:
        raise SignatureError(
            f"Version {version.number} of {version.model} has no signature, and {public_key} demands one. "
            f"Sign its bundle with: {shell_command('bundle', 'sign', 'BUNDLE', '--key', 'KEY')}; then push it again."
        )
    check_signature(folder, signature, public_key=public_key)
