"""Tests of the allocator's memory during a training."""

import json
import subprocess
import sys

import pytest

from petmood.training import memory as module
from petmood.training.memory import keep_freed_memory

glibc = pytest.mark.skipif(not module._is_glibc(), reason="the setting is glibc's")
FRESH_PROCESS = """
import ctypes, json, os, resource
from contextlib import ExitStack
from petmood.training.memory import keep_freed_memory

SIZE = 48_000_000
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        block = libc.malloc(SIZE)
        ctypes.memset(block, 1, SIZE)
        libc.free(block)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * os.sysconf("SC_PAGESIZE") / SIZE

with keep_freed_memory():
    with keep_freed_memory():
        faults()
        inside = faults()
    nested = faults()
print(json.dumps([inside, nested, faults()]))
"""
"""Prints how often memory that is allocated five times is mapped: in two blocks, in the outer one, and outside."""


@glibc
def test_memory_is_mapped_once_inside_of_all_blocks_and_each_time_outside() -> None:
    """In a process of its own: large free places in the heap, which other tests leave, are taken outside too."""
    done = subprocess.run([sys.executable, "-c", FRESH_PROCESS], capture_output=True, text=True, check=True)
    inside, nested, outside = json.loads(done.stdout)
    assert inside < 0.1
    assert nested < 0.1
    assert outside > 4


@glibc
def test_the_defaults_are_set_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[tuple[int, int], ...]] = []
    monkeypatch.setattr(module, "_set", lambda _, values: given.append(values))
    with pytest.raises(ValueError, match="stop"), keep_freed_memory():
        raise ValueError("stop")
    assert given == [module.KEPT, module.DEFAULTS]


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
