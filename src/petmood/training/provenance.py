"""Provenance of a run: code version and package versions."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import petmood

__all__ = ["code_version", "package_versions"]

PACKAGES = (
    "torch",
    "torchvision",
    "lightning",
    "numpy",
    "pillow",
    "onnx",
    "onnxruntime",
    "scikit-learn",
    "scikit-image",
)


def code_version() -> str:
    """Return the package's version and, in a git checkout of petmood, the commit: ``0.1.0+g1a2b3c4`` (``-dirty``)."""
    here = Path(petmood.__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude=*", "--", "."]
    try:
        done = subprocess.run(command[:-2], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - no user input
        tracked = subprocess.run(  # noqa: S603 - as above
            ["git", "-C", str(here), "ls-files", "--error-unmatch", "__init__.py"],  # noqa: S607 - git is found by PATH
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return petmood.__version__
    return f"{petmood.__version__}+g{done.stdout.strip()}" if tracked.stdout else petmood.__version__


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect numerical results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
