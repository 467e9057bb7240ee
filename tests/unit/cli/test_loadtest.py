"""`petmood loadtest`: output of each step, limits, and rejection of remote hosts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.load.servers import serving


@pytest.mark.spawns
def test_a_ramp_prints_a_line_a_step_and_leaves_a_summary_and_a_plot(
    petmood: Callable[..., Any], tmp_path: Path
) -> None:
    with serving(delay_s=0.02) as base:
        for duration_s in (1, 5, 25):  # on a busy machine a second may pass without an answer
            limits = ("--max-errors", 0)
            done = petmood(
                "loadtest", base, "--ramp", "--users", 2, "--duration", duration_s, "--output", tmp_path, *limits
            )
            if all(step["answered"] for step in json.loads((tmp_path / "summary.json").read_text())["steps"]):
                break
    assert done.code == 0
    header, first, second, *rest = done.out.splitlines()
    assert header.split()[0] == "users"
    assert [line.split()[0] for line in (first, second)] == ["1", "2"]
    assert first.endswith("none")
    assert rest[0].startswith(("No saturation up to 2 users", "Saturation at 1 users"))
    assert json.loads((tmp_path / "summary.json").read_text())["passed"] is True
    assert (tmp_path / "ramp.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.spawns
def test_a_limit_that_is_missed_is_one_line_and_code_1(petmood: Callable[..., Any], tmp_path: Path) -> None:
    with serving(status=500) as base:
        done = petmood("loadtest", base, "--until-saturation", "--duration", 1, "--output", tmp_path, "--p95-ms", 50)
    assert done.code == 1
    assert "petmood: p95 unknown (no successful response), expected at most 50 ms" in done.err.splitlines()
    assert json.loads((tmp_path / "summary.json").read_text())["missed"]


def test_another_machine_is_refused_before_anything_is_sent(petmood: Callable[..., Any], tmp_path: Path) -> None:
    done = petmood("loadtest", "http://192.0.2.1:8000", "--output", tmp_path / "new")
    assert (done.code, done.out) == (2, "")
    assert "--allow-remote" in done.err
    assert not (tmp_path / "new").exists()


def test_an_address_without_a_service_is_one_line(petmood: Callable[..., Any], tmp_path: Path) -> None:
    done = petmood("loadtest", "http://127.0.0.1:9", "--output", tmp_path / "new")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "petmood serve BUNDLE" in done.err
