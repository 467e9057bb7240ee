"""Rules on the files of an image: nothing that it doesn't need, nothing secret, nothing that its user may change."""

import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.containers.buildah import CERTIFICATES

USER: Final = 10_001
STATE: Final = Path("var/lib/petmood")
"""The only folder that the user may write into, besides those for temporary files."""
VENV: Final = Path("opt/petmood")

LEFT_BEHIND: Final = (
    "src",
    "usr/local/bin/uv",
    "root/.cache",
    "root/.config",
    "etc/uv",
    "var/cache/apt/archives/*.deb",
    "var/lib/apt/lists/*_Packages*",
    "var/lib/petmood/*",
    "bundle",
    "**/.git",
    "**/.env",
    "**/pip.conf",
    "opt/petmood/**/tests",
)
"""Patterns of build tools, caches, settings, data and tests."""
TRAINING: Final = ("torch", "torchvision", "lightning", "mlflow", "timm", "nvidia")
SECRET: Final = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{36}\b|https?://[^/\s:@\"']+:[^/\s@\"']+@"
)
_WORLD_WRITABLE: Final = {Path("tmp"), Path("var/tmp"), Path("run/lock")}


def size_mb(root: Path) -> float:
    """Return the size of all files in MB of a million bytes; hard links count once."""
    sizes = {(found.st_dev, found.st_ino): found.st_size for path in walk(root) if (found := path.lstat())}
    return sum(sizes.values()) / 1e6


def walk(root: Path) -> Iterator[Path]:
    """Yield every file and folder below a folder, links not followed."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield Path(folder) / name


def problems(root: Path, *, base: Path, trains: bool) -> list[str]:
    """Return a line for each rule that the files of an image violate."""
    found = [f"left behind: /{path.relative_to(root)}" for pattern in LEFT_BEHIND for path in root.glob(pattern)]
    found += [f"writable by the user: /{path}" for path in writable(root)]
    found += [f"secret in /{path}" for path in secrets(root)]
    found += stale_bytecode(root)
    if not trains:
        found += [f"a package of training: {name}" for name in TRAINING if [*site_packages(root).glob(name)]]
    if (root / CERTIFICATES).read_bytes() != (base / CERTIFICATES).read_bytes():
        found.append("the certificates are not those of the base image")
    return found


def site_packages(root: Path) -> Path:
    """Return the folder of installed packages."""
    (folder,) = (root / VENV / "lib").glob("python*/site-packages")
    return folder


def writable(root: Path) -> Iterator[Path]:
    """Yield what the user, or everyone, may change outside of the folder for state."""
    for path in walk(root):
        about, name = path.lstat(), path.relative_to(root)
        if stat.S_ISLNK(about.st_mode) or stat.S_ISCHR(about.st_mode) or name in {STATE, *_WORLD_WRITABLE}:
            continue
        if USER in {about.st_uid, about.st_gid} or about.st_mode & stat.S_IWOTH:
            yield name


def secrets(root: Path) -> Iterator[Path]:
    """Yield files with a private key, an access key or a password in an address.

    The packages of others are left out: their tests and examples have keys for show.
    """
    packages = site_packages(root)
    own = packages / "petmood"
    for path in walk(root):
        if path.is_symlink() or not path.is_file() or (packages in path.parents and own not in path.parents):
            continue
        if path.stat().st_size < 1_000_000 and SECRET.search(path.read_bytes()):
            yield path.relative_to(root)


def stale_bytecode(root: Path) -> Iterator[str]:
    """Yield a line if modules of petmood lack bytecode that Python accepts, or more than 2% of all modules."""
    packages = site_packages(root)
    modules = [path for path in packages.rglob("*.py") if path.is_file()]
    stale = [path for path in modules if not has_bytecode(path)]
    own = [path for path in stale if packages / "petmood" in path.parents]
    if own or len(stale) > 0.02 * len(modules):
        yield f"no valid bytecode: {len(own)} modules of petmood, {len(stale)} of {len(modules)} modules"


def has_bytecode(module: Path) -> bool:
    """Return whether bytecode exists and names the time and size of its source, as Python compares them."""
    (*compiled,) = (module.parent / "__pycache__").glob(f"{module.stem}.cpython-*[0-9].pyc")
    if not compiled:
        return False
    flags, when, size = struct.unpack("<4xIII", compiled[0].read_bytes()[:16])
    about = module.stat()
    return bool(flags) or (when, size) == (int(about.st_mtime) & 0xFFFFFFFF, about.st_size & 0xFFFFFFFF)
