"""Start, query and memory measurement of a service under test: petmood's with its defaults, or the usual one."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.serving.loadtest.photos import form

__all__ = ["Service", "clean_environment", "ours", "running", "usual"]

START_WITHIN_S: Final = 90.0
SET_BY_PEOPLE: Final = ("PETMOOD_", "OMP_", "MKL_", "AIP_", "PORT", "UVICORN_", "WEB_CONCURRENCY")


@dataclass(frozen=True, slots=True)
class Service:
    """A service under test and the name of its form field for the photo."""

    command: tuple[str, ...]
    port: int
    field: str
    process: subprocess.Popen[bytes]

    def ask(self, photo: bytes, *, timeout_s: float = 60.0) -> tuple[int, float]:
        """Post one photo over a new connection; return the status and the seconds."""
        body = form(photo, field=self.field)
        began = time.perf_counter()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)) as connection:
            connection.request("POST", "/predict", body=body.body, headers={"Content-Type": body.content_type})
            answer = connection.getresponse()
            answer.read()
            return answer.status, time.perf_counter() - began

    def until_it_answers(self, photo: bytes) -> None:
        """Send requests until the status is 200.

        Raises:
            RuntimeError: the service exited, or did not answer in time.
        """
        ends = time.monotonic() + START_WITHIN_S
        while time.monotonic() < ends and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask(photo)[0] == 200:
                    return
            time.sleep(0.005)
        raise RuntimeError(f"{' '.join(self.command)} gave no answer (exit code {self.process.poll()})")

    def memory_mb(self) -> tuple[float, float]:
        """Return the current and the peak resident memory of the process and its children, MB (10^6 bytes)."""
        found = [_memory_kb(pid) for pid in (self.process.pid, *_children(self.process.pid))]
        return sum(now for now, _ in found) * 1024 / 1e6, sum(peak for _, peak in found) * 1024 / 1e6


def ours(bundle: Path) -> tuple[list[str], str]:
    """Return the command of `petmood serve` with its defaults, and its form field."""
    petmood = str(Path(sys.executable).with_name("petmood"))
    return [petmood, "serve", str(bundle), "--port", "{port}"], "photo"


def usual(backbone: str) -> tuple[list[str], str]:
    """Return the command of the usual service with uvicorn's defaults, and its form field."""
    uvicorn = str(Path(sys.executable).with_name("uvicorn"))
    return ["env", f"BACKBONE={backbone}", uvicorn, "benchmarks.usual_service:app", "--port", "{port}"], "file"


@contextlib.contextmanager
def running(how: tuple[Sequence[str], str], *, photo: bytes | None = None) -> Iterator[Service]:
    """Start a service on a free port, wait for its first response if ``photo`` is given, and end it."""
    port = _free_port()
    command = tuple(part.format(port=port) for part in how[0])
    quiet = subprocess.DEVNULL if not os.environ.get("SHOW_SERVICES") else None
    process = subprocess.Popen(command, env=clean_environment(), stdout=quiet, stderr=quiet)
    service = Service(command, port, how[1], process)
    try:
        if photo is not None:
            service.until_it_answers(photo)
        yield service
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def clean_environment() -> dict[str, str]:
    """Return this environment without variables that would change a service's settings or its threads."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SET_BY_PEOPLE)}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _memory_kb(pid: int) -> tuple[int, int]:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines())
    return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])


def _children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in files for child in path.read_text("utf-8").split()]
