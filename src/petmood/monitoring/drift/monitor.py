"""Repeated drift tests of a growing prediction log: non-overlapping windows, each tested once.

A test that is repeated at every few new rows shares most of its rows with the test before, and is made often: by
chance it soon finds something. Windows that share no row keep the level of the test.
"""

import logging
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine

from petmood.core.errors import ConfigError, LogUnavailable
from petmood.monitoring.drift.state import AlertState, DriftState, read_state, write_state
from petmood.monitoring.drift.tester import DriftTester, WindowResult
from petmood.monitoring.metric_names import DriftStatus
from petmood.monitoring.prediction_log.reader import place_before, read_next, read_window, rows_by_bundle
from petmood.monitoring.prediction_log.rows import RowPlace

__all__ = ["KEPT", "WINDOW_ROWS", "BundleMonitor", "DriftMonitor"]

logger = logging.getLogger(__name__)

WINDOW_ROWS: Final = 200
"""Rows of a window unless another number is asked for."""
KEPT: Final = 50
"""Windows that are kept, and windows before now that a new monitor begins with."""


class BundleMonitor:
    """The windows of one bundle, and the state of its alert.

    Windows begin at the first row of the bundle in the log, or after the last one that was tested before a restart. The
    log's database has its place and the alert. Where it can't be written, they are in memory alone, and the log of the
    process says so once. Rows that come later than a row of a later time, such as those of a spool, are not
    tested if their window was tested before. Rows that are deleted move no later window.
    """

    def __init__(self, tester: DriftTester, *, size: int) -> None:
        self.tester, self.size = tester, size
        self.windows: deque[WindowResult] = deque(maxlen=KEPT)
        self.alert = AlertState()
        self.counts: Counter[DriftStatus] = Counter()
        self._after: RowPlace | None = None
        self._has_begun = self._told = False

    @property
    def last(self) -> WindowResult | None:
        """The last window that was tested, if there is one."""
        return self.windows[-1] if self.windows else None

    def update(self, engine: Engine) -> list[WindowResult]:
        """Test the windows that are complete since the last call; return them.

        Raises:
            LogUnavailable: the database can't be reached; the windows before it are kept.
        """
        found: list[WindowResult] = []
        if not self._has_begun:
            self._begin(engine)
        while True:
            rows = read_next(
                engine, self.tester.bundle, columns=self.tester.columns, after=self._after, count=self.size
            )
            if len(rows.places) < self.size:
                return found
            window = self.tester.test(rows)
            self._after = rows.places[-1]
            self.windows.append(window)
            self.alert = self.alert.after(window.result.status)
            self.counts[window.result.status] += 1
            self._save(engine, DriftState(self._after, self.alert))
            found.append(window)

    def _begin(self, engine: Engine) -> None:
        """Take up the state in the database, if there is one, with the windows up to its place, so that they are shown.

        Without a state, begin at most ``KEPT`` windows before now.
        """
        bundle, state = self.tester.bundle, self._saved(engine)
        if state is None:
            counts = {one.bundle.sha256: one.rows for one in rows_by_bundle(engine)}
            windows, more = divmod(counts.get(bundle.sha256, 0), self.size)
            self._after = place_before(engine, bundle, min(KEPT, windows) * self.size + more)
        else:
            self.windows = self._windows_up_to(engine, state.place)
            self.alert, self._after = state.alert, state.place
        self._has_begun = True

    def _windows_up_to(self, engine: Engine, place: RowPlace) -> deque[WindowResult]:
        """Test at most ``KEPT`` windows again, of which the last ends at a place; return them, oldest first."""
        found: deque[WindowResult] = deque(maxlen=KEPT)
        bundle, columns, end = self.tester.bundle, self.tester.columns, place
        while len(found) < KEPT:
            rows = read_window(engine, bundle, columns=columns, last=self.size, up_to=end)
            if len(rows.places) < self.size:
                break
            found.appendleft(self.tester.test(rows))
            before = place_before(engine, bundle, self.size, up_to=end)
            if before is None:
                break
            end = before
        return found

    def _saved(self, engine: Engine) -> DriftState | None:
        try:
            return read_state(engine, self.tester.bundle)
        except LogUnavailable as error:
            rows_by_bundle(engine)  # raises as well if the database is away, rather than the table forbidden
            self._tell(error)
            return None

    def _save(self, engine: Engine, state: DriftState) -> None:
        try:
            write_state(engine, self.tester.bundle, state)
        except LogUnavailable as error:
            self._tell(error)

    def _tell(self, error: LogUnavailable) -> None:
        if not self._told:
            name = f"{self.tester.bundle.name} {self.tester.bundle.version}"
            logger.warning(
                "drift: the last tested row and the alert of %s are in memory alone; a restart tests the last %d "
                "windows again. %s",
                name,
                KEPT,
                error,
            )
        self._told = True


class DriftMonitor:
    """The windows of several bundles in one log.

    Raises:
        ConfigError: ``size`` is below 1, or a bundle is given twice.
    """

    def __init__(self, testers: Sequence[DriftTester], *, size: int = WINDOW_ROWS) -> None:
        if size < 1:
            raise ConfigError(f"Expected windows of 1 row or more, got {size}.")
        self._size = size
        self._known: dict[str, BundleMonitor] = {}
        self.bundles: tuple[BundleMonitor, ...] = ()
        self.follow(testers)

    def follow(self, testers: Sequence[DriftTester]) -> None:
        """Continue with these bundles; those that were followed before keep their windows and alerts.

        Raises:
            ConfigError: a bundle is given twice.
        """
        if len({one.bundle.sha256 for one in testers}) < len(testers):
            raise ConfigError("Expected different bundles, got one twice.")
        for one in testers:
            self._known.setdefault(one.bundle.sha256, BundleMonitor(one, size=self._size))
        self.bundles = tuple(self._known[one.bundle.sha256] for one in testers)

    def update(self, engine: Engine) -> list[WindowResult]:
        """Test the complete windows of all bundles; return them.

        Raises:
            LogUnavailable: the database can't be reached.
        """
        return [window for one in self.bundles for window in one.update(engine)]

    @property
    def counts(self) -> Counter[DriftStatus]:
        """The number of windows by status, of bundles that are followed no more as well."""
        return sum((one.counts for one in self._known.values()), Counter())
