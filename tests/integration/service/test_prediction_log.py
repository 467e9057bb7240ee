"""Prediction log of a real service on SQLite and PostgreSQL: killed databases, killed services, several processes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, inspect

from petmood.core.bundle import Bundle
from petmood.core.errors import ConfigError, LogUnavailable
from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.prediction_log import store as store_module
from petmood.monitoring.prediction_log.database import connect, database_url, open_log
from petmood.monitoring.prediction_log.reader import rows_by_bundle
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import logged_rows, request_ids, row
from tests.support.postgres import Server, postgres_server
from tests.support.served import Served, serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.spawns]
ROWS = "petmood_prediction_log_rows_total"
FLAT_OUT_S = 300


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Return a server of PostgreSQL that only this module uses."""
    with postgres_server() as found:
        yield found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return settings of a service whose log and spool are in a folder, and that drains at once."""
    return {
        "PETMOOD_PREDICTION_LOG": f"sqlite:///{tmp_path}/log.db",
        "PETMOOD_PREDICTION_LOG_SPOOL": str(tmp_path / "spool"),
        "PETMOOD_DRAIN_NOTICE_S": "0",
    }


def send(served: Served, photo: bytes, *numbers: int) -> None:
    """Predict a photo under numbers as request ids; all are answered."""
    for number in numbers:
        assert served.predict(photo, **{"X-Request-Id": f"{number:04}"}).status == 200


def rows(served: Served, result: str) -> float:
    """Return how many rows a service has counted with a result."""
    return served.count(f'{ROWS}{{result="{result}"}}')


def expected(count: int) -> list[str]:
    """Return the request ids of the first numbers."""
    return [f"{number:04}" for number in range(count)]


@pytest.mark.drill
def test_postgresql_is_killed_midway_and_comes_back_and_nothing_is_lost(
    server: Server, bundle: Bundle, good: bytes, log: Path, environment: dict[str, str]
) -> None:
    given = environment | {"PETMOOD_PREDICTION_LOG": server.url_with_password}
    with serving(bundle.folder, log, options=["--port", "0"], given=given) as served:
        send(served, good, *range(20))
        wait_until(lambda: rows(served, "written") == 20, within_s=FLAT_OUT_S)
        server.kill()
        send(served, good, *range(20, 60))
        wait_until(lambda: rows(served, "spooled") + rows(served, "written") >= 60, within_s=FLAT_OUT_S)
        assert rows(served, "spooled") > 0
        server.start()
        wait_until(lambda: rows(served, "written") == 60, within_s=FLAT_OUT_S)
        send(served, good, *range(60, 80))
        assert served.end() == 0
    engine = connect(database_url(server.url_with_password))
    assert request_ids(engine) == expected(80)
    (found,) = rows_by_bundle(engine)
    assert found.bundle.sha256 == bundle.sha256
    stored = logged_rows(engine)
    sums = [np.frombuffer(one["probabilities"], "<f4").sum() for one in stored]
    assert sums == pytest.approx([1] * 80, abs=1e-5)
    assert all(one[name] > 0 for one in stored for name in STATISTICS)
    engine.dispose()
    assert server.password not in log.read_text()


@pytest.mark.posix
def test_a_service_that_is_killed_while_the_database_is_away_leaves_its_rows_to_the_next(
    server: Server, bundle: Bundle, good: bytes, log: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    given = environment | {"PETMOOD_PREDICTION_LOG": f"{server.url_with_password}?application_name=second"}
    engine = connect(database_url(server.url_with_password))
    LogStore(engine).prepare()  # this test may be the first of its process
    before = set(request_ids(engine))
    engine.dispose()
    server.kill()
    with serving(bundle.folder, log, options=["--port", "0"], given=given) as served:
        send(served, good, *range(100, 130))
        wait_until(lambda: rows(served, "spooled") == 30, within_s=FLAT_OUT_S)
        os.kill(served.process.pid, signal.SIGKILL)
        served.process.wait()
    assert len(list((tmp_path / "spool").iterdir())) == 1
    server.start()
    with serving(bundle.folder, log, options=["--port", "0"], given=given) as served:
        wait_until(lambda: rows(served, "written") == 30, within_s=FLAT_OUT_S)
        assert served.end() == 0
    assert set(request_ids(engine)) - before == {f"{number:04}" for number in range(100, 130)}
    assert list((tmp_path / "spool").iterdir()) == []
    engine.dispose()


def test_a_database_that_becomes_read_only_refuses_no_row(server: Server) -> None:
    """As after a failover to a standby: psycopg's error is neither of the connection nor of a row."""
    engine = connect(database_url(server.url_with_password))
    store = LogStore(engine)
    store.insert([row(5000)])
    administrator = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        for change in ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
            connection.exec_driver_sql(f"ALTER SYSTEM {change}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
            if change.startswith("SET"):
                wait_until(lambda: refuses(store), within_s=FLAT_OUT_S)
    wait_until(lambda: not refuses(store), within_s=FLAT_OUT_S)
    assert "request-5001" in request_ids(engine)
    administrator.dispose()
    engine.dispose()


def test_old_rows_are_deleted_in_chunks_on_postgresql(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = connect(database_url(server.url_with_password))
    store = LogStore(engine)
    store.insert([row(number, request_id=f"old-{number}", time_us=number) for number in range(12)])
    store.insert([row(6000)])
    monkeypatch.setattr(store_module, "DELETED_ROWS", 5)
    assert list(store.deleting_before(1_000_000)) == [5, 5, 2]
    assert "request-6000" in request_ids(engine)
    assert store.delete_requests(["request-6000"]) == 1
    engine.dispose()


def test_a_command_that_reads_makes_no_tables_on_postgresql(server: Server) -> None:
    engine = connect(database_url(server.url_with_password))
    administrator = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE other")
    address = server.url_with_password.replace("/postgres", "/other")
    for writes in (False, True):
        with pytest.raises(ConfigError, match="isn't a prediction log"):
            open_log(address, writes=writes)
    other = connect(database_url(address))
    assert inspect(other).get_table_names() == []
    for one in (engine, administrator, other):
        one.dispose()


def refuses(store: LogStore) -> bool:
    """Return whether the log can't be used; if it can, no row is refused."""
    try:
        assert store.insert([row(5001)]).refused == 0
    except LogUnavailable:
        return True
    return False


@pytest.mark.posix
def test_two_processes_write_one_file(bundle: Bundle, good: bytes, log: Path, environment: dict[str, str]) -> None:
    options = ["--port", "0", "--workers", "2", "--prediction-log", environment.pop("PETMOOD_PREDICTION_LOG")]
    with serving(bundle.folder, log, options=options, given=environment) as served:
        wait_until(lambda: len(served.pids) == 2)
        commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in served.pids]
        assert not any("sqlite" in command for command in commands), "an address may hold a password"
        send(served, good, *range(120))
        wait_until(lambda: rows(served, "written") == 120, within_s=FLAT_OUT_S)
        assert served.end() == 0
    engine = open_log(options[-1])
    assert request_ids(engine) == expected(120)
    engine.dispose()


def test_an_ended_service_has_written_every_answered_request(
    bundle: Bundle, good: bytes, log: Path, environment: dict[str, str]
) -> None:
    with serving(bundle.folder, log, options=["--port", "0"], given=environment) as served:
        send(served, good, *range(50))
        assert served.end() == 0
    engine = open_log(environment["PETMOOD_PREDICTION_LOG"])
    assert request_ids(engine) == expected(50)
    engine.dispose()
