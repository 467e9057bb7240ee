"""Two datasets as one: a model of both compared with a model of one, photo by photo, on the photos of that one.

python -m benchmarks.joined_sets JOINED_DATA JOINED_CROSSVAL ALONE_DATA PREDICTIONS [PREDICTIONS ...] [--map OLD=NEW]

JOINED_DATA and ALONE_DATA are datasets; a photo is the same where its SHA-256 is. JOINED_CROSSVAL is the folder of a
`petmood crossval` of the joined dataset. PREDICTIONS are files of the model of one set: out_of_fold-N.npz of its
cross-validation, or scored/test.npz of its run. --map names a class of that set as the joined dataset does. The
difference is JOINED minus ALONE. Target: no comparison whose 95% interval reaches a loss of two points of accuracy.
"""

import argparse
import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.common import report
from benchmarks.paired_folds import stored_repeats
from petmood.data.index import read_index
from petmood.evaluation.paired import PairedTest, paired_test
from petmood.evaluation.predictions import Predictions

__all__ = ["by_content", "main", "pair"]

ALLOWED_LOSS = 0.02


def by_content(scored: Predictions, data: Path) -> Predictions:
    """Return predictions whose paths are the SHA-256 of each photo."""
    content = {row.path: row.sha256 for row in read_index(data).rows}
    return dataclasses.replace(scored, paths=tuple(content[path] for path in scored.paths))


def pair(joined: Predictions, alone: Predictions, *, new_names: Mapping[str, str]) -> tuple[Predictions, Predictions]:
    """Return both on the photos that both have, in one order, with the classes and groups of ``joined``."""
    place = {path: number for number, path in enumerate(joined.paths)}
    alone = alone.take([number for number, path in enumerate(alone.paths) if path in place])
    first = joined.take([place[path] for path in alone.paths])
    columns = [joined.classes.index(new_names.get(label, label)) for label in alone.classes]
    logits = np.full((len(alone), len(joined.classes)), alone.logits.min() - 50.0)
    logits[:, columns] = alone.logits
    second = dataclasses.replace(first, logits=logits, labels=np.array(columns)[alone.labels], source=alone.source)
    return first, second


def _compare(joined: Predictions, alone: Predictions, names: Mapping[str, str]) -> dict[str, PairedTest]:
    first, second = pair(joined, alone, new_names=names)
    return {metric: paired_test(first, second, metric=metric) for metric in ("accuracy", "balanced_accuracy")}


def _mean(tests: Sequence[dict[str, PairedTest]], metric: str) -> dict[str, float]:
    found = [test[metric] for test in tests]
    return {
        "joined": statistics.mean(one.first for one in found),
        "alone": statistics.mean(one.second for one in found),
        "difference": statistics.mean(one.difference.value for one in found),
    }


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.joined_sets", description=__doc__)
    parser.add_argument("joined_data", type=Path)
    parser.add_argument("joined_crossval", type=Path)
    parser.add_argument("alone_data", type=Path)
    parser.add_argument("predictions", type=Path, nargs="+")
    parser.add_argument("--map", action="append", default=[], metavar="OLD=NEW")
    options = parser.parse_args()
    names = dict(one.split("=", 1) for one in options.map)
    joined = by_content(stored_repeats(options.joined_crossval)[0], options.joined_data)
    tests = [
        _compare(joined, by_content(Predictions.load(file), options.alone_data), names) for file in options.predictions
    ]
    lowest = min(test["accuracy"].difference.low for test in tests)
    details = {
        "photos": tests[0]["accuracy"].difference.n,
        "comparisons": len(tests),
        "means": {metric: _mean(tests, metric) for metric in tests[0]},
        "differences": [{metric: found.to_json() for metric, found in test.items()} for test in tests],
        "lowest": lowest,
    }
    report(
        "joined sets: largest loss that isn't excluded, of two points",
        ratio=-lowest / ALLOWED_LOSS,
        target=1.0,
        details=details,
    )


if __name__ == "__main__":
    main()
