"""Tests of repeated drift tests over a growing log."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import ConfigError
from petmood.monitoring.drift import monitor as module
from petmood.monitoring.drift.monitor import DriftMonitor
from petmood.monitoring.drift.state import AlertState
from petmood.monitoring.drift.tester import DriftTester, WindowResult
from petmood.monitoring.metric_names import DriftStatus
from petmood.monitoring.prediction_log.store import LogStore
from petmood.monitoring.prediction_log.window import LoggedWindow
from tests.support.drifting import START_US, forbid_writes, log_photos, new_log


def starts(monitor: DriftMonitor) -> list[int]:
    """Return the numbers of the first rows of the kept windows."""
    return [(one.first_us - START_US) // 1_000_000 for one in monitor.bundles[0].windows if one.first_us is not None]


def test_each_row_is_tested_once_in_complete_windows(shared_bundle: Bundle, tmp_path: Path) -> None:
    engine = new_log(tmp_path)
    monitor = DriftMonitor([DriftTester(shared_bundle)], size=50)
    assert monitor.update(engine) == []
    log_photos(engine, shared_bundle, 70)
    assert [len(one.rows) for one in monitor.update(engine)] == [50]
    assert monitor.update(engine) == []
    log_photos(engine, shared_bundle, 100, first=70)
    assert len(monitor.update(engine)) == 2
    assert starts(monitor) == [0, 50, 100]
    assert monitor.bundles[0].last is monitor.bundles[0].windows[-1]
    engine.dispose()


def test_three_drifting_windows_in_a_row_make_an_alert_and_one_without_ends_it(
    shared_bundle: Bundle, tmp_path: Path
) -> None:
    engine = new_log(tmp_path)
    monitor = DriftMonitor([DriftTester(shared_bundle)], size=50)
    active = []
    for number, darkened in enumerate((True, True, True, False)):
        log_photos(engine, shared_bundle, 50, first=50 * number, darkened=darkened)
        monitor.update(engine)
        active.append(monitor.bundles[0].alert.active)
    engine.dispose()
    assert active == [False, False, True, False]
    assert monitor.counts == {DriftStatus.DRIFT: 3, DriftStatus.OK: 1}


def test_a_new_watch_begins_at_the_same_rows_and_passes_over_old_windows(
    shared_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 230)
    monitor = DriftMonitor([DriftTester(shared_bundle)], size=50)
    monitor.update(engine)
    engine.dispose()
    assert starts(monitor) == [100, 150]


def test_a_restart_continues_after_the_last_tested_row_with_the_alert(shared_bundle: Bundle, tmp_path: Path) -> None:
    """The first 30 rows are deleted meanwhile: windows that are counted from the first row would begin elsewhere."""
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 170, darkened=True)
    DriftMonitor([DriftTester(shared_bundle)], size=50).update(engine)
    LogStore(engine).delete_before(START_US + 30_000_000)
    again = DriftMonitor([DriftTester(shared_bundle)], size=50)
    assert again.update(engine) == []
    assert again.bundles[0].alert == AlertState(active=True, in_a_row=3)
    assert starts(again) == [50, 100]
    assert again.counts == {}
    log_photos(engine, shared_bundle, 30, first=170)
    assert len(again.update(engine)) == 1
    assert starts(again) == [50, 100, 150]
    engine.dispose()


class Interrupted(DriftTester):
    """Calls a function once, before its first test: what another process does meanwhile."""

    def __init__(self, bundle: Bundle, then: Callable[[], object]) -> None:
        super().__init__(bundle)
        self.then = [then]

    def test(self, logged: LoggedWindow) -> WindowResult:
        """Call the function, then compare rows."""
        while self.then:
            self.then.pop()()
        return super().test(logged)


@pytest.mark.parametrize("change", ["deleted", "late"])
def test_rows_that_are_deleted_or_come_late_while_a_monitor_starts_move_no_window(
    shared_bundle: Bundle, tmp_path: Path, change: str
) -> None:
    engine, other = new_log(tmp_path), new_log(tmp_path)
    log_photos(engine, shared_bundle, 80)
    log_photos(engine, shared_bundle, 40, first=110)
    DriftMonitor([DriftTester(shared_bundle)], size=50).update(engine)

    def meanwhile() -> None:
        if change == "deleted":
            LogStore(other).delete_before(START_US + 70_000_000)
        else:
            log_photos(other, shared_bundle, 30, first=80)

    again = DriftMonitor([Interrupted(shared_bundle, meanwhile)], size=50)
    assert again.update(engine) == []
    log_photos(engine, shared_bundle, 30, first=150)
    assert [one.first_us for one in again.update(engine)] == [START_US + 130_000_000]
    assert again.counts.total() == 1
    for one in (engine, other):
        one.dispose()


def test_a_restart_with_longer_windows_or_without_the_rows_keeps_the_alert(
    shared_bundle: Bundle, tmp_path: Path
) -> None:
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 150, darkened=True)
    DriftMonitor([DriftTester(shared_bundle)], size=50).update(engine)
    LogStore(engine).delete_before(START_US + 120_000_000)
    again = DriftMonitor([DriftTester(shared_bundle)], size=60)
    assert again.update(engine) == []
    assert (again.bundles[0].alert.active, starts(again)) == (True, [])
    log_photos(engine, shared_bundle, 60, first=150)
    assert [one.result.status for one in again.update(engine)] == [DriftStatus.OK]
    assert (again.bundles[0].alert.active, starts(again)) == (False, [150])
    engine.dispose()


def test_a_database_that_may_only_be_read_is_said_once_and_keeps_nothing_from_the_tests(
    shared_bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 150, darkened=True)
    forbid_writes(engine)
    monitor = DriftMonitor([DriftTester(shared_bundle)], size=50)
    assert len(monitor.update(engine)) == 3
    assert monitor.bundles[0].alert.active
    assert [record.message.partition(" are in memory alone")[0] for record in caplog.records] == [
        f"drift: the last tested row and the alert of demo {shared_bundle.manifest.version}"
    ]
    engine.dispose()


def test_a_second_monitor_of_a_log_begins_with_the_alert_of_the_first_and_then_has_its_own(
    shared_bundle: Bundle, tmp_path: Path
) -> None:
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 150, darkened=True)
    one, other = (DriftMonitor([DriftTester(shared_bundle)], size=size) for size in (50, 80))
    one.update(engine)
    other.update(engine)
    assert [found.bundles[0].alert.active for found in (one, other)] == [True, True]
    log_photos(engine, shared_bundle, 50, first=150)
    one.update(engine)
    other.update(engine)
    assert [found.bundles[0].alert.active for found in (one, other)] == [False, True]
    engine.dispose()


def test_a_bundle_that_is_followed_no_more_ends_its_alert_and_stays_counted(
    shared_bundle: Bundle, tmp_path: Path
) -> None:
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 150, darkened=True)
    monitor = DriftMonitor([DriftTester(shared_bundle)], size=50)
    monitor.update(engine)
    first = monitor.bundles[0]
    assert first.alert.active
    monitor.follow([DriftTester(shared_bundle)])
    assert monitor.bundles == (first,)
    other = DriftTester(replace(shared_bundle, sha256="f" * 64))
    monitor.follow([other])
    assert [one.tester for one in monitor.bundles] == [other]
    assert not monitor.bundles[0].alert.active
    assert monitor.counts == {DriftStatus.DRIFT: 3}
    engine.dispose()


def test_windows_without_a_row_and_a_bundle_given_twice_are_refused(shared_bundle: Bundle) -> None:
    tester = DriftTester(shared_bundle)
    with pytest.raises(ConfigError, match="1 row or more, got 0"):
        DriftMonitor([tester], size=0)
    with pytest.raises(ConfigError, match="got one twice"):
        DriftMonitor([tester, tester])
