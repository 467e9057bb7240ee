"""Tests of the number of processors and of their name, also on systems without affinity."""

import os

import pytest

from petmood.core.processors import processor_count, processor_name


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_only_processors_that_this_process_may_use_are_counted() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert processor_count() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert processor_count() == len(allowed)


@pytest.mark.parametrize(("found", "expected"), [(6, 6), (None, 1)])
def test_without_affinity_all_processors_count(
    monkeypatch: pytest.MonkeyPatch, found: int | None, expected: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: found)
    assert processor_count() == expected


@pytest.mark.parametrize(("found", "expected"), [(3, 3), (None, 1)])
def test_where_the_call_is_forbidden_all_processors_count(
    monkeypatch: pytest.MonkeyPatch, found: int | None, expected: int
) -> None:
    def refuse(_: int) -> set[int]:
        raise PermissionError("seccomp")

    monkeypatch.setattr(os, "sched_getaffinity", refuse, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: found)
    assert processor_count() == expected


def test_the_processor_has_a_name_of_one_line() -> None:
    name = processor_name()
    assert name == name.strip()
    assert name.splitlines() == [name]
