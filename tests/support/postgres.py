"""PostgreSQL server for tests: the installed one, on a free local port, with a password."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.ports import free_port
from tests.support.waiting import wait_until


@dataclass(slots=True)
class Server:
    """A server: its address without and with the password, and its process, which can be killed and started again."""

    port: int
    password: str
    command: list[str]
    options: dict[str, Any]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it takes sessions."""
        self.process = subprocess.Popen(self.command, **self.options)
        _wait_for(self, self.process, log=self.log)

    def kill(self) -> None:
        """Kill the process and those that it started; nothing is written any more."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        # A new server refuses to start while one of them, or a child begun meanwhile, holds the shared memory.
        wait_until(lambda: not self._is_held(), within_s=300, what="the end of all processes of PostgreSQL")

    def _is_held(self) -> bool:
        """Return whether a process works in the server's folder of data."""
        data = self.log.with_name("data")
        for folder in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if folder.resolve(strict=True) == data:
                    return True
        return False

    def end(self) -> None:
        """End the process by PostgreSQL's fast shutdown: it waits for no client."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    @property
    def url(self) -> str:
        """Return the address without the password, which comes from PGPASSWORD."""
        return f"postgresql://petmood@127.0.0.1:{self.port}/postgres"

    @property
    def url_with_password(self) -> str:
        """Return the address with the password in it."""
        return self.url.replace("petmood@", f"petmood:{self.password}@")


def find_postgres() -> Path | None:
    """Return the folder with PostgreSQL's programs, the newest where Debian keeps several."""
    if found := shutil.which("postgres"):
        return Path(found).parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return kept[-1].parent if kept else None


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Run a server in a temporary folder; as another user where this one is root, whom PostgreSQL refuses."""
    programs = find_postgres()
    assert programs, "the proof needs PostgreSQL; install it, such as with: apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="petmood-pg-"))
    who = _other_user(folder)
    port, password = free_port(), secrets.token_hex(12)
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o644)
    initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "petmood", "--auth=scram-sha-256"]
    run = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder)]
    try:
        with (folder / "log.txt").open("wb") as log:  # a file, for a pipe that nobody reads would stop the server
            options: dict[str, Any] = {"cwd": folder, "stdout": log, "stderr": log, **who}
            subprocess.run([*initdb, "--no-sync", f"--pwfile={folder / 'password'}"], check=True, **options)
            server = Server(port, password, [*run, "-h", "127.0.0.1"], options, folder / "log.txt")
            server.start()
            try:
                yield server
            finally:
                server.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _other_user(folder: Path) -> dict[str, Any]:
    folder.chmod(0o755)
    if os.geteuid() != 0:
        return {}
    other = pwd.getpwnam("nobody")
    os.chown(folder, other.pw_uid, other.pw_gid)
    return {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}


def _wait_for(server: Server, process: subprocess.Popen[bytes], *, log: Path) -> None:
    """Wait for a whole session: the port is open before the server takes any."""

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            psycopg.connect(server.url_with_password, connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(answers, within_s=300, every_s=0.1, what="PostgreSQL")
