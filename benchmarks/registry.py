"""Duration of `petmood registry pull` for a bundle that is already present, in a new process each time."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.common import report
from petmood.registry.uri import open_registry
from tests.support.networks import tiny_bundle

__all__ = ["main"]

LIMIT_S: Final = 0.5
ROUNDS: Final = 5


def pull_s(address: str, to: Path) -> float:
    """Pull version 1 into a folder in a new process, and return the seconds."""
    command = [sys.executable, "-m", "petmood", "registry", "pull", "1", "--registry", address, "--output", str(to)]
    began = time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    )
    return time.perf_counter() - began


def main() -> None:
    """Measure a registry in a folder and one in MLflow's SQLite in turns; the target applies to the folder."""
    with tempfile.TemporaryDirectory(prefix="petmood-bench-") as place:
        folder = Path(place)
        bundle = tiny_bundle(folder / "bundle").folder
        addresses = {"folder": str(folder / "registry"), "mlflow": f"sqlite:///{folder}/mlflow.db"}
        for name, address in addresses.items():
            open_registry(address).push(bundle, by="a benchmark")
            pull_s(address, folder / name)
        found: dict[str, list[float]] = {name: [] for name in addresses}
        for _ in range(ROUNDS):
            for name, address in addresses.items():
                found[name].append(pull_s(address, folder / name))
    medians: dict[str, Any] = {f"{name}_s": round(statistics.median(times), 3) for name, times in found.items()}
    report(
        f"registry pull of an unchanged bundle, seconds of {LIMIT_S:g}",
        ratio=medians["folder_s"] / LIMIT_S,
        target=1.0,
        details=medians,
    )


if __name__ == "__main__":
    main()
