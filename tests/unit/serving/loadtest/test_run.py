"""Tests of the load test run: preflight errors, measured steps and written files."""

import csv
import json
import sys
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from petmood.core.errors import ConfigError, DownloadError, MissingDependency
from petmood.serving.loadtest.config import LoadTestConfig
from petmood.serving.loadtest.limits import Limits
from petmood.serving.loadtest.report import report_of
from petmood.serving.loadtest.run import load_service, preflight, require_locust, write_report
from petmood.serving.loadtest.steps import Step
from petmood.serving.loadtest.target import Target
from tests.load.servers import serving
from tests.load.steps import step

WORD = "three-blind-mice"


def job(base: str, **more: object) -> LoadTestConfig:
    """Return a short job."""
    return replace(LoadTestConfig(Target(base, "/predict"), (2,), 1.0, "locust"), **more)  # type: ignore[arg-type] # any field


def loaded(job: LoadTestConfig, *, to: Path, **more: Any) -> list[Step]:  # noqa: ANN401 - what ``load_service`` takes
    """Run a load test for a second, or longer if a busy machine got too few responses."""
    for duration_s in (1.0, 5.0, 25.0):
        steps = load_service(replace(job, duration_s=duration_s), to=to, **more)
        if all(one.requests > 1 and (one.p50_ms is not None or one.errors) for one in steps):
            break
    return steps


@pytest.mark.spawns
def test_a_service_is_loaded_by_locust_in_another_process(tmp_path: Path) -> None:
    said: list[Step] = []
    with serving(delay_s=0.01, token=WORD) as base:
        steps = loaded(job(base, counts=(1, 2), token=WORD), to=tmp_path, on_step=said.append)
    assert [one.users for one in steps] == [1, 2]
    assert said[-2:] == steps
    assert all(one.answered and not one.errors for one in steps)
    assert all(one.p50_ms is not None and one.p50_ms >= 10 for one in steps)
    assert "gevent" not in sys.modules
    with (tmp_path / "locust_stats.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert int(rows[-1]["Request Count"]) >= sum(one.answered for one in steps)
    assert {path.name for path in tmp_path.iterdir()} >= {"locust_stats_history.csv", "locust_failures.csv"}


@pytest.mark.spawns
def test_more_users_than_come_at_once_make_their_step_longer_and_that_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(delay_s=0.2) as base:
        (only,) = load_service(job(base, counts=(110,)), to=tmp_path)
    assert only.seconds >= 2.1
    assert "1.1 s for 110 users." in capfd.readouterr().err


@pytest.mark.spawns
def test_refusals_are_counted_by_their_status_and_stop_the_search_for_the_knee(tmp_path: Path) -> None:
    with serving(status=503, delay_s=0.01) as base:
        (only,) = loaded(job(base, counts=(1, 2, 4), until_saturation=True), to=tmp_path)
    assert list(only.errors) == ["503"]
    assert (only.answered, only.p95_ms) == (0, None)


@pytest.mark.spawns
def test_a_process_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="The Locust process exited with status 1"):
        load_service(job("http://127.0.0.1:9", photos=str(tmp_path / "nowhere")), to=tmp_path)


def test_an_address_that_gives_no_answer_is_one_line() -> None:
    with pytest.raises(
        DownloadError, match=r"No response from http://127\.0\.0\.1:9/predict \(.*refused\).*petmood serve"
    ):
        preflight(job("http://127.0.0.1:9"))


@pytest.mark.parametrize(("path", "token", "reason"), [("/predict", "", "401: it requires a token"), ("/x", "", "404")])
def test_an_answer_that_will_stay_the_same_is_one_line(path: str, token: str, reason: str) -> None:
    with serving(token=WORD) as base, pytest.raises(ConfigError, match=reason):
        preflight(job(base, target=Target(base, path), token=token or None))


@pytest.mark.parametrize("status", [200, 503])
def test_a_service_that_answers_or_is_busy_may_be_loaded(status: int) -> None:
    with serving(status=status, token=WORD) as base:
        preflight(job(base, token=WORD))


def test_without_locust_the_command_to_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_locust()
    monkeypatch.setattr("petmood.serving.loadtest.run.find_spec", lambda _: None)
    assert util.find_spec("locust") is not None
    with pytest.raises(MissingDependency, match=r"^'locust' is not installed.*pip install 'petmood\[loadtest\]'$"):
        require_locust()


@pytest.mark.parametrize(("count", "names"), [(1, ["summary.json"]), (2, ["summary.json", "ramp.png"])])
def test_a_summary_is_kept_and_a_ramp_is_drawn(tmp_path: Path, count: int, names: list[str]) -> None:
    steps = [step(1, 30, 33), step(2, 60, 34)][:count]
    report = report_of(steps, url="http://127.0.0.1:8000/predict", limits=Limits())
    assert [path.name for path in write_report(report, to=tmp_path / "new")] == names
    assert json.loads((tmp_path / "new/summary.json").read_text())["users"] == count
