"""A Ray cluster of two nodes, each in a network namespace of its own; its traffic stays in these two."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.source_tree import ROOT
from tests.support.waiting import wait_until

__all__ = ["RayCluster", "ray_cluster"]

RAY: Final = Path(sys.executable).with_name("ray")
ADDRESSES: Final = ("10.213.77.1", "10.213.77.2")
PORT: Final = 6379
ATTEMPTS: Final = 3
AGENTS: Final = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
"""Files by which the agents of a node say that they have started; without the extra ray[default], each holds -1.

A node ends itself if one is missing after 15 s, which no setting changes, and on a busy machine they take longer. They
are written here, since nothing asks the agents; a Ray that names its files otherwise waits for them, as ever.
"""
COMMON: Final = (
    *("start", "--block", "--disable-usage-stats", "--include-log-monitor=false"),
    *("--num-cpus=1", "--object-store-memory=80000000", "--runtime-env-agent-port=6503"),
)
HEAD: Final = ("--head", f"--port={PORT}", "--include-dashboard=false", "--no-monitor")
SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_worker_register_timeout_seconds": "300",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class RayCluster:
    """The namespaces of the head and of the other node, and the address of the head."""

    namespaces: tuple[str, str]
    address: str

    def at_head(self, *command: str) -> list[str]:
        """Return a command that runs on the head's node."""
        return ["ip", "netns", "exec", self.namespaces[0], *command]

    def node_of(self, pid: int) -> int:
        """Return on which node a process runs: 0 is the head's."""
        return next(at for at, name in enumerate(self.namespaces) if pid in pids_in(name))

    def kill_raylet(self, node: int) -> None:
        """End the process that runs a node, by SIGKILL."""
        (raylet,) = [pid for pid in pids_in(self.namespaces[node]) if name_of(pid) == "raylet"]
        os.kill(raylet, signal.SIGKILL)


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Start two nodes with one processor each; end their processes and remove their namespaces in every case.

    The test is skipped where network namespaces can't be made.
    """
    names = (f"pm{os.getpid()}a", f"pm{os.getpid()}b")
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(_namespace(name))
        _link(names)
        folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        nodes: list[subprocess.Popen[bytes]] = []
        stack.callback(_wait_for, nodes)
        for name in names:  # before the folder is removed
            stack.callback(_end_all, name)
        head = f"{ADDRESSES[0]}:{PORT}"
        for at, options in enumerate(((*HEAD, f"--temp-dir={folder}"), (f"--address={head}",))):
            own = f"--node-ip-address={ADDRESSES[at]}"
            nodes.append(_start(names[at], own, *options, node_id=f"{at:056x}", folder=Path(folder)))
        yield RayCluster(names, head)


@contextmanager
def _namespace(name: str) -> Iterator[None]:
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need the command ip (Debian: iproute2)")
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"network namespaces can't be made: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)  # with its interfaces


def _link(names: tuple[str, str]) -> None:
    """Join two namespaces by a pair of interfaces."""
    subprocess.run(
        [*("ip", "-n", names[0], "link", "add", "veth0", "type", "veth", "peer", "name", "veth0"), "netns", names[1]],
        check=True,
    )
    for name, address in zip(names, ADDRESSES, strict=True):
        subprocess.run(["ip", "-n", name, "address", "add", f"{address}/24", "dev", "veth0"], check=True)
        for interface in ("lo", "veth0"):
            subprocess.run(["ip", "-n", name, "link", "set", interface, "up"], check=True)


def _wait_for(nodes: list[subprocess.Popen[bytes]]) -> None:
    for node in nodes:
        node.wait(timeout=60)


def _start(namespace: str, *options: str, node_id: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a node and return its process; one that ends itself while it starts is started again.

    Raises:
        RuntimeError: it did not start; the message has what it printed.
    """
    own = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "RAY_OVERRIDE_NODE_ID_FOR_TESTING": node_id}
    environment = os.environ | SETTINGS | own
    command = ["ip", "netns", "exec", namespace, str(RAY), *COMMON, *options]
    text = ""
    for _ in range(ATTEMPTS):
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as log:
            node = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

            def what_is_known(node: subprocess.Popen[bytes] = node, log: Path = Path(log.name)) -> str:
                for session in folder.glob("session_2*"):
                    for name in AGENTS:
                        (session / f"{name}_{node_id}").write_text("-1", "ascii")
                said = log.read_text("utf-8", errors="replace")
                return said if node.poll() is not None or "Ray runtime started" in said else ""

            text = wait_until(what_is_known, within_s=600, every_s=0.2, what="the start of a node of Ray")
        if node.poll() is None:
            return node
        _end_all(namespace)
    raise RuntimeError(f"A node of Ray ended with {node.returncode}: {text}")


def _end_all(namespace: str) -> None:
    """End every process in a namespace: those of the nodes, and what they have started."""

    def are_gone() -> bool:
        left = pids_in(namespace)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait_until(are_gone, what=f"the end of the processes in {namespace}")


def pids_in(namespace: str) -> list[int]:
    """Return the processes in a network namespace."""
    found = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


def name_of(pid: int) -> str:
    """Return the name of a process's program; empty if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text("ascii").strip()
    return ""
