"""Memory of the C library's allocator, kept by the process while a network is trained on the CPU."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

__all__ = ["keep_freed_memory"]

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Parameters of glibc's ``mallopt`` (malloc.h)."""
KEPT: Final = ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**28))
DEFAULTS: Final = ((MMAP_MAX, 2**16), (TRIM_THRESHOLD, 2**17), (TOP_PAD, 2**17))
"""glibc's own values, in bytes (``MMAP_MAX``: a number of allocations)."""


@dataclass(slots=True)
class _Open:
    """The number of blocks of this process that keep memory."""

    blocks: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_open: Final = _Open()


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Keep freed memory in this process, instead of returning it to the system after each large tensor.

    A training step allocates and frees the same tensors of tens of megabytes. By default glibc maps each of them again,
    and the system clears every page again: a quarter of a step (``benchmarks/freed_memory.py``). Afterwards glibc's
    own values are set and the memory is returned. Of several blocks, nested or in threads, the last one to end does
    that. Does nothing where the C library isn't glibc.
    """
    libc = ctypes.CDLL(None) if _is_glibc() else None
    if libc is None:
        yield
        return
    with _open.lock:
        _open.blocks += 1
        if _open.blocks == 1:
            _set(libc, KEPT)
    try:
        yield
    finally:
        with _open.lock:
            _open.blocks -= 1
            if _open.blocks == 0:
                _set(libc, DEFAULTS)
                libc.malloc_trim(0)


def _set(libc: ctypes.CDLL, values: tuple[tuple[int, int], ...]) -> None:
    for parameter, value in values:
        libc.mallopt(parameter, value)


def _is_glibc() -> bool:
    return "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {}) and bool(os.confstr("CS_GNU_LIBC_VERSION"))
