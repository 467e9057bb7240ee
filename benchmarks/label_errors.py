"""Label errors that are found among planted ones, by the predictions of `petmood data issues`.

python -m benchmarks.label_errors [DATA]     or     PETMOOD_PHOTOS=DATA python -m benchmarks.label_errors

DATA is a dataset, or a folder with class folders, which is imported first; without DATA the demo set is drawn. One
label in twenty is replaced by another class, drawn at random. The photos are then ranked by label quality. As many are
examined as labels were replaced: the share of replaced ones among them is both precision and recall. A real set has
errors of its own, which count as wrong here.
"""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.common import report
from petmood.data.importer import ImportOptions, import_photos
from petmood.data.index import INDEX_NAME, DataIndex, Role, read_index
from petmood.data.sources import open_source
from petmood.evaluation.label_errors import LabelErrors, find_label_errors
from petmood.pipelines.data_issues import find_data_issues
from petmood.pipelines.dataset_predictions import measure_out_of_fold

__all__ = ["main", "measure", "plant"]

SHARE: Final = 0.05
LIMIT_S: Final = 120.0
LEAST_LIFT: Final = 4.0
"""Smallest precision among the examined photos, as a multiple of what chance finds."""


def plant(index: DataIndex, *, share: float = SHARE, seed: int = 0) -> tuple[DataIndex, frozenset[str]]:
    """Replace the labels of a share of the originals by other classes; return the index and the paths of these."""
    rng = np.random.default_rng(seed)
    originals = [row for row in index if row.role == Role.ORIGINAL]
    chosen = rng.choice(len(originals), round(share * len(originals)), replace=False)
    other = {
        originals[n].path: str(rng.choice([name for name in index.classes if name != originals[n].label]))
        for n in chosen
    }
    rows = tuple(replace(row, label=other.get(row.path, row.label)) for row in index)
    return DataIndex(rows), frozenset(other)


def measure(data: Path, *, what: str) -> None:
    """Time the review of a dataset, plant label errors in its index and report which are found."""
    began = time.perf_counter()
    found = find_data_issues(data)
    took = time.perf_counter() - began
    index, planted = plant(read_index(data))
    known = measure_out_of_fold(data, index)
    scored = find_label_errors(known.probabilities, known.labels)
    facts = _facts(scored, np.array([path in planted for path in known.paths]))
    report(
        f"label errors: {what}, seconds of {LIMIT_S:g} for the review",
        ratio=took / LIMIT_S,
        target=1.0,
        details={
            "review_s": round(took, 1),
            "load_average": round(os.getloadavg()[0], 1),
            "photos": found.photos,
            "counts": {str(kind): count for kind, count in found.counts.items()},
            "method": known.method,
            "accuracy_on_planted_labels": round(known.accuracy, 4),
            **facts,
        },
        conditions={f"{LEAST_LIFT:g} times better than chance": facts["lift"] >= LEAST_LIFT},
    )


def _facts(scored: LabelErrors, is_planted: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    """Return precision and recall among the examined photos and among the likely errors."""
    planted = int(is_planted.sum())
    hits, likely = int(is_planted[scored.ranking[:planted]].sum()), is_planted[scored.likely]
    corrected = [n for n in scored.likely if is_planted[n]]
    return {
        "planted": planted,
        "share_planted": round(planted / len(is_planted), 4),
        "found_in_top": round(hits / planted, 4),
        "lift": round(hits / planted / (planted / len(is_planted)), 2),
        "likely": len(likely),
        "precision_of_likely": round(float(likely.mean()), 4) if len(likely) else None,
        "recall_of_likely": round(len(corrected) / planted, 4),
        "roc_auc": round(float(roc_auc_score(is_planted, -scored.quality)), 4),
    }


def main() -> None:
    """Measure the given dataset or folder, or the demo set."""
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PETMOOD_PHOTOS")
    if given and (Path(given) / INDEX_NAME).is_file():
        measure(Path(given), what="real photos")
        return
    with tempfile.TemporaryDirectory() as made:
        source = open_source("folder", Path(given)) if given else open_source("demo")
        skip = ImportOptions(skip_bad=True, drop_leaking=True)
        import_photos(source, to=Path(made) / "data", options=skip)
        measure(Path(made) / "data", what="real photos" if given else "demo set")


if __name__ == "__main__":
    main()
