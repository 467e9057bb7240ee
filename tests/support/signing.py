"""Elliptic curve keys in PEM files, for tests of signatures."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The files of a private key and of its public key."""

    private: Path
    public: Path


def key_pair(folder: Path, name: str = "key", *, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> KeyPair:
    """Write a new pair of keys, as openssl does, and return its files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = ec.generate_private_key(curve())
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.pub")
    pair.private.write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    pair.public.write_bytes(
        made.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return pair
