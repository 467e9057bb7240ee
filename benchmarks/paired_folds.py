"""Two cross-validations of the same photos, compared photo by photo in each repeat of the folds.

python -m benchmarks.paired_folds FIRST SECOND

FIRST and SECOND are folders of `petmood crossval`, with the same data, folds and seed. The difference is FIRST minus
SECOND. Target: no repeat whose 95% interval shows FIRST to be worse.
"""

import argparse
import itertools
from pathlib import Path

from benchmarks.common import report
from petmood.evaluation.paired import paired_test
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.crossval import out_of_fold_name

__all__ = ["main", "stored_repeats"]


def stored_repeats(folder: Path) -> list[Predictions]:
    """Return the out-of-fold predictions of a cross-validation, one for each repeat of the folds."""
    places = (folder / out_of_fold_name(repeat) for repeat in itertools.count())
    return [Predictions.load(place) for place in itertools.takewhile(Path.is_file, places)]


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paired_folds", description=__doc__)
    parser.add_argument("folders", type=Path, nargs=2, metavar="FOLDER")
    first, second = map(stored_repeats, parser.parse_args().folders)
    tests = [paired_test(one, other) for one, other in zip(first, second, strict=True)]
    if not tests:
        parser.error("Expected folders of finished cross-validations, got none with out-of-fold predictions.")
    differences = [test.difference for test in tests]
    worse = sum(found.high < 0 for found in differences)
    details = {
        "photos": len(first[0]),
        "repeats": len(tests),
        "differences": [found.to_json() for found in differences],
        "smallest": min(found.value for found in differences),
        "largest": max(found.value for found in differences),
        "smallest_p_value": min(test.p_value for test in tests),
        "better": sum(found.low > 0 for found in differences),
        "worse": worse,
    }
    report("paired folds: repeats in which the first is worse", ratio=worse / len(tests), target=0.0, details=details)


if __name__ == "__main__":
    main()
