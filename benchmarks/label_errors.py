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
from petmood.data.index import INDEX_NAME, PHOTOS, DataIndex, Role, read_index, write_index
from petmood.data.sources import open_source
from petmood.data.validation.photo_issues import IssueReport
from petmood.pipelines.data_issues import find_data_issues

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
    """Plant label errors in a copy of a dataset's index, time its review and report which are found."""
    index, planted = plant(read_index(data))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        (copy / PHOTOS).symlink_to((data / PHOTOS).resolve())
        write_index(copy, index)
        began = time.perf_counter()
        found = find_data_issues(copy)
        took = time.perf_counter() - began
    facts = _facts(found, planted)
    report(
        f"label errors: {what}, seconds of {LIMIT_S:g} for the review",
        ratio=took / LIMIT_S,
        target=1.0,
        details={
            "review_s": round(took, 1),
            "load_average": round(os.getloadavg()[0], 1),
            "photos": found.photos,
            "method": found.labels.method,
            "accuracy": round(found.labels.accuracy, 4),
            **facts,
        },
        conditions={f"{LEAST_LIFT:g} times better than chance": facts["lift"] >= LEAST_LIFT},
    )


def _facts(found: IssueReport, planted: frozenset[str]) -> dict[str, Any]:
    """Return precision and recall among the examined photos and among the likely errors."""
    scores = found.labels.by_path
    ranking = sorted(scores, key=lambda path: scores[path].quality)
    hits = len(planted.intersection(ranking[: len(planted)]))
    likely = {path for path, score in scores.items() if score.suggested}
    is_planted = [path in planted for path in scores]
    return {
        "planted": len(planted),
        "found_in_top": round(hits / len(planted), 4),
        "lift": round(hits / len(planted) / (len(planted) / len(scores)), 2),
        "likely": len(likely),
        "precision_of_likely": round(len(likely & planted) / max(1, len(likely)), 4),
        "recall_of_likely": round(len(likely & planted) / len(planted), 4),
        "roc_auc": round(float(roc_auc_score(is_planted, [-score.quality for score in scores.values()])), 4),
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
