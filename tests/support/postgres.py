"""PostgreSQL server for tests: the installed one, on a free local port, with a password."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.ports import free_port
from tests.support.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address without and with the password."""

    port: int
    password: str

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
    server = Server(free_port(), secrets.token_hex(12))
    (folder / "password").write_text(server.password)
    (folder / "password").chmod(0o644)
    initdb = [
        str(programs / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "petmood",
        "--auth=scram-sha-256",
        "--no-sync",
    ]
    run = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(server.port), "-k", str(folder)]
    try:
        with (folder / "log.txt").open("wb") as log:  # a file, for a pipe that nobody reads would stop the server
            options: dict[str, Any] = {"cwd": folder, "stdout": log, "stderr": log, **who}
            subprocess.run([*initdb, f"--pwfile={folder / 'password'}"], check=True, **options)
            with subprocess.Popen([*run, "-h", "127.0.0.1"], **options) as process:
                try:
                    _wait_for(server, process, log=folder / "log.txt")
                    yield server
                finally:
                    process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: it waits for no client
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
