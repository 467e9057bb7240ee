"""Tests of the allocator's memory during a training."""

import ctypes
import os
import resource

import pytest

from petmood.training import memory as module
from petmood.training.memory import keep_freed_memory

LARGE_BYTES = 48_000_000
glibc = pytest.mark.skipif(not module._is_glibc(), reason="the setting is glibc's")


def faults_of_a_repeated_allocation() -> int:
    """Return the page faults of allocating, writing and freeing the same amount of memory five times."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        block = libc.malloc(LARGE_BYTES)
        ctypes.memset(block, 1, LARGE_BYTES)
        libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_memory_is_mapped_once_inside_and_each_time_outside() -> None:
    pages = LARGE_BYTES // os.sysconf("SC_PAGESIZE")
    with keep_freed_memory():
        faults_of_a_repeated_allocation()
        assert faults_of_a_repeated_allocation() < pages / 10
    assert faults_of_a_repeated_allocation() > 4 * pages


@glibc
def test_the_defaults_are_set_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[tuple[int, int], ...]] = []
    monkeypatch.setattr(module, "_set", lambda _, values: given.append(values))
    with pytest.raises(ValueError, match="stop"), keep_freed_memory():
        raise ValueError("stop")
    assert given == [module.KEPT, module.DEFAULTS]


@glibc
def test_the_end_of_an_inner_block_leaves_the_memory_to_the_outer_one() -> None:
    pages = LARGE_BYTES // os.sysconf("SC_PAGESIZE")
    with keep_freed_memory():
        with keep_freed_memory():
            faults_of_a_repeated_allocation()
        faults_of_a_repeated_allocation()
        assert faults_of_a_repeated_allocation() < pages / 10
    assert faults_of_a_repeated_allocation() > 4 * pages


@glibc
def test_the_memory_is_returned_once_by_the_last_block_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[tuple[int, int], ...]] = []
    monkeypatch.setattr(module, "_set", lambda _, values: given.append(values))
    first, second = keep_freed_memory(), keep_freed_memory()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert given == [module.KEPT]
    second.__exit__(None, None, None)
    assert given == [module.KEPT, module.DEFAULTS]


def test_without_glibc_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_glibc", lambda: False)
    monkeypatch.setattr(module, "_set", None)
    with keep_freed_memory():
        entered = True
    assert entered
