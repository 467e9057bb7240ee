"""Journal through kills and full disks: complete entries are kept, truncated ones are dropped."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from petmood.core.errors import TrackingError
from petmood.training.tracking.events import Entry, RunStarted, Tags, as_line
from petmood.training.tracking.spool import append, begin_of, read_journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return the place of a journal that isn't there yet."""
    return tmp_path / "tracking.jsonl"


def told(journal: Path) -> list[str]:
    """Return what a journal holds."""
    return [placed.entry.model_dump_json() for placed in read_journal(journal)]


def test_entries_read_back_in_order_and_from_any_place_on(
    journal: Path, begun: RunStarted, entries: list[Entry]
) -> None:
    assert read_journal(journal) == []
    append(journal, [begun])
    append(journal, entries)
    found = read_journal(journal)
    assert told(journal) == [entry.model_dump_json() for entry in [begun, *entries]]
    assert begin_of(journal) == begun
    for number, placed in enumerate(found, start=1):
        assert len(read_journal(journal, after=placed.end)) == len(found) - number
    assert found[-1].end == journal.stat().st_size


def test_a_torn_last_line_is_passed_over_and_cut_by_the_next_entry(journal: Path, begun: RunStarted) -> None:
    whole, torn = as_line(begun), as_line(Tags(values={"a": "x" * 100_000}))
    for length in (1, 20, len(torn) - 1):
        journal.write_bytes(whole + torn[:length])
        assert told(journal) == [begun.model_dump_json()]
        append(journal, [Tags(at_ms=1, values={"b": "c"})])
        assert journal.read_bytes() == whole + as_line(Tags(at_ms=1, values={"b": "c"}))


def test_a_journal_of_a_torn_line_alone_begins_anew(journal: Path, begun: RunStarted) -> None:
    journal.write_bytes(as_line(begun)[:-5])
    append(journal, [begun])
    assert begin_of(journal) == begun


def test_a_damaged_line_within_is_named_by_its_place(journal: Path, begun: RunStarted) -> None:
    journal.write_bytes(as_line(begun) + b"rubbish\n" + as_line(begun))
    with pytest.raises(TrackingError, match=rf"tracking.jsonl is damaged before byte {len(as_line(begun)) + 8}"):
        read_journal(journal)


def test_a_journal_without_its_first_entry_is_refused(journal: Path) -> None:
    with pytest.raises(TrackingError, match="was not tracked"):
        begin_of(journal)
    append(journal, [Tags(values={"a": "b"})])
    with pytest.raises(TrackingError, match="was not tracked"):
        begin_of(journal)


def test_a_full_disk_leaves_the_journal_as_it_was(journal: Path, begun: RunStarted) -> None:
    """A limit on the size of files stands for the full disk: the kernel takes some bytes and refuses the rest."""
    append(journal, [begun])
    before = journal.read_bytes()
    limits, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            append(journal, [Tags(values={"a": "x" * 1000})])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
    assert journal.read_bytes() == before


PROGRAM = """
import sys
from pathlib import Path
from petmood.training.tracking.events import Tags
from petmood.training.tracking.spool import append
number = 0
while True:
    append(Path(sys.argv[1]), [Tags(values={"number": str(number), "fill": "x" * 20_000})])
    number += 1
"""


@pytest.mark.spawns
def test_a_kill_at_any_moment_costs_at_most_the_entry_that_was_being_written(journal: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(journal)]) as process:
        while not journal.exists() or journal.stat().st_size < 500_000:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    found = [placed.entry for placed in read_journal(journal)]
    assert [entry.values["number"] for entry in found if isinstance(entry, Tags)] == list(map(str, range(len(found))))
    assert len(found) > 20
