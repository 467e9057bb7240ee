"""An image's process in namespaces of its own: process 1, read-only files, a numeric user."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.containers.buildah import ImageConfig
from tests.support.waiting import wait_until

START: Final = """
set -e
root=$1; folder=$2; user=$3; shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777,size=512m tmpfs "$root/tmp"
while [ "$1" != -- ]; do
  mount --bind "$1" "$root$2"
  if [ "$3" = ro ]; then mount -o remount,bind,ro "$root$2"; fi
  shift 3
done
shift
exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" \
  /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$folder" "$@"
"""
"""Script of process 1: mounts, then the image's command; what a container engine does for `--read-only`."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine that the container has at another path."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Container:
    """A running image."""

    process: subprocess.Popen[bytes]
    config: ImageConfig
    log: Path

    @property
    def pid(self) -> int:
        """The process that is process 1 of the container."""
        return int(self._children()[0])

    def _children(self) -> list[str]:
        ours = self.process.pid
        return Path(f"/proc/{ours}/task/{ours}/children").read_text().split()

    def exec(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container as its user, as health checks are run."""
        user, _, group = self.config.user.partition(":")
        inside = ("--target", str(self.pid), "--mount", "--pid", "--root", "--wd", "--setuid", user, "--setgid", group)
        return subprocess.run(
            ["nsenter", *inside, "--", "/usr/bin/env", "-i", *_lines(self.config.environment), *words],
            capture_output=True,
            text=True,
            check=False,
        )

    def is_healthy(self) -> bool:
        """Return whether the image's health check passes.

        Raises:
            RuntimeError: the process has ended; the message has the end of its log.
        """
        if self.process.poll() is not None:
            raise RuntimeError(f"ended with exit code {self.process.returncode}:\n{self.tail()}")
        return bool(self._children()) and self.exec(*self.config.health).returncode == 0

    def stop(self, *, within_s: float = 20) -> int:
        """Send SIGTERM to process 1, as a container engine does, and return the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(within_s)

    def tail(self) -> str:
        """Return the end of what the process printed."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-15:])


@contextmanager
def running(
    root: Path, config: ImageConfig, *, log: Path, mounts: Sequence[Mount] = (), environment: Mapping[str, str]
) -> Iterator[Container]:
    """Run the command of an image on its files; end it at the end of the block."""
    for mount in mounts:
        (root / mount.target.lstrip("/")).mkdir(parents=True, exist_ok=True)
    given = [word for one in mounts for word in (str(one.source), one.target, "ro" if one.read_only else "rw")]
    start = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "/bin/sh", "-c", START, "sh"]
    words = [str(root), config.folder, config.user, *given, "--", *config.command]
    named = {**config.environment, **environment}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*start, *words], env=named | {"PATH": f"{named['PATH']}:/usr/sbin:/sbin"}, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield Container(process, config, log)
        finally:
            process.kill()


def wait_for_health(container: Container, *, within_s: float = 180) -> float:
    """Wait until the health check passes; return after how many seconds it did.

    Raises:
        RuntimeError: the process ended, or the check doesn't pass in time; the message has the end of its log.
    """
    began = time.monotonic()
    try:
        wait_until(container.is_healthy, within_s=within_s, every_s=0.2)
    except TimeoutError as error:
        raise RuntimeError(f"not healthy after {within_s:g} s:\n{container.tail()}") from error
    return time.monotonic() - began


def _lines(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]
