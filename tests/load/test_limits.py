"""Load test limits: a fast service passes, and one with an artificially slow model fails."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = "import sys, time; from tests.load.servers import serving\n"
PLANTED += "with serving(delay_s=float(sys.argv[1])) as base: print(base, flush=True); sys.stdin.read()"
LOOSE = ("--p95-ms", "60000", "--min-rps", "0.03", "--max-errors", "0")
"""Limits that a busy machine meets too: the limit checks are tested, not the machine."""
TIGHT = ("--p95-ms", "150", "--min-rps", "10", "--max-errors", "0")
"""Limits that no machine meets: two users with 0.3 s latency get at most 6.7 responses a second."""
DURATION_S = 25
"""Longer than the stalls of a busy machine, as some requests must complete in that time."""


def run_load_test(delay_s: float, limits: tuple[str, ...], to: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a load test for ``DURATION_S`` in a subprocess, against a service with the given delay per photo."""
    planted = [sys.executable, "-c", PLANTED, str(delay_s)]
    with subprocess.Popen(planted, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        base = server.stdout.readline().strip()
        petmood = str(Path(sys.executable).with_name("petmood"))
        command = [petmood, "loadtest", base, "--users", "2", "--duration", str(DURATION_S), "--output", str(to)]
        try:
            return subprocess.run([*command, *limits], capture_output=True, text=True, timeout=300, check=False)
        finally:
            server.stdin.close()


@pytest.mark.proof
@pytest.mark.spawns
def test_a_fast_service_meets_the_limits(tmp_path: Path, root: Path) -> None:
    done = run_load_test(0.02, LOOSE, tmp_path, root)
    assert done.returncode == 0, done.stderr


@pytest.mark.proof
@pytest.mark.spawns
def test_a_service_planted_slow_violates_the_limits_and_each_line_says_by_how_much(tmp_path: Path, root: Path) -> None:
    done = run_load_test(0.3, TIGHT, tmp_path, root)
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("petmood: ")]
    assert len(lines) == 2
    found = re.fullmatch(r"petmood: p95 ([\d.]+) ms, expected at most 150 ms", lines[0])
    assert found is not None
    assert float(found[1]) >= 300
    assert lines[1].startswith("petmood: throughput ")
    assert lines[1].endswith(" requests/s, expected at least 10 requests/s")
