"""Does the load-test gate let a fast service pass and fail one whose model was planted slow?"""

import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = "import sys, time; from tests.load.servers import serving\n"
PLANTED += "with serving(delay_s=float(sys.argv[1])) as base: print(base, flush=True); sys.stdin.read()"
LIMITS = ("--p95-ms", "150", "--min-rps", "10", "--max-errors", "0")


def gate(delay_s: float, to: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """Load a service in a process of its own, which takes this long for a photo, for three seconds."""
    planted = [sys.executable, "-c", PLANTED, str(delay_s)]
    with subprocess.Popen(planted, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        base = server.stdout.readline().strip()
        petmood = str(Path(sys.executable).with_name("petmood"))
        command = [petmood, "loadtest", base, "--users", "2", "--duration", "3", "--to", str(to)]
        try:
            return subprocess.run([*command, *LIMITS], capture_output=True, text=True, timeout=60, check=False)
        finally:
            server.stdin.close()


@pytest.mark.proof
@pytest.mark.spawns
def test_a_fast_service_passes_the_gate(tmp_path: Path, root: Path) -> None:
    done = gate(0.02, tmp_path, root)
    assert done.returncode == 0, done.stderr


@pytest.mark.proof
@pytest.mark.spawns
def test_a_service_planted_slow_fails_the_gate_and_each_line_says_by_how_much(tmp_path: Path, root: Path) -> None:
    done = gate(0.3, tmp_path, root)
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("petmood: ")]
    assert len(lines) == 2
    assert lines[0].startswith("petmood: p95 3")
    assert lines[0].endswith(" ms, allowed 150 ms")
    assert lines[1].endswith(" answered requests/s, expected at least 10")
