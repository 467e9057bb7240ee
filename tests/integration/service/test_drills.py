"""Drills of the runbook on a real service: a full disk, a leaked token, and a lost database."""

import resource
import secrets
import shutil
from pathlib import Path
from typing import Final

import pytest

from petmood.core.bundle import Bundle
from petmood.monitoring.prediction_log.database import open_log
from tests.support.logged import request_ids
from tests.support.served import Served, serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.drill, pytest.mark.spawns]
ROWS: Final = "petmood_prediction_log_rows_total"
WITHIN_S: Final = 300
SPACE: Final = 150_000
"""Bytes that a file may have on the full disk: less than the log needs for some hundred rows."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return settings of a service with a log, a spool of its own, and no notice before its end."""
    return {
        "PETMOOD_PREDICTION_LOG": f"sqlite:///{tmp_path}/log.db",
        "PETMOOD_PREDICTION_LOG_SPOOL": str(tmp_path / "spool"),
        "PETMOOD_DRAIN_NOTICE_S": "0",
    }


def send(served: Served, photo: bytes, name: str, count: int) -> None:
    """Predict a photo under numbered request ids; all are answered."""
    for number in range(count):
        assert served.predict(photo, **{"X-Request-Id": f"{name}-{number:04}"}).status == 200


def rows(served: Served, result: str) -> float:
    """Return how many rows a service has counted with a result."""
    return served.count(f'{ROWS}{{result="{result}"}}')


def logged(database: str) -> list[str]:
    """Return the request ids in a log."""
    engine = open_log(database)
    try:
        return list(request_ids(engine))
    finally:
        engine.dispose()


def test_a_full_disk_stops_no_answer_and_with_space_again_rows_are_written(
    bundle: Bundle, good: bytes, log: Path, environment: dict[str, str]
) -> None:
    """The disk is full for this process: the kernel refuses to let its files grow, as it does without space."""
    with serving(bundle.folder, log, given=environment) as served:
        send(served, good, "before", 20)
        wait_until(lambda: rows(served, "written") == 20, within_s=WITHIN_S)
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (SPACE, resource.RLIM_INFINITY))
        sent = 0
        while rows(served, "dropped") == 0 and sent < 2000:
            send(served, good, f"full-{sent}", 50)
            sent += 50
        assert rows(served, "dropped") > 0
        assert served.ask("/readyz").status == 200
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        send(served, good, "after", 20)
        wait_until(lambda: rows(served, "written") + rows(served, "dropped") == 40 + sent, within_s=WITHIN_S)
        dropped = rows(served, "dropped")
        assert served.end() == 0
    found = logged(environment["PETMOOD_PREDICTION_LOG"])
    assert len(found) == 40 + sent - dropped
    assert [name for name in found if name.startswith("after")] == [f"after-{number:04}" for number in range(20)]


def test_a_leaked_token_is_refused_once_it_is_rotated_and_was_never_logged(
    bundle: Bundle, good: bytes, tmp_path: Path
) -> None:
    leaked, rotated = secrets.token_hex(16), secrets.token_hex(16)
    shows = {token: {"Authorization": f"Bearer {token}"} for token in (leaked, rotated)}
    for token, other in ((leaked, rotated), (rotated, leaked)):
        with serving(bundle.folder, tmp_path / f"{token}.log", given={"PETMOOD_TOKEN": token}) as served:
            assert served.predict(good, **shows[token]).status == 200
            refused = served.predict(good, **shows[other])
            assert (refused.status, refused.code) == (401, "unauthorized")
            assert served.count('petmood_requests_total{method="POST",route="none",status="401"}') == 1
            assert served.end() == 0
        assert leaked not in served.log.read_text()
        assert rotated not in served.log.read_text()


def test_a_lost_database_is_made_again_and_a_backup_is_restored(
    bundle: Bundle, good: bytes, tmp_path: Path, environment: dict[str, str]
) -> None:
    database = tmp_path / "log.db"
    with serving(bundle.folder, tmp_path / "first.log", given=environment) as served:
        send(served, good, "backed-up", 10)
        wait_until(lambda: rows(served, "written") == 10, within_s=WITHIN_S)
        assert served.end() == 0
    shutil.copy(database, tmp_path / "backup.db")
    with serving(bundle.folder, tmp_path / "second.log", given=environment) as served:
        for path in tmp_path.glob("log.db*"):
            path.unlink()
        wait_until(lambda: served.predict(good).status == 200 and database.is_file(), within_s=WITHIN_S)
        send(served, good, "since", 10)
        assert served.end() == 0
    database.rename(tmp_path / "since.db")
    shutil.copy(tmp_path / "backup.db", database)
    with serving(bundle.folder, tmp_path / "third.log", given=environment) as served:
        send(served, good, "restored", 10)
        wait_until(lambda: rows(served, "written") == 10, within_s=WITHIN_S)
        assert served.end() == 0
    assert sorted({name.rpartition("-")[0] for name in logged(f"sqlite:///{database}")}) == ["backed-up", "restored"]
    since = [name for name in logged(f"sqlite:///{tmp_path}/since.db") if name.startswith("since")]
    assert since == [f"since-{number:04}" for number in range(10)]
