"""Generated JPEG photos and mobilenet_v3_small settings for the training benchmarks."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from petmood.configs.load import compose
from petmood.configs.schema import Config
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Role, Split, read_index, write_index
from petmood.training.dataset import PhotoSet, open_photo_set
from tests.support.images import jpeg, photo_like

BATCH: Final = 32
SIDES_PX: Final = (400, 300)


@contextmanager
def learning_set(photos: int) -> Iterator[Path]:
    """Yield a data set of photo-like JPEG files, classes in turn, all for training."""
    with TemporaryDirectory(prefix="petmood-bench-") as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        rows = []
        width, height = SIDES_PX
        for number in range(photos):
            data = jpeg(photo_like(width, height, seed=number), quality=90)
            path = f"photos/{number:04d}.jpg"
            (folder / path).write_bytes(data)
            label, digest = DEFAULT_CLASSES[number % len(DEFAULT_CLASSES)], hashlib.sha256(data).hexdigest()
            rows.append(IndexRow(path, digest, label, Split.TRAIN, path, Role.ORIGINAL, width, height, "JPEG"))
        write_index(folder, rows)
        sys.stderr.write(f"{photos} photos of {width}x{height} px drawn\n")
        yield folder


def settings(folder: Path, *overrides: str) -> Config:
    """Return the settings of one epoch with mobilenet_v3_small at 224 px."""
    fixed = ("model=mobilenet_v3_small", "weights=none", "epochs=1", f"trainer.batch_size={BATCH}", "trainer=cpu")
    return compose([*fixed, "tracker=none", f"data={folder}", *overrides])


def photo_set_of(folder: Path, config: Config) -> PhotoSet:
    """Decode every photo of a data set."""
    index = read_index(folder)
    return open_photo_set(
        folder, index.rows, classes=index.classes, image=config.model.image_spec(), memory_mb=config.data.memory_mb
    )
