"""Real service in its own process for end-to-end tests, queried over sockets and observed from outside."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.generous import GENEROUS_ENVIRONMENT
from tests.support.waiting import wait_until

COMMAND = (sys.executable, "-m", "petmood", "serve")
START_S = 300.0
ANSWER_S = 300.0
"""Far more than any answer takes: a test fails by it only where an answer never comes."""
END_S = 60.0
"""Six times the 10 seconds that a platform leaves a service to end in."""
FIXED = {"PETMOOD_THREADS": "2"}
"""The memory that pictures take depends on how many are decoded at a time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and when."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    seconds: float

    @property
    def body(self) -> dict[str, Any]:
        """Its JSON."""
        found: dict[str, Any] = json.loads(self.content)
        return found

    @property
    def code(self) -> str:
        """The code of a refusal, and nothing for an answer."""
        return str(self.body.get("code", ""))


@dataclass(slots=True)
class Served:
    """A served bundle: its process, where it listens and where it logs."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0

    @property
    def pids(self) -> list[int]:
        """The processes that answer: this one, or its children where there are several."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in found] or [self.process.pid]

    def memory_mb(self, *, peak: bool = False) -> float:
        """Return the resident memory of all that answer, or its largest value since ``forget_peak``."""
        name = "VmHWM" if peak else "VmRSS"
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.pids]
        return sum(int(found[1]) for text in texts if (found := re.search(rf"{name}:\s+(\d+)", text))) / 1024

    def wait_for_memory(self, below_mb: float) -> None:
        """Wait until all that answer hold less; an answer is sent a moment before what it took is let go."""
        try:
            wait_until(lambda: self.memory_mb() < below_mb)
        except TimeoutError:
            raise AssertionError(f"expected less than {below_mb:.0f} MB, got {self.memory_mb():.0f}") from None

    def processor_s(self) -> float:
        """Return the processor time of all that answer, which neighbors on the machine don't lengthen."""
        found = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids]
        return sum(int(fields[11]) + int(fields[12]) for fields in found) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Count the largest memory anew."""
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def children(self) -> set[str]:
        """Return the command names of everything that the process started."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {Path(f"/proc/{pid}/comm").read_text().strip() for pid in found}

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = ANSWER_S,
    ) -> Answer:
        """Ask over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            return exchange(connection, path, method=method, body=body, headers=headers)
        finally:
            connection.close()

    def predict(self, photo: bytes, kind: str = "image/jpeg", **headers: str) -> Answer:
        """Send a photo as the body."""
        return self.ask("/predict", method="POST", body=photo, headers={"Content-Type": kind, **headers})

    def connect(self, timeout_s: float = ANSWER_S) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def numbers(self) -> dict[str, float]:
        """Return every number of ``/metrics`` by its name and labels."""
        text = self.ask("/metrics").content.decode()
        rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in rows}

    def count(self, name: str) -> float:
        """Return one number, 0 before it was first counted."""
        return self.numbers().get(name, 0.0)

    def lines(self) -> list[dict[str, Any]]:
        """Return the whole lines of its log; the last one may still be on its way."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def wait_until_ready(self) -> None:
        """Wait until it answers; fail with its log if it ends or takes too long."""
        try:
            wait_until(lambda: self.process.poll() is not None or self._is_ready(), within_s=START_S)
        except TimeoutError as error:
            raise AssertionError(f"the service didn't start:\n{self.log.read_text()}") from error
        if (code := self.process.poll()) is not None:
            raise AssertionError(f"the service ended with {code}:\n{self.log.read_text()}")

    def _is_ready(self) -> bool:
        found = re.search(r"http://[^\s:]+:(\d+)\D", self.log.read_text())
        if found is None:
            return False
        self.port = int(found[1])
        try:
            return self.ask("/readyz", timeout_s=30).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def end(self, *, within_s: float = END_S) -> int:
        """Tell it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=within_s)


def exchange(
    connection: http.client.HTTPConnection,
    path: str,
    *,
    method: str = "GET",
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask over an open connection; an answer that comes while the body is still being sent is read as well."""
    began = time.perf_counter()
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}), encode_chunked=True)
    except (BrokenPipeError, ConnectionResetError):
        if connection.sock is None:
            raise
    response = connection.getresponse()
    content = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, content, time.perf_counter() - began)


@contextmanager
def serving(
    bundle: Path | str,
    log: Path,
    *,
    options: Sequence[str] = ("--port", "0"),
    prefix: Sequence[str] = (),
    cwd: Path | None = None,
    given: Mapping[str, str] | None = None,
    **environment: str,
) -> Iterator[Served]:
    """Serve a bundle on a free port; whatever is still running afterwards is killed.

    Its deadlines are generous, unless ``given`` or ``environment`` says otherwise. Its log goes to a file, for a pipe
    that nobody reads would stop it. ``prefix`` runs it by another command.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PETMOOD_", "AIP_"))}
    inherited.pop("PORT", None)
    command = [*prefix, *COMMAND, str(bundle), "--log", "json", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=inherited | FIXED | GENEROUS_ENVIRONMENT | dict(given or {}) | environment,
            cwd=cwd,
            stdout=output,
            stderr=output,
        )
    served = Served(process, log)
    try:
        served.wait_until_ready()
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def form(*photos: bytes, name: str = "a.jpg", field: str = "photo", kind: str = "image/jpeg") -> tuple[bytes, str]:
    """Build a form with photos, and its content type; the name is put in as it is."""
    raw = name.encode("utf-8", "surrogateescape")
    head = b'--edge\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: %s\r\n\r\n'
    parts = [head % (field.encode(), raw, kind.encode()) + photo + b"\r\n" for photo in photos]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def everything(connection: socket.socket) -> bytes:
    """Read until the other side closes, or cuts."""
    pieces = []
    try:
        while piece := connection.recv(65_536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def one_answer(connection: socket.socket) -> bytes:
    """Read one answer in JSON from a connection that stays open; it may come in pieces."""
    said = b""
    while not said.endswith(b"}") and (piece := connection.recv(65_536)):
        said += piece
    return said


def head_of(response: bytes) -> str:
    """Return a response's status line and headers, in lower case."""
    return response.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
