"""Tests of the connection to the prediction log's database."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError, LogUnavailable
from petmood.monitoring.prediction_log.database import (
    connect,
    database_url,
    migrate,
    open_log,
    reading,
    shown_address,
)
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import request_ids, row, sqlite
from tests.support.ports import free_port


@pytest.mark.parametrize(
    "address",
    [
        "pets.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://host/pets.db",
        "mysql://me@db/pets",
        "postgresql:///pets",
        "postgresql+asyncpg://me@db/pets",
        "",
        "https://pets.example",
    ],
)
def test_another_address_is_refused_with_what_was_expected(address: str) -> None:
    with pytest.raises(ConfigError, match=r"Expected sqlite:///FILE or postgresql://USER@HOST/NAME"):
        database_url(address)


def test_a_password_is_in_no_message() -> None:
    with pytest.raises(ConfigError) as refused:
        database_url("mysql://me:secret@db/pets")
    assert "secret" not in str(refused.value)
    engine = connect(database_url(f"postgresql://me:secret@127.0.0.1:{free_port()}/pets"))
    with pytest.raises(LogUnavailable, match=r"postgresql://127") as away:
        migrate(engine)
    assert "secret" not in str(away.value)


@pytest.mark.parametrize(
    "address",
    [
        "mysql://me:secret@db/pets",
        "mysql://me:sec/secret@db/pets",
        "mysql://db/pets?password=secret",
        "postgresql:///pets?host=/tmp&password=secret",
        "postgresql://me:secret@db:port/pets",
    ],
)
def test_no_part_of_a_refused_address_that_may_be_a_password_is_shown(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        database_url(address)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_password_in_the_query_is_not_shown() -> None:
    url = database_url("postgresql://me:secret@db:6543/pets?password=secret&sslmode=require")
    assert shown_address(url) == "postgresql://db:6543/pets"
    engine = connect(database_url(f"postgresql://127.0.0.1:{free_port()}/pets?password=secret"))
    with pytest.raises(LogUnavailable) as away:
        migrate(engine)
    assert "secret" not in str(away.value)


@pytest.mark.parametrize("address", ["postgres://me@db/pets", "postgresql://me@db/pets"])
def test_both_names_of_postgresql_are_taken(address: str) -> None:
    assert database_url(address).drivername == "postgresql+psycopg"


def test_a_file_in_a_folder_that_does_not_exist_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder to exist"):
        database_url(f"sqlite:///{tmp_path}/none/log.db")
    with pytest.raises(ConfigError, match="got the folder"):
        database_url(f"sqlite:///{tmp_path}")


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    migrate(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()


def test_many_processes_may_bring_the_schema_up_to_date_at_once(tmp_path: Path) -> None:
    engines = [sqlite(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(migrate, engines)) == [None] * 8
    for engine in engines:
        engine.dispose()


def test_a_newer_schema_and_a_table_of_something_else_are_refused(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE petmood_log_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match=r"has the schema 9999, this version has 0002: a newer petmood"):
        migrate(engine)
    engine.dispose()
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as raw:
        raw.execute("CREATE TABLE predictions (x)")
    raw.close()
    with pytest.raises(ConfigError, match="has a table 'predictions' of something else"):
        open_log(f"sqlite:///{other}")


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_text("my notes, which are no database\n" * 100)
    with pytest.raises(LogUnavailable, match="file is not a database"):
        open_log(f"sqlite:///{path}")
    assert path.read_text().startswith("my notes")


def test_a_log_that_does_not_exist_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No prediction log at"):
        open_log(f"sqlite:///{tmp_path}/log.db")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_does_not_keep_a_service_from_writing(tmp_path: Path) -> None:
    store = LogStore(sqlite(tmp_path))
    store.insert([row(1)])
    reader = open_log(f"sqlite:///{tmp_path}/log.db")
    with reading(reader) as connection:
        connection.exec_driver_sql("SELECT * FROM predictions").all()
        assert store.insert([row(2)]).written == 1
    assert request_ids(reader) == ["request-1", "request-2"]
    reader.dispose()
    store.close()
