"""MLflow server for one test, on loopback, which can be killed, stopped and restarted."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from tests.support.ports import free_port
from tests.support.waiting import wait_until


class MlflowServer:
    """MLflow's server on a free port, its database and its files in one folder; begun anew it has what it had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, *, within_s: float = 600) -> Self:
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
        wait_until(self._answers, within_s=within_s, every_s=0.1, what=f"MLflow's server at {self.uri}")
        return self

    def kill(self) -> None:
        """Kill it and its workers without a word."""
        self._signal(signal.SIGKILL)

    def hang(self) -> None:
        """Let it take connections, and answer none."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

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
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "server.txt").read_text()
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=10) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
