"""Tests that the processes of one test run write one deterministic table of faults."""

from pathlib import Path

import pytest

from tests.support.fault_table import HEAD, TABLE_VARIABLE, FaultTable


def collected(*rows: tuple[int, str, int]) -> FaultTable:
    """Return a table with these rows."""
    table = FaultTable()
    for fault, given, status in rows:
        table.add(fault, given, status, below_mb=50)
    return table


def test_two_processes_write_one_table_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TABLE_VARIABLE, raising=False)
    parts = {
        "gw0": collected((2, "cut", 422), (1, "large", 413)),
        "gw1": collected((1, "a bomb", 413), (2, "cut", 422)),
    }
    expected = f"{HEAD}| 1 | a bomb | 413 |  | 50 |\n| 1 | large | 413 |  | 50 |\n| 2 | cut | 422 |  | 50 |\n"
    for number, order in enumerate((["gw0", "gw1"], ["gw1", "gw0"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        for part in order:
            written = parts[part].write(folder, part=part)
        assert written.read_text() == expected


def test_a_page_keeps_its_text_around_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Faults\n\n{HEAD}| 9 | old | 200 |  |  |\n\nThe end.\n")
    monkeypatch.setenv(TABLE_VARIABLE, str(page))
    collected((1, "large", 413)).write(tmp_path, part="main")
    assert page.read_text() == f"# Faults\n\n{HEAD}| 1 | large | 413 |  | 50 |\n\nThe end.\n"
