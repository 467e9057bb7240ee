"""Tests of the fourth revision of the prediction log's schema."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect

from petmood.monitoring.prediction_log.migrations.versions import (
    revision_0001,
    revision_0002,
    revision_0003,
    revision_0004,
)
from tests.support.logged import sqlite


def test_it_adds_the_hash_of_the_photo_and_the_table_of_folders_and_keeps_the_rows(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        for revision in (revision_0001, revision_0002, revision_0003):
            revision.upgrade()
        connection.exec_driver_sql(
            "INSERT INTO predictions (request_id, position, time_us, bundle, probabilities, confident, latency_ms) "
            "VALUES ('old', 0, 1, 'ab', x'00', 1, 2.5)"
        )
    for change, expected in ((revision_0004.upgrade, True), (revision_0004.downgrade, False)):
        with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
            change()
        found = inspect(engine)
        assert found.has_table("photo_folders") is expected
        assert ("photo_sha256" in {column["name"] for column in found.get_columns("predictions")}) is expected
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT request_id FROM predictions").scalars().all() == ["old"]
    engine.dispose()


def test_it_follows_the_third() -> None:
    assert (revision_0004.revision, revision_0004.down_revision) == ("0004", "0003")
