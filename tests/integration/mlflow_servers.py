"""How do tests get an MLflow server of their own? A real one on loopback, to be killed, stopped and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self


class MlflowServer:
    """MLflow's server on a free port, its database and its files in one folder; begun anew it has what it had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, *, within_s: float = 120) -> Self:
        """Start it and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        places = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db", "--artifacts-destination", self.folder]
        command = [sys.executable, "-m", "mlflow", "server", *places, "--port", self.port, "--workers", 1]
        with (self.folder / "server.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + within_s
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "server.txt").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return self

    def kill(self) -> None:
        """Kill it and its workers without a word."""
        self._signal(signal.SIGKILL)

    def hang(self) -> None:
        """Let it take connections, and answer none."""
        self._signal(signal.SIGSTOP)

    def __enter__(self) -> Self:
        """Return it as it is, not begun."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what runs."""
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, number)
            if number == signal.SIGKILL:
                self._process.wait()
                self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
