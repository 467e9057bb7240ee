"""Tests of the first revision of the prediction log's schema."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect

from petmood.monitoring.prediction_log.migrations.versions import revision_0001
from tests.support.logged import sqlite


def test_it_creates_both_tables_and_takes_them_back(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    for change, expected in ((revision_0001.upgrade, {"bundles", "predictions"}), (revision_0001.downgrade, set())):
        with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
            change()
        assert {*inspect(engine).get_table_names()} == expected
    engine.dispose()


def test_it_is_the_first() -> None:
    assert (revision_0001.revision, revision_0001.down_revision) == ("0001", None)
