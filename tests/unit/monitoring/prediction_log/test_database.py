"""Tests of the connection to the prediction log's database."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine

from petmood.core.errors import ConfigError, LogUnavailable
from petmood.monitoring.prediction_log.database import (
    connect,
    database_url,
    migrate,
    open_log,
    reading,
    shown_address,
)
from petmood.monitoring.prediction_log.migrations.versions import revision_0001
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
        "postgresql:///pets?hostaddr=127.0.0.1&password=secret",
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


def test_the_socket_of_cloud_sql_is_reached_and_shown_without_the_password() -> None:
    folder = "/cloudsql/pets-12345:us-central1:petmood"
    url = database_url(f"postgresql://me:secret@/pets?host={folder}&password=secret")
    assert shown_address(url) == f"postgresql:///pets?host={folder}"
    assert shown_address(database_url(shown_address(url))) == shown_address(url)
    with pytest.raises(LogUnavailable, match=rf"postgresql:///pets\?host={folder}.*{folder}/\.s\.PGSQL\.5432") as away:
        migrate(connect(url))
    assert "secret" not in str(away.value)


def test_the_host_that_is_shown_is_the_one_that_is_asked() -> None:
    assert shown_address(database_url("postgresql://me@db/pets?host=other")) == "postgresql:///pets?host=other"
    assert shown_address(database_url("postgresql://me@:6543/pets?host=/run")) == "postgresql://:6543/pets?host=/run"
    several = database_url("postgresql://me@/pets?host=a:5432&host=b:5433")
    assert shown_address(several) == "postgresql:///pets?host=a:5432&host=b:5433"


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
    with pytest.raises(ConfigError, match=r"has the schema 9999, this version has 0005: a newer petmood"):
        migrate(engine)
    engine.dispose()
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as raw:
        raw.execute("CREATE TABLE predictions (x)")
    raw.close()
    foreign = connect(database_url(f"sqlite:///{other}"))
    with pytest.raises(ConfigError, match="has a table 'predictions' of something else"):
        migrate(foreign)
    foreign.dispose()


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


@pytest.mark.parametrize("writes", [False, True])
def test_a_database_of_something_else_is_refused_and_stays_as_it_is(tmp_path: Path, *, writes: bool) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE runs (id)")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"other\.db isn't a prediction log: it has no table petmood_log_version"):
        open_log(f"sqlite:///{path}", writes=writes)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_log_is_changed_only_by_what_writes(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    older(engine)
    with pytest.raises(ConfigError, match=r"has the schema 0001, this version reads 0\d+. Start a service"):
        open_log(f"sqlite:///{tmp_path}/log.db")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM petmood_log_version").scalar() == "0001"
    open_log(f"sqlite:///{tmp_path}/log.db", writes=True).dispose()
    reader = open_log(f"sqlite:///{tmp_path}/log.db")
    assert request_ids(reader) == []
    for one in (engine, reader):
        one.dispose()


def older(engine: Engine) -> None:
    """Make a log of the first schema."""
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        revision_0001.upgrade()
        connection.exec_driver_sql("CREATE TABLE petmood_log_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO petmood_log_version VALUES ('0001')")


def test_deleted_bytes_are_overwritten(tmp_path: Path) -> None:
    store = LogStore(sqlite(tmp_path))
    store.insert([row(number, request_id=f"secret-{number:04}") for number in range(300)])
    store.insert([row(1)])
    assert b"secret-" in written(tmp_path)
    assert store.delete_requests([f"secret-{number:04}" for number in range(300)]) == 300
    assert b"secret-" not in written(tmp_path)
    assert b"request-1" in written(tmp_path)
    store.close()


def written(folder: Path) -> bytes:
    """Return what the files of a log contain."""
    return b"".join(path.read_bytes() for path in folder.glob("log.db*"))
