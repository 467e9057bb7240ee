"""Duration of a training step that keeps freed memory against one that returns it. Target: 0.95x or less.

efficientnet_lite0, 32 images of 192 px: forward, backward and optimizer, in turns in one process. The page faults of a
step, in thousands, say what is saved.
"""

import resource
import time
from contextlib import nullcontext
from typing import Final

import torch
from torch.nn import functional

from benchmarks.common import report
from petmood.core.image import ImageSpec
from petmood.models.network import NetworkSpec, build_network
from petmood.training.memory import keep_freed_memory

__all__ = ["main"]

BACKBONE: Final = "efficientnet_lite0"
SIDE_PX: Final = 192
BATCH: Final = 32
STEPS: Final = 4
ROUNDS: Final = 3
TARGET: Final = 0.95


def main() -> None:
    """Measure and report."""
    torch.manual_seed(0)
    network = build_network(NetworkSpec(BACKBONE), image=ImageSpec(side_px=SIDE_PX), classes=4).train()
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.randint(0, 256, (BATCH, 3, SIDE_PX, SIDE_PX), dtype=torch.uint8)
    labels = torch.arange(BATCH) % 4

    def step() -> None:
        loss = functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own method has no annotations
        optimizer.step()

    best, faults = {"kept": float("inf"), "returned": float("inf")}, {"kept": 0, "returned": 0}
    for _ in range(ROUNDS):
        for name, memory in (("kept", keep_freed_memory()), ("returned", nullcontext())):
            with memory:
                step()  # the first step of a round maps its memory in either case
                before, began = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
                for _ in range(STEPS):
                    step()
                best[name] = min(best[name], (time.perf_counter() - began) / STEPS)
                faults[name] = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // STEPS
    report(
        f"freed_memory: a step of {BACKBONE} at {SIDE_PX} px",
        ratio=best["kept"] / best["returned"],
        target=TARGET,
        details={
            "kept_s": round(best["kept"], 3),
            "returned_s": round(best["returned"], 3),
            "kept_thousand_faults": round(faults["kept"] / 1000, 1),
            "returned_thousand_faults": round(faults["returned"] / 1000, 1),
            "threads": torch.get_num_threads(),
        },
    )


if __name__ == "__main__":
    main()
