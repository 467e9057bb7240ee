"""Detached signatures of bundles: OpenSSF model signing with an elliptic curve key, without a network.

A signature is the file ``NAME.sig`` beside the bundle's folder ``NAME``. It lists the SHA-256 of every file.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from petmood.core.atomic_directory import is_system_file
from petmood.core.bundle import read, verify
from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, SignatureError
from petmood.core.extras import require
from petmood.core.files import atomic_write_bytes
from petmood.core.redact import one_line

__all__ = ["SIGNATURE_BYTES", "SIGNATURE_SUFFIX", "check_signature", "read_signature", "sign", "signature_path"]

SIGNATURE_SUFFIX: Final = ".sig"
SIGNATURE_BYTES: Final = 1_000_000
"""Largest size of a signature; that of a bundle has some 3,000 bytes."""

EXTRA: Final = "sign"
DIGESTS: Final = re.compile(r": Expected 'Digest\(.*?\)', Actual 'Digest\(.*?\)'(?=\")")


def signature_path(folder: Path) -> Path:
    """Return where the signature of a bundle is: beside its folder; a link's is beside the folder it points to."""
    resolved = folder.resolve()
    return resolved.with_name(resolved.name + SIGNATURE_SUFFIX)


def read_signature(folder: Path) -> bytes | None:
    """Return the signature beside a bundle; None if there is none.

    Raises:
        SignatureError: the file is too large for a signature.
    """
    path = signature_path(folder)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        data = file.read(SIGNATURE_BYTES + 1)
    if len(data) > SIGNATURE_BYTES:
        raise SignatureError(f"{path}: expected a signature of at most {SIGNATURE_BYTES:,} bytes, got more.")
    return data


def sign(folder: Path, *, key: Path) -> Path:
    """Verify a bundle, sign it with a private key (PEM, curve P-256, P-384 or P-521), and return the signature's path.

    Raises:
        BundleError: the bundle is incomplete or was changed.
        ConfigError: the key can't be used.
        MissingDependency: the extra 'sign' is not installed.
    """
    signing = require("model_signing.signing", extra=EXTRA)
    bundle = verify(folder)
    with _key_errors(key, "private"):
        signer = signing.Config().use_elliptic_key_signer(private_key=key)
    target = signature_path(bundle.folder)
    with TemporaryDirectory(prefix="petmood-") as scratch:
        made = Path(scratch) / "signature"
        signer.set_hashing_config(_hashing(folder)).sign(folder, made)
        atomic_write_bytes(target, made.read_bytes())
    return target


def check_signature(folder: Path, signature: bytes | None, *, public_key: Path) -> None:
    """Check that a signature was made with the key's private half, over exactly the files of a bundle.

    Raises:
        SignatureError: there is no signature, it is not by this key, or a file is not as it was signed.
        BundleError: there is no bundle in the folder.
        ConfigError: the public key can't be used.
        MissingDependency: the extra 'sign' is not installed.
    """
    read(folder)  # a folder that is not a bundle is reported as such
    if signature is None:
        command = shell_command("bundle", "sign", folder, "--key", "KEY")
        raise SignatureError(f"{folder} has no signature, and {public_key} demands one. Sign it with: {command}")
    verifying = require("model_signing.verifying", extra=EXTRA)
    with _key_errors(public_key, "public"):
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    with TemporaryDirectory(prefix="petmood-") as scratch:
        path = Path(scratch) / "signature"
        path.write_bytes(signature)
        try:
            verifier.set_hashing_config(_hashing(folder)).verify(folder, path)
        except Exception as error:  # a damaged signature raises whatever its parser raises: nothing of it may pass
            raise SignatureError(
                f"{folder}: its signature is not valid for {public_key} ({_reason(error)}). "
                "Copy the bundle with its signature again, or have its owner sign it again."
            ) from error


def _reason(error: Exception) -> str:
    """Return what the library says on one line, without the digests of files that differ."""
    return one_line(ValueError(DIGESTS.sub("", str(error)))) if str(error) else type(error).__name__


def _hashing(folder: Path) -> Any:  # noqa: ANN401 - the library's configuration
    """Return how files are hashed: all with SHA-256, except those that file managers put into folders."""
    hashing = require("model_signing.hashing", extra=EXTRA)
    ignored = [path.name for path in folder.iterdir() if is_system_file(path.name) or path.name.startswith("._")]
    return hashing.Config().use_file_serialization().set_ignored_paths(paths=ignored, ignore_git_paths=False)


@contextlib.contextmanager
def _key_errors(key: Path, half: str) -> Iterator[None]:
    """Turn what a key file raises into one line: it is missing, encrypted, of another kind, or no key."""
    try:
        yield
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else one_line(error)
        raise ConfigError(
            f"{key}: expected a {half} elliptic curve key (PEM, P-256, P-384 or P-521, not encrypted): {reason}. "
            "Make a pair with: openssl ecparam -name prime256v1 -genkey -noout -out KEY, "
            "and openssl ec -in KEY -pubout -out PUB"
        ) from error
