"""Tests of the third revision of the prediction log's schema."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect

from petmood.monitoring.prediction_log.migrations.versions import revision_0001, revision_0002, revision_0003
from tests.support.logged import sqlite


def test_it_adds_the_table_of_feedback_and_keeps_the_rows(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        revision_0001.upgrade()
        revision_0002.upgrade()
        connection.exec_driver_sql(
            "INSERT INTO predictions (request_id, position, time_us, bundle, probabilities, confident, latency_ms) "
            "VALUES ('old', 0, 1, 'ab', x'00', 1, 2.5)"
        )
    for change, expected in ((revision_0003.upgrade, True), (revision_0003.downgrade, False)):
        with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
            change()
        assert inspect(engine).has_table("feedback") is expected
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT request_id FROM predictions").scalars().all() == ["old"]
    engine.dispose()


def test_it_follows_the_second() -> None:
    assert (revision_0003.revision, revision_0003.down_revision) == ("0003", "0002")
