"""Real servers for end-to-end tests: a process on a free port, always terminated at the end."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from tests.support.generous import GENEROUS_ENVIRONMENT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

PROGRAMS = Path(sys.executable).parent
START_WITHIN_S = 300.0
ANSWER_WITHIN_S = 300.0
END_WITHIN_S = 60.0
FRESH = httpx.Limits(max_keepalive_connections=0)
"""A connection for every request: a server may close one that was kept just when it is used again."""
SET_BY_PEOPLE = ("PETMOOD_", "BENTOML_", "PYTHON", "COV", "PORT", "AIP_", "PROMETHEUS_")


def server_environment(home: Path) -> dict[str, str]:
    """Return an environment without settings of people, in which every default place for files is a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SET_BY_PEOPLE)}
    home.mkdir(exist_ok=True)
    return {**kept, "HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "OMP_NUM_THREADS": "1", **GENEROUS_ENVIRONMENT}


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], *, home: Path, ready: str, env: Mapping[str, str] | None = None
) -> Iterator[httpx.Client]:
    """Start ``command`` with its port put in for ``{port}``; yield a client once ``ready`` is answered at all."""
    port = free_port()
    words = [str(word).format(port=port) for word in command]
    environment = server_environment(home) | dict(env or {})
    log = home / f"{port}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(words, cwd=home, env=environment, stdout=said, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=ANSWER_WITHIN_S, limits=FRESH) as client:
            _wait(client, ready, process, log)
            yield client
    finally:
        process.terminate()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(client: httpx.Client, path: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    def answers() -> bool:
        assert process.poll() is None, f"ended with {process.returncode}:\n{log.read_text('utf-8', 'replace')}"
        with contextlib.suppress(httpx.TransportError):
            return client.get(path).status_code < 500
        return False

    try:
        wait_until(answers, within_s=START_WITHIN_S, every_s=0.1)
    except TimeoutError:
        raise AssertionError(f"no answer:\n{log.read_text('utf-8', 'replace')}") from None
