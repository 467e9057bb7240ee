"""Sweep on PostgreSQL: several processes, resumption after kills, and no leak of the password."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from petmood.core.errors import RunError
from petmood.tuning.locks import PostgresTrialLocks
from petmood.tuning.storage import connect
from tests.support.halts import Halts
from tests.support.postgres import Server, postgres_server
from tests.support.small_sets import write_small_set
from tests.support.sweeping import SWEEP, begin, finish, running, table, trials_of, wait_ended, wait_halted
from tests.support.waiting import wait_until

FOLDER = Path("runs/sweeps/first")

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Return a server that only this module uses."""
    with postgres_server() as found:
        yield found


def driver_url(server: Server) -> str:
    """Return the address as SQLAlchemy takes it."""
    return server.url_with_password.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def storage(server: Server) -> Iterator[RDBStorage]:
    """Return the storage, opened as petmood does."""
    found = connect(driver_url(server))
    yield found
    found.remove_session()
    found.engine.dispose()


def test_a_lock_belongs_to_one_session_and_is_free_when_that_session_dies(storage: RDBStorage) -> None:
    one, other = PostgresTrialLocks(storage.engine, study="locks"), PostgresTrialLocks(storage.engine, study="locks")
    elsewhere = PostgresTrialLocks(storage.engine, study="another")
    assert one.take(7)
    assert not other.take(7)
    assert other.take(8)
    assert elsewhere.take(7), "another study's trials are others"
    one.close()
    assert other.take(7)
    for claims in (other, elsewhere):
        claims.close()


def sessions_that_wait(storage: RDBStorage) -> int:
    """Return how many sessions wait for an advisory lock."""
    with storage.engine.connect() as session:
        asked = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return int(session.execute(asked).scalar_one())


def test_only_one_session_at_a_time_decides(storage: RDBStorage) -> None:
    one, other = PostgresTrialLocks(storage.engine, study="turns"), PostgresTrialLocks(storage.engine, study="turns")
    entered = threading.Event()

    def decide() -> None:
        with other.allocation_lock():
            entered.set()

    with one.allocation_lock():
        waiting = threading.Thread(target=decide)
        waiting.start()
        wait_until(lambda: sessions_that_wait(storage) == 1, what="a session that waits for its turn")
        assert not entered.is_set()
    assert entered.wait(120)
    waiting.join()
    for claims in (one, other):
        claims.close()


@pytest.mark.posix
def test_a_killed_sweep_goes_on_with_two_workers_and_another_machine_helps(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other machine is another folder: it shares the storage and nothing else."""
    monkeypatch.setenv("PGPASSWORD", server.password)
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        write_small_set(place / "data/set", train=64, valid=32, noise=60)
    wanted = [*SWEEP, "data=data/set", "n_trials=12", "search.workers=2", f"search.storage={server.url}"]
    halts, far = Halts(tmp_path / "halts"), Halts(tmp_path / "far")
    halts.add()
    with begin(wanted, cwd=here, halts=halts) as killed:
        workers = wait_halted(halts, killed, count=2, cwd=here)
        killed.send_signal(signal.SIGKILL)
    assert {trial.user_attrs["process"] for trial in running(driver_url(server))} == set(workers)
    halts.remove()  # Lightning ends at the next batch
    wait_ended(workers)
    halts.add()
    far.add()
    with (
        begin([*wanted, "search.workers=1"], cwd=there, halts=far) as helping,
        begin(wanted, cwd=here, halts=halts) as continued,
    ):
        wait_halted(far, helping, cwd=there)  # both have trials before either may end all of them
        wait_halted(halts, continued, cwd=here)
        far.remove()
        halts.remove()
        assert [process.wait(timeout=1800) for process in (helping, continued)] == [0, 0]
    printed = (here / "out.txt").read_text()
    trials = trials_of(driver_url(server))
    assert [trial.number for trial in trials] == list(range(12))
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({str(trial.user_attrs["run"]).partition("/runs/")[0] for trial in trials}) == 2, "both have to work"
    assert len(table(here / FOLDER)) == 12
    assert ("Next: petmood evaluate" in printed) != ("The best run was trained elsewhere" in printed)


def test_a_password_in_the_address_is_written_nowhere(server: Server, tmp_path: Path) -> None:
    write_small_set(tmp_path / "data/set")
    address = server.url_with_password
    wanted = [*SWEEP, "data=data/set", "n_trials=3", "epochs=1", "search.name=secret", "search.workers=2"]
    finish([*wanted, f"search.storage='{address}'"], cwd=tmp_path)
    held = [path for path in tmp_path.rglob("*") if path.is_file() and server.password.encode() in path.read_bytes()]
    assert held == []
    study = trials_of(driver_url(server), "secret")
    assert server.password not in str([(trial.user_attrs, trial.params) for trial in study])
    (tmp_path / "err.txt").unlink()
    begun = begin([*wanted, f"search.storage='{address.replace('/postgres', '/nowhere')}'"], cwd=tmp_path)
    assert begun.wait(timeout=600) == 2
    said = (tmp_path / "err.txt").read_text()
    assert "The storage postgresql+psycopg://127.0.0.1:" in said
    assert server.password not in said
    assert said.count("\n") == 1


def test_processes_that_meet_an_empty_database_at_once_all_open_it(server: Server) -> None:
    url = make_url(driver_url(server))
    with create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as session:
        session.execute(text("CREATE DATABASE fresh"))
    fresh = url.set(database="fresh").render_as_string(hide_password=False)
    together = threading.Barrier(4)

    def open_it(_: int) -> RDBStorage:
        together.wait()
        return connect(fresh)

    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(open_it, range(4)))
    for storage in opened:
        storage.remove_session()
        storage.engine.dispose()


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(RunError, match=r"The storage postgresql\+psycopg://127\.0\.0\.1:9/x can't be used: "):
        connect("postgresql+psycopg://u:geheim@127.0.0.1:9/x")
