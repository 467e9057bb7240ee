"""Tests of the fourth revision of the prediction log's schema."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect

from petmood.monitoring.prediction_log.migrations.versions import revision_0001, revision_0005
from tests.support.logged import sqlite


def test_it_adds_the_table_of_drift_states_and_keeps_the_rows(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        revision_0001.upgrade()
        connection.exec_driver_sql("INSERT INTO bundles VALUES ('ab', 'pets', '1', '[]')")
    for change, expected in ((revision_0005.upgrade, True), (revision_0005.downgrade, False)):
        with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
            change()
        assert inspect(engine).has_table("drift_states") is expected
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT sha256 FROM bundles").scalars().all() == ["ab"]
    engine.dispose()


def test_it_follows_the_fourth() -> None:
    assert (revision_0005.revision, revision_0005.down_revision) == ("0005", "0004")
