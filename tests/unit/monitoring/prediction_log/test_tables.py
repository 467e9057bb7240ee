"""Tests of the tables of the prediction log."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.prediction_log.database import VERSION_TABLE, migrate
from petmood.monitoring.prediction_log.tables import PREDICTIONS, TABLES
from tests.support.logged import sqlite


def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, TABLES) == []
    engine.dispose()


def test_a_row_has_a_column_for_each_statistic_and_none_for_a_photo_or_a_person() -> None:
    names = {*PREDICTIONS.c.keys()}
    assert {*STATISTICS} <= names
    assert not {"photo", "file_name", "address", "user_agent"} & names
