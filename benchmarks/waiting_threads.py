"""Training steps where OpenMP's threads wait by sleeping, by spinning briefly, or by torch's own default, in turns.

A step has some thousand parallel loops, each of which ends and wakes a thread. A thread that sleeps costs tens of
microseconds to wake, one core being idle meanwhile; one that spins takes a core from others on a busy machine. Target:
the environment that ``petmood`` sets takes at most 1.02x the time of the fastest of them. mobilenet_v3_small and
efficientnet_lite0 at 160 px in batches of 32. Each setting has a process of its own, since OpenMP reads the environment
once; all processes run the whole time, and one trains at a time. The weights are the same, bit by bit.
"""

import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from typing import Final

from benchmarks.common import report
from petmood.core.processors import WAITING, processor_count

__all__ = ["main"]

BACKBONES: Final = ("mobilenet_v3_small", "efficientnet_lite0")
SETTINGS: Final = {
    "petmood": dict(WAITING),
    "sleeping": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spinning_1000": {"GOMP_SPINCOUNT": "1000"},
    "spinning_10000": {"GOMP_SPINCOUNT": "10000"},
    "torch": {},
}
ROUNDS: Final = 7
STEPS: Final = 4
TARGET: Final = 1.02
PROGRAM: Final = """
import hashlib, json, os, sys, time
import torch
from torch.nn import functional
from petmood.core.image import ImageSpec
from petmood.models.network import NetworkSpec, build_network
from petmood.training.memory import keep_freed_memory

backbone, steps = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
network = build_network(NetworkSpec(backbone, dropout=0.0), image=ImageSpec(side_px=160), classes=4)
network = network.train().to(memory_format=torch.channels_last)
images = torch.randint(0, 256, (32, 160, 160, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
labels = torch.arange(32) % 4
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

def step():
    loss = functional.cross_entropy(network(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with keep_freed_memory():
    for _ in range(2):
        step()
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            step()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        weights = b"".join(weight.detach().numpy().tobytes() for weight in network.parameters())
        print(json.dumps([wall / steps, cpu / steps, hashlib.sha256(weights).hexdigest()]), flush=True)
"""


def main() -> None:
    """Measure and report."""
    for backbone in BACKBONES:
        with ExitStack() as stack:
            processes = {name: stack.enter_context(_started(backbone, added)) for name, added in SETTINGS.items()}
            turns = [_round(processes, backwards=bool(number % 2)) for number in range(ROUNDS)]
        medians = {name: statistics.median(turn[name][0] for turn in turns) for name in SETTINGS}
        cores = {name: statistics.median(turn[name][1] / turn[name][0] for turn in turns) for name in SETTINGS}
        fastest = min(medians, key=lambda name: medians[name])
        report(
            f"waiting threads: a training step of {backbone} as petmood sets them against the fastest way",
            ratio=statistics.median(turn["petmood"][0] / turn[fastest][0] for turn in turns),
            target=TARGET,
            details={
                "ms": {name: round(1000 * seconds) for name, seconds in medians.items()},
                "cores_used": {name: round(used, 2) for name, used in cores.items()},
                "against_sleeping": {
                    name: round(statistics.median(turn[name][0] / turn["sleeping"][0] for turn in turns), 3)
                    for name in SETTINGS
                },
                "fastest": fastest,
                "processors": processor_count(),
                "load": round(os.getloadavg()[0], 1),
            },
            conditions={"all have the same weights": len({one[2] for one in turns[-1].values()}) == 1},
        )


def _started(backbone: str, added: dict[str, str]) -> "subprocess.Popen[str]":
    names = {name for one in SETTINGS.values() for name in one}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-c", PROGRAM, backbone, str(STEPS)]
    process = subprocess.Popen(
        command, env=kept | added, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise RuntimeError(f"The process of {added} did not start.")
    return process


def _round(processes: "dict[str, subprocess.Popen[str]]", *, backwards: bool) -> dict[str, tuple[float, float, str]]:
    """Let each process train some steps, one after the other; return seconds, processor seconds and a hash."""
    found = {}
    for name in reversed(processes) if backwards else processes:
        process = processes[name]
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("The processes have no pipes.")
        process.stdin.write("\n")
        seconds, cpu_s, digest = json.loads(process.stdout.readline())
        found[name] = (seconds, cpu_s, digest)
    return found


if __name__ == "__main__":
    main()
