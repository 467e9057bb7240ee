"""State of the drift tests in PostgreSQL: across monitors, and for a user who may only read the predictions."""

from collections.abc import Iterator

import pytest

from petmood.monitoring.drift.monitor import DriftMonitor
from petmood.monitoring.drift.state import AlertState
from petmood.monitoring.drift.tester import DriftTester
from petmood.monitoring.prediction_log.database import connect, database_url
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.drifting import log_photos
from tests.support.networks import tiny_bundle
from tests.support.postgres import Server, postgres_server

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server of PostgreSQL."""
    with postgres_server() as found:
        yield found


def test_an_alert_outlives_its_monitor_and_a_reader_keeps_it_in_memory(
    server: Server, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle")
    engine = connect(database_url(server.url_with_password))
    LogStore(engine).prepare()
    log_photos(engine, bundle, 150, darkened=True)
    with engine.begin() as connection:
        for statement in (
            f"CREATE ROLE reader LOGIN PASSWORD '{server.password}'",
            "GRANT SELECT ON predictions, bundles TO reader",
        ):
            connection.exec_driver_sql(statement)
    reader = connect(database_url(server.url_with_password.replace("petmood:", "reader:")), writes=False)
    seen = DriftMonitor([DriftTester(bundle)], size=50)
    assert len(seen.update(reader)) == 3
    assert seen.bundles[0].alert.active
    assert len([record for record in caplog.records if "in memory alone" in record.message]) == 1
    assert "permission denied" in caplog.text
    assert server.password not in caplog.text
    for _ in range(2):
        monitor = DriftMonitor([DriftTester(bundle)], size=50)
        monitor.update(engine)
        assert monitor.bundles[0].alert == AlertState(active=True, in_a_row=3)
    assert monitor.counts == {}
    reader.dispose()
    engine.dispose()
