"""Time of an export for the features of the photos, kept by the import against extracted again. Target: 0.2x.

python -m benchmarks.kept_features     or     PETMOOD_PHOTOS=PHOTOS python -m benchmarks.kept_features

PHOTOS is a folder with class folders, which is imported; without it the demo set is drawn.
"""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.common import best_of, report
from petmood.data.duplicates.feature_cache import CACHED_FEATURES, features_of
from petmood.data.importer import ImportOptions, import_photos
from petmood.data.index import read_index
from petmood.data.sources import open_source
from petmood.pipelines.export import rows_to_recognize

__all__ = ["main"]

ROUNDS: Final = 2
TARGET: Final = 0.2


def main() -> None:
    """Import, measure in turns and report."""
    given = os.environ.get("PETMOOD_PHOTOS")
    with tempfile.TemporaryDirectory() as made:
        data = Path(made) / "data"
        source = open_source("folder", Path(given)) if given else open_source("demo")
        import_photos(source, to=data, options=ImportOptions(skip_bad=True, drop_leaking=True))
        index = read_index(data)
        find = partial(features_of, data, index, rows_to_recognize(data, index))
        kept = data / CACHED_FEATURES
        size = kept.stat().st_size

        def extracted() -> object:
            kept.unlink()
            return find()

        found = best_of(ROUNDS, extracted=extracted, kept=find)
    report(
        f"features of {'real photos' if given else 'the demo set'} for an export: kept by the import / extracted",
        ratio=found["kept"] / found["extracted"],
        target=TARGET,
        details={
            **{f"{name}_s": round(took, 2) for name, took in found.items()},
            "photos": len(index),
            "kept_mb": round(size / 1e6, 1),
        },
    )


if __name__ == "__main__":
    main()
