"""Images built by buildah without a container engine, on a base that mmdebstrap makes from Debian's packages."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.source_tree import ROOT

SUITE: Final = "trixie"
PYTHON: Final = f"localhost/petmood-python:{SUITE}"
UV: Final = "localhost/petmood-uv:this-machine"
PACKAGES: Final = "python3,ca-certificates,libstdc++6"
SLIM: Final = ("doc/*", "man/*", "locale/*", "info/*")
"""What Debian's slim images leave out of /usr/share, but for the licenses."""
CERTIFICATES: Final = Path("etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says of the process that it starts."""

    command: tuple[str, ...]
    health: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    folder: str
    ports: tuple[int, ...]
    labels: Mapping[str, str]

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> "ImageConfig":
        """Read the configuration of an image in Docker's format."""
        kind, *health = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
        return cls(
            command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
            health=tuple(health) if kind == "CMD" else (),
            environment=dict(line.split("=", 1) for line in config.get("Env") or ()),
            user=config.get("User") or "",
            folder=config.get("WorkingDir") or "/",
            ports=tuple(int(port.partition("/")[0]) for port in config.get("ExposedPorts") or ()),
            labels=config.get("Labels") or {},
        )


@dataclass(frozen=True, slots=True)
class ImageStore:
    """A folder of images, read and written through buildah; needs root."""

    folder: Path

    def call(self, *words: str | Path) -> str:
        """Run a command of buildah and return what it prints.

        Raises:
            RuntimeError: it failed; the message has the end of its output.
        """
        where = ("--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "vfs")
        return called("buildah", *where, *words)

    def has(self, image: str) -> bool:
        """Return whether an image of this name exists."""
        return bool(self.call("images", "--quiet", "--filter", f"reference={image}"))

    def commit(self, image: str, content: Path, to: str) -> None:
        """Make an image of one file, which is unpacked if it is an archive."""
        container = self.call("from", "scratch")
        try:
            self.call("add", "--quiet", container, content, to)
            self.call("commit", "--quiet", "--format", "docker", container, image)
        finally:
            self.call("rm", container)

    def make_bases(self, uv: Path) -> None:
        """Make the images that replace the arguments PYTHON and UV, if they are not there yet."""
        if not self.has(PYTHON):
            archive = self.folder / "base.tar"
            paths = [f"--dpkgopt=path-exclude=/usr/share/{path}" for path in SLIM]
            paths.append("--dpkgopt=path-include=/usr/share/doc/*/copyright")
            called("mmdebstrap", "--quiet", "--variant=essential", f"--include={PACKAGES}", *paths, SUITE, archive)
            self.commit(PYTHON, archive, "/")
            archive.unlink()
        if not self.has(UV):
            self.commit(UV, uv, "/uv")

    def build(self, target: str, image: str, *, revision: str) -> None:
        """Build one target of docker/Dockerfile.

        The certificates of this machine, with which packages are downloaded, are mounted and never part of the image.
        """
        settings = self.folder / "uv.toml"
        settings.write_text("system-certs = true\n", "utf-8")
        certificates = Path("/") / CERTIFICATES
        self.call(
            *("build", "--quiet", "--isolation", "chroot", "--format", "docker", "--layers=false"),
            *("--file", ROOT / "docker/Dockerfile", "--target", target, "--tag", image),
            *("--build-arg", f"PYTHON={PYTHON}", "--build-arg", f"UV={UV}", "--build-arg", f"REVISION={revision}"),
            *("--secret", f"id=uv.toml,src={settings}", "--volume", f"{certificates}:{certificates}:ro"),
            ROOT,
        )

    def config(self, image: str) -> dict[str, Any]:
        """Return an image's configuration in Docker's format."""
        config: dict[str, Any] = json.loads(self.call("inspect", "--type", "image", image))["Docker"]["config"]
        return config

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """Give a copy of the image's files, removed afterwards."""
        container = self.call("from", "--pull-never", image)
        try:
            yield Path(self.call("mount", container))
        finally:
            self.call("rm", container)


def called(*words: str | Path) -> str:
    """Run a program and return what it prints.

    Raises:
        RuntimeError: it failed; the message has the end of its output.
    """
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise RuntimeError(f"{words[0]} failed with exit code {done.returncode}:\n{last}")
    return done.stdout.strip()
