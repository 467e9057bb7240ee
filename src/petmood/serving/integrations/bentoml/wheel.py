"""Pack the installed petmood as a wheel, without a source tree or network access."""

import base64
import hashlib
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

import petmood

__all__ = ["pack_wheel"]

TAG: Final = "py3-none-any"
WHEEL: Final = f"Wheel-Version: 1.0\nGenerator: petmood\nRoot-Is-Purelib: true\nTag: {TAG}\n"
LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
"""Timestamp of every file in the wheel, for reproducible bytes."""


def pack_wheel(to: Path) -> Path:
    """Write the installed petmood as a wheel into a folder and return its path."""
    found = distribution("petmood")
    name = f"petmood-{found.version}"
    entries = _package_files() | _facts(found, f"{name}.dist-info")
    record = [f"{path},sha256={_hash(data)},{len(data)}" for path, data in entries.items()]
    path = f"{name}.dist-info/RECORD"
    entries[path] = "\n".join([*record, f"{path},,", ""]).encode()
    to.mkdir(parents=True, exist_ok=True)
    wheel = to / f"{name}-{TAG}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as file:
        for inside, data in entries.items():
            file.writestr(zipfile.ZipInfo(inside, LONG_AGO), data, compress_type=zipfile.ZIP_DEFLATED)
    return wheel


def _package_files() -> dict[str, bytes]:
    package = Path(petmood.__file__).parent
    files = (path for path in sorted(package.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {f"petmood/{path.relative_to(package).as_posix()}": path.read_bytes() for path in files}


def _facts(found: Distribution, folder: str) -> dict[str, bytes]:
    names = ["METADATA", "entry_points.txt", *_licences(found)]
    texts = {name: text for name in names if (text := found.read_text(name)) is not None}
    return {f"{folder}/{name}": text.encode() for name, text in (texts | {"WHEEL": WHEEL}).items()}


def _licences(found: Distribution) -> list[str]:
    return [f"licenses/{name}" for name in found.metadata.get_all("License-File") or ()]


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
