"""Time and memory of one prediction from the command line. Targets: 1.0 s of CPU and 250 MB, no torch.

Complete processes are measured: `petmood predict BUNDLE photo.jpg` with a mobilenet_v3_small whose batch norms are
warmed up (so that its predictions differ), and `petmood --help`, with a limit of 0.3 s.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common import report
from tests.support.images import faces, jpeg, photo_like

__all__ = ["main"]

ROUNDS: Final = 5
PREDICT_S: Final = 1.0
PREDICT_MB: Final = 250.0
HELP_S: Final = 0.3
HEAVY: Final = {"torch", "torchvision", "lightning", "hydra", "sklearn", "cv2", "scipy"}

MEASURED: Final = """
import json, resource, sys
from petmood.cli.app import main
code = 0
try:
    code = main()
except SystemExit as end:
    code = end.code
used = resource.getrusage(resource.RUSAGE_SELF)
try:  # this process's own peak: ru_maxrss begins at that of the process which started it
    peak_kb = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
except OSError:
    peak_kb = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
facts = {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": peak_kb * 1024 / 1e6}
loaded = sorted(name for name in sys.modules if "." not in name)
print(json.dumps({**facts, "code": code or 0, "loaded": loaded}), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Process:
    """Resource use, output and loaded modules of one process."""

    cpu_s: float
    peak_mb: float
    loaded: frozenset[str]
    output: str


def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _bundle_from_another_process(folder)
        (folder / "photo.jpg").write_bytes(jpeg(photo_like(1600, 1200)))
        command = ["predict", str(folder / "bundle"), str(folder / "photo.jpg"), "--json"]
        runs = [_run(command) for _ in range(ROUNDS + 1)][1:]
        answer = json.loads(runs[0].output)
    helps = [_run(["--help"]) for _ in range(ROUNDS + 1)][1:]
    _report_predict(runs, answer)
    _report_help(helps)


def _report_predict(runs: list[Process], answer: dict[str, Any]) -> None:
    seconds, megabytes = min(run.cpu_s for run in runs), max(run.peak_mb for run in runs)
    light = {"nothing of the training half is loaded": not any(run.loaded & HEAVY for run in runs)}
    details = {
        "label": answer["label"],
        "probability": round(answer["probability"], 3),
        "backbone": "mobilenet_v3_small",
    }
    report(
        "predict: one photo, whole process, CPU seconds against 1.0 s",
        ratio=seconds / PREDICT_S,
        target=1.0,
        details={**details, "cpu_s": round(seconds, 3), "slowest_cpu_s": round(max(run.cpu_s for run in runs), 3)},
        conditions=light,
    )
    report(
        "predict: one photo, whole process, peak memory against 250 MB",
        ratio=megabytes / PREDICT_MB,
        target=1.0,
        details={**details, "peak_mb": round(megabytes, 1)},
        conditions=light,
    )


def _report_help(runs: list[Process]) -> None:
    seconds = min(run.cpu_s for run in runs)
    report(
        "help: `petmood --help`, CPU seconds against 0.3 s",
        ratio=seconds / HELP_S,
        target=1.0,
        details={"cpu_s": round(seconds, 3), "peak_mb": round(max(run.peak_mb for run in runs), 1)},
        conditions={"no torch is loaded": not any(run.loaded & HEAVY for run in runs)},
    )


def _run(arguments: list[str]) -> Process:
    command = [sys.executable, "-c", MEASURED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stderr.splitlines()[-1])
    if found["code"]:
        raise SystemExit(f"`petmood {' '.join(arguments)}` ended with {found['code']}: {done.stderr}")
    return Process(found["cpu_s"], found["peak_mb"], frozenset(found["loaded"]), done.stdout)


def _bundle_from_another_process(folder: Path) -> None:
    """Make the bundle in another process, so that torch's threads and memory don't affect the measurement."""
    program = "import sys; from pathlib import Path; from benchmarks.predict import _make_bundle as make; "
    command = [sys.executable, "-c", program + "make(Path(sys.argv[1]))", str(folder / "bundle")]
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


def _make_bundle(folder: Path) -> None:
    import torch  # noqa: PLC0415 - in the child process only, see above

    from petmood.core.image import ImageSpec  # noqa: PLC0415 - as above
    from petmood.export.bundle import export_bundle  # noqa: PLC0415 - as above
    from petmood.export.drift_reference import ReferencePhotos  # noqa: PLC0415 - as above
    from petmood.models.network import NetworkSpec, build_network  # noqa: PLC0415 - as above
    from tests.support.networks import facts, warmed  # noqa: PLC0415 - as above

    torch.manual_seed(0)
    image = ImageSpec(side_px=224)
    network = warmed(build_network(NetworkSpec("mobilenet_v3_small"), image=image, classes=4))
    golden = np.concatenate([faces(24, side_px=64), faces(8, side_px=64, seed=500)])
    pixels = golden.repeat(4, axis=1).repeat(4, axis=2)[:, :224, :224]
    metadata = facts(image=image, backbone="mobilenet_v3_small")
    reference = ReferencePhotos(pixels, np.zeros(len(pixels), np.int64), pixels, "held_out")
    export_bundle(network, metadata, golden=pixels, reference=reference, to=folder)


if __name__ == "__main__":
    main()
