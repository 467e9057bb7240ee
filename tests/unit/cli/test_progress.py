"""Progress on stderr: a bar on a terminal, occasional lines elsewhere, nothing for quick tasks."""

import sys
from collections.abc import Iterator

import pytest

from petmood.cli import progress as show
from petmood.cli.progress import progress_bar


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the clock be four seconds after the last."""
    now = iter(range(0, 10_000, 4))
    monkeypatch.setattr("petmood.cli.progress.time.monotonic", lambda: float(next(now)))


def test_quick_work_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress_bar(range(5), total=5, what="counting")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("slow_clock")
def test_long_work_says_now_and_then_how_far_it_is_and_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    list(progress_bar(range(10), total=10, what="counting"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "counting: 2 of 10, about 48 s left"
    assert 2 <= len(err.splitlines()) <= 4


@pytest.mark.usefixtures("slow_clock")
def test_work_of_unknown_length_promises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    list(progress_bar(iter(range(5)), what="counting"))
    assert capsys.readouterr().err.splitlines()[0] == "counting: 2 of many"


def test_a_terminal_gets_a_bar_on_stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(show, "SILENT_S", 0.0)
    items: Iterator[int] = progress_bar(range(3), total=3, what="counting")
    assert list(items) == [0, 1, 2]
    out, err = capsys.readouterr()
    assert out == ""
    assert "counting" in err
