"""Deletion on request: from the database, with the rows that lie in the spool beside it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from petmood.core.errors import ConfigError
from petmood.monitoring.prediction_log.rows import LogRow
from petmood.monitoring.prediction_log.spool import replay_orphans, rows_in
from petmood.monitoring.prediction_log.store import LogStore

__all__ = ["Deleted", "delete_before", "delete_requests"]


@dataclass(frozen=True, slots=True)
class Deleted:
    """Number of rows deleted, and number of those in the spool of a running service, which will write them."""

    rows: int
    left: int


def delete_requests(store: LogStore, request_ids: Sequence[str], *, spool: Path) -> Deleted:
    """Delete the rows of requests; ``spool`` is the folder of the log's spool.

    Rows of ended services are first written from there into the database, as the next service would do.

    Raises:
        ConfigError: the folder can't be read.
        LogUnavailable: the database can't be reached.
    """
    named = frozenset(request_ids)
    left = _take_in(store, spool, lambda row: row.request_id in named)
    return Deleted(store.delete_requests(request_ids), left)


def delete_before(store: LogStore, time_us: int, *, spool: Path) -> Deleted:
    """Delete the rows of before a time, in microseconds since 1970; ``spool`` and errors as in ``delete_requests``."""
    left = _take_in(store, spool, lambda row: row.time_us < time_us)
    return Deleted(store.delete_before(time_us), left)


def _take_in(store: LogStore, spool: Path, is_meant: Callable[[LogRow], bool]) -> int:
    """Write the rows of dead processes into the database; return how many of those that are meant are left."""
    if not spool.exists():
        return 0
    try:
        if not os.access(spool, os.R_OK | os.X_OK):
            raise PermissionError("it can't be read")
        for rows in replay_orphans(spool):
            store.insert(rows)
        return sum(is_meant(row) for row in rows_in(spool))
    except OSError as error:
        raise ConfigError(
            f"Rows to delete may lie in the spool {spool}, which can't be used: {error}. Run the command as the user "
            "of the service."
        ) from error
