"""Where does a PostgreSQL for tests come from? The installed one, on a free port of this machine, with a password."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    server = Server(_free_port(), secrets.token_hex(12))
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
            told: dict[str, Any] = {"cwd": folder, "stdout": log, "stderr": log, **who}
            subprocess.run([*initdb, f"--pwfile={folder / 'password'}"], check=True, **told)
            with subprocess.Popen([*run, "-h", "127.0.0.1"], **told) as process:
                try:
                    _wait_for(server.port, process, log=folder / "log.txt")
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


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("PostgreSQL didn't start in time")
