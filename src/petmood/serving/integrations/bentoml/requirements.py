"""Pinned requirements of a package extra, from the versions installed in this environment."""

from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from petmood.core.commands import shell_command
from petmood.core.errors import MissingDependency

__all__ = ["pinned"]


def pinned(*, extra: str, package: str = "petmood") -> list[str]:
    """Return all transitive requirements of a package with an extra as sorted lines ``name==version``.

    The package itself is left out.

    Raises:
        MissingDependency: a requirement is not installed.
    """
    pins: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(package, extra), (package, "")]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found = _installed(name, package=package, extra=extra)
        pins[name] = found.version
        for needed in _needs(found, extra=wanted):
            key = canonicalize_name(needed.name)
            waiting += [(key, asked) for asked in ("", *needed.extras)]
    del pins[package]
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def _needs(found: Distribution, *, extra: str) -> list[Requirement]:
    needs = [Requirement(line) for line in found.requires or ()]
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]


def _installed(name: str, *, package: str, extra: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        command = shell_command("install", f"{package}[{extra}]", program="pip")
        text = f"'{name}' is not installed. Install it with: {command}"
        raise MissingDependency(text) from error
