"""CPU time of the slowest hostile photo among fragmented files and 2000 mutations. Target: 2 s each.

The CPU time of this thread is measured, which other processes hardly affect.
"""

import contextlib
import random
import time
from typing import Final

from benchmarks.common import report
from petmood.core.errors import PhotoError
from petmood.core.photo import decode
from tests.support.hostile_photos import COUNTLESS, mutated, of_countless_pieces, seeds_of_mutations

__all__ = ["main"]

LIMIT_S: Final = 2.0
MUTATIONS: Final = 2000


def decode_s(data: bytes, *, at_least_px: int | None = None) -> float:
    """Return the CPU seconds until a photo is decoded or rejected."""
    started = time.thread_time()
    with contextlib.suppress(PhotoError):
        decode(data, at_least_px=at_least_px)
    return time.thread_time() - started


def main() -> None:
    """Measure and report."""
    pieces = {name: decode_s(of_countless_pieces(name)) for name in COUNTLESS}
    chance, seeds = random.Random(18), seeds_of_mutations()  # noqa: S311 - not used for secrets
    mutations = max(
        decode_s(mutated(chance.choice(seeds), chance), at_least_px=chance.choice((None, 16))) for _ in range(MUTATIONS)
    )
    found = {"mutations": mutations, **pieces}
    report(
        f"hostile photos: the slowest, seconds of {LIMIT_S:g}",
        ratio=max(found.values()) / LIMIT_S,
        target=1.0,
        details={f"{name}_s": round(value, 4) for name, value in found.items()},
    )


if __name__ == "__main__":
    main()
