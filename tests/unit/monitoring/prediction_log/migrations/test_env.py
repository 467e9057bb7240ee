"""Tests of Alembic's environment of the prediction log."""

from importlib import import_module
from pathlib import Path

from sqlalchemy import inspect

from petmood.monitoring.prediction_log.database import migrate
from tests.support.logged import sqlite


def test_importing_it_does_nothing() -> None:
    module = import_module("petmood.monitoring.prediction_log.migrations.env")
    assert not hasattr(module, "given")


def test_the_version_has_a_table_that_other_programs_in_the_database_do_not_use(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    with engine.begin() as connection:  # as MLflow and Optuna name theirs
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")
    migrate(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "theirs"
        assert connection.exec_driver_sql("SELECT version_num FROM petmood_log_version").scalar() == "0005"
    assert {"bundles", "predictions"} <= {*inspect(engine).get_table_names()}
    engine.dispose()
