"""Evidently's answers for windows in npz files; run by the python of an environment that has Evidently.

python benchmarks/evidently_worker.py FOLDER

It prints the shares of windows with drift, by kind of window. ``preset`` is ``DataDriftPreset`` with its default
settings, ``any_column`` at least one of its columns, ``embeddings`` the metric of embeddings with its default method.
"""

import json
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["main"]

COLUMNS = ("brightness", "contrast", "saturation", "sharpness", "residual")


def main() -> None:
    """Read all files of the folder and print the shares as one JSON line."""
    warnings.simplefilter("ignore")
    found: dict[str, list[tuple[bool, bool, bool]]] = {}
    for path in sorted(Path(sys.argv[1]).glob("*.npz")):
        with np.load(path) as arrays:
            window = dict(arrays)
        found.setdefault(path.stem.partition("__")[0], []).append((*preset(window), embeddings(window)))
    names = ("preset", "any_column", "embeddings")
    shares = {
        kind: dict(zip(names, np.mean(rows, axis=0).round(3).tolist(), strict=True)) for kind, rows in found.items()
    }
    print(json.dumps(shares))


def preset(window: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the preset calls the table drift (half of its columns), and whether any column drifts."""
    evidently, presets, frames = (import_module(name) for name in ("evidently", "evidently.presets", "pandas"))
    before, after = (frames.DataFrame(window[name], columns=COLUMNS) for name in ("reference_statistics", "statistics"))
    result = evidently.Report([presets.DataDriftPreset()]).run(after, before).dict()
    count = next(one["value"] for one in result["metrics"] if one["metric_name"].startswith("DriftedColumnsCount"))
    return count["share"] >= 0.5, count["count"] > 0


def embeddings(window: dict[str, Any]) -> bool:
    """Return whether the metric of embeddings, with its default method, calls the window drift."""
    legacy, frames = import_module("evidently.legacy"), import_module("pandas")
    for name in ("report", "metrics", "pipeline.column_mapping"):
        import_module(f"evidently.legacy.{name}")
    width = window["embedding"].shape[1]
    names = [f"e{k}" for k in range(width)]
    before, after = (frames.DataFrame(window[name], columns=names) for name in ("reference_embedding", "embedding"))
    mapping = legacy.pipeline.column_mapping.ColumnMapping(embeddings={"photo": names})
    made = legacy.report.Report(metrics=[legacy.metrics.EmbeddingsDriftMetric("photo")])
    made.run(reference_data=before, current_data=after, column_mapping=mapping)
    return bool(made.as_dict()["metrics"][0]["result"]["drift_detected"])


if __name__ == "__main__":
    main()
