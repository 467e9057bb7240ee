"""Connection to the prediction log's database: SQLite or PostgreSQL, with its schema."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from petmood.core.errors import ConfigError, LogUnavailable, OutputLocked
from petmood.core.extras import require
from petmood.core.locks import exclusive_lock
from petmood.core.redact import one_line

__all__ = [
    "FORMS",
    "connect",
    "database_url",
    "empty_wal",
    "file_key",
    "migrate",
    "open_log",
    "reaching",
    "reading",
    "shown_address",
]

FORMS: Final = "sqlite:///FILE or postgresql://USER@HOST/NAME"
BUSY_S: Final = 10.0
"""Time that a writer of SQLite waits for another one."""
MAKING_S: Final = 0.01
CONNECT_S: Final = 5
POSTGRES: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
POSTGRES_OPTIONS: Final = {
    "connect_timeout": CONNECT_S,
    "tcp_user_timeout": 1000 * CONNECT_S,
    "keepalives_idle": 30,
    "options": "-c statement_timeout=30s -c lock_timeout=10s",
}
"""libpq's settings: a server that can't be reached any more is noticed within seconds."""
MIGRATING: Final = 7_063_211
"""Key of the advisory lock in PostgreSQL under which the schema is changed."""
VERSION_TABLE: Final = "petmood_log_version"
"""Alembic's own default name is taken by MLflow and Optuna, which may share the database."""
READS: Final = "petmood_reads"
"""Execution option of a connection that only reads."""
SCRIPTS: Final = "petmood.monitoring.prediction_log:migrations"


def database_url(text_: str) -> URL:
    """Return the address of a log for SQLAlchemy; passwords are never part of a message.

    Raises:
        ConfigError: another database, or a file whose folder doesn't exist.
        MissingDependency: the driver of PostgreSQL is not installed.
    """
    scheme, separator, _ = text_.partition("://")
    shown = f"{scheme}://..." if separator else scheme  # of what can't be parsed, any part may be a password
    try:
        url = make_url(text_)
    except (ArgumentError, ValueError):
        raise ConfigError(f"Expected {FORMS} as the prediction log, got {shown!r}.") from None
    if url.drivername == "sqlite" and url.database and url.database != ":memory:" and not url.host:
        _check_file(Path(url.database))
        return url.set(database=os.path.realpath(url.database))
    if url.drivername in POSTGRES and (url.host or url.query.get("host")):
        require("psycopg", extra="log")
        return url.set(drivername="postgresql+psycopg")
    raise ConfigError(f"Expected {FORMS} as the prediction log, got {shown!r}.")


def shown_address(url: URL) -> str:
    """Return an address without user and password; of its query, which may have one too, with the host alone."""
    if url.drivername == "sqlite":
        return f"sqlite:///{url.database}"
    asked = url.query.get("host", ())
    hosts = "&".join(f"host={one}" for one in ([asked] if isinstance(asked, str) else asked))
    server = f"{'' if hosts else url.host}{f':{url.port}' if url.port else ''}"
    return f"postgresql://{server}/{url.database or ''}{f'?{hosts}' if hosts else ''}"


def connect(url: URL, *, writes: bool = True) -> Engine:
    """Return an engine for a log; nothing is opened yet. One that only reads leaves a file of something else as it is.

    SQLite overwrites what is deleted with zeros.
    """
    if url.drivername != "sqlite":
        return create_engine(url, connect_args=dict(POSTGRES_OPTIONS), pool_size=2, pool_pre_ping=True)
    # A reader keeps no connection: with one it would read a file that was moved.
    pool = {} if writes else {"poolclass": NullPool}
    engine = create_engine(url, connect_args={"timeout": BUSY_S}, **pool)
    event.listen(engine, "connect", _set_up_writer if writes else _set_up_reader)
    event.listen(engine, "begin", _begin)
    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; one of several processes does it, the others wait.

    Raises:
        ConfigError: the database was written by a newer petmood, or isn't a prediction log.
        LogUnavailable: the database can't be reached.
    """
    config = _alembic()
    _make_file(engine)
    with reaching(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
        found = _revision(connection, engine)
        if found is None and engine.dialect.has_table(connection, "predictions"):
            where = shown_address(engine.url)
            raise ConfigError(f"{where} has a table 'predictions' of something else. Give another database.")
        if found != ScriptDirectory.from_config(config).get_current_head():
            config.attributes["connection"] = connection
            config.attributes["version_table"] = VERSION_TABLE
            command.upgrade(config, "head")


def open_log(given: str, *, writes: bool = False) -> Engine:
    """Return an engine for an existing log, for a command that only reads it, or one that writes, too.

    Only for one that writes, an older schema is brought up to date. A database without a log is never changed.

    Raises:
        ConfigError: as ``database_url`` and ``migrate``, or there is no log, or reading meets an older schema.
        LogUnavailable: the database can't be reached.
    """
    url = database_url(given)
    if url.drivername == "sqlite" and not Path(str(url.database)).is_file():
        raise ConfigError(
            f"No prediction log at {url.database}. Start the service with --prediction-log {given}, or check the path."
        )
    engine = connect(url, writes=False)
    try:
        _check_schema(engine, or_older=writes)
    except BaseException:
        engine.dispose()
        raise
    if writes:
        engine.dispose()
        engine = connect(url)
        migrate(engine)
    return engine


def file_key(engine: Engine) -> tuple[int, int] | None:
    """Return device and inode of the file at a log's path; None without a file, and for PostgreSQL."""
    if engine.dialect.name != "sqlite":
        return None
    try:
        found = Path(str(engine.url.database)).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def empty_wal(engine: Engine) -> None:
    """Copy SQLite's write-ahead log into the file that is open, and empty it; waits for readers up to ``BUSY_S``.

    What was deleted is in the write-ahead log until then. Nothing happens on PostgreSQL, or if the file can't be used.
    """
    if engine.dialect.name != "sqlite":
        return
    with suppress(DBAPIError, sqlite3.Error):
        connection = engine.raw_connection()  # outside of a transaction
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.fetchall()
            cursor.close()
        finally:
            connection.close()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a connection that only reads, and so doesn't keep a service from writing.

    Raises:
        LogUnavailable: the database can't be reached.
    """
    with reaching(engine), engine.connect().execution_options(**{READS: True}) as connection:
        yield connection


@contextmanager
def reaching(engine: Engine) -> Iterator[None]:
    """Raise ``LogUnavailable`` where the database can't be used: away, read-only, without its tables, or forbidden.

    Raises:
        LogUnavailable: the message names the address without the password.
    """
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, DataError | IntegrityError) and not error.connection_invalidated:
            raise  # of a row
        reason = one_line(error.orig or error)
        raise LogUnavailable(f"The prediction log {shown_address(engine.url)} can't be used: {reason}") from error


def _check_file(path: Path) -> None:
    if not path.parent.is_dir():
        raise ConfigError(f"Expected the prediction log's folder to exist: {path.parent}. Create it, or give another.")
    if path.is_dir():
        raise ConfigError(f"Expected a file as the prediction log, got the folder {path}.")


def _make_file(engine: Engine) -> None:
    """Make the file of a new log in SQLite, and remove what a file that was there before has left beside it.

    SQLite would take that for parts of the new file, while other processes still use it with the old one.
    """
    path = Path(str(engine.url.database))
    with suppress(OSError):  # SQLite reports it, too
        while engine.dialect.name == "sqlite" and not path.exists():
            try:
                with exclusive_lock(path):
                    if not path.exists():
                        for suffix in ("-wal", "-shm"):
                            path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
                        path.touch()
            except OutputLocked:  # by another process, for a moment
                time.sleep(MAKING_S)


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    return config


def _check_schema(engine: Engine, *, or_older: bool) -> None:
    """Refuse a database without a log, and a log with another schema, unless it is an older one that may be.

    Raises:
        ConfigError: the message says which.
        LogUnavailable: the database can't be reached.
    """
    where, head = shown_address(engine.url), ScriptDirectory.from_config(_alembic()).get_current_head()
    with reading(engine) as connection:
        found = _revision(connection, engine)
    if found is None:
        raise ConfigError(
            f"{where} isn't a prediction log: it has no table {VERSION_TABLE}. Check the address; a service makes the "
            "tables when it starts with --prediction-log."
        )
    if found != head and not or_older:
        raise ConfigError(
            f"The prediction log {where} has the schema {found}, this version reads {head}. Start a service of this "
            "version with it, which brings it up to date."
        )


def _revision(connection: Connection, engine: Engine) -> str | None:
    """Return the revision of the schema, None where there is none.

    Raises:
        ConfigError: an unknown revision.
    """
    found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    known = {one.revision for one in ScriptDirectory.from_config(_alembic()).walk_revisions()}
    if found is not None and found not in known:
        raise ConfigError(
            f"The prediction log {shown_address(engine.url)} has the schema {found}, this version has {max(known)}: a "
            "newer petmood wrote it. Upgrade petmood, or give another database."
        )
    return found


def _set_up_reader(connection: Any, _: object) -> None:  # noqa: ANN401 - sqlite3.Connection or a proxy of it
    """Leave transactions to SQLAlchemy: sqlite3 would begin them too late."""
    connection.isolation_level = None


def _set_up_writer(connection: Any, _: object) -> None:  # noqa: ANN401 - as above
    """Set write-ahead logging, and that what is deleted is overwritten."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Begin a transaction as a writer, unless it only reads: else one that reads first could fail without waiting."""
    reads = connection.get_execution_options().get(READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
