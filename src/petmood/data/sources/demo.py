"""Photo source of synthetic pet faces, with planted flaws for the dataset check to find."""

import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.progress import ProgressBar
from petmood.data.sources.base import Source, SourcePhoto, TableOptions, source
from petmood.data.sources.folder import find_in_folder
from petmood.data.synthetic.animal_faces import SPECIES
from petmood.data.synthetic.dataset import write_demo

__all__ = ["DEMO_PHOTOS", "DemoSource"]

DEMO_PHOTOS = 800


class DemoSource:
    """Synthetic pet faces in a temporary folder, the same for the same seed; file names begin with the species."""

    name = "demo"
    skip_bad_by_default = True
    classes: tuple[str, ...] = DEFAULT_CLASSES
    notices: tuple[str, ...] = ()

    def __init__(self, *, photos: int = DEMO_PHOTOS, seed: int = 0, flaws: bool = True) -> None:
        """Set how many photos to draw; nothing is drawn before `scan`."""
        self.photos, self.seed, self.flaws = photos, seed, flaws
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        """Draw the photos and return their entries, species included."""
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="petmood-demo-")
        root = Path(self._folder.name)
        write_demo(root, photos=self.photos, seed=self.seed, flaws=self.flaws, progress=progress)
        return [
            replace(entry, species=_species(entry.name)) for entry in find_in_folder(root, progress=progress).entries
        ]

    def close(self) -> None:
        """Delete the drawn photos."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


@source("demo")
def _open(path: Path | None, _table: TableOptions | None) -> Source:
    if path is not None:
        raise DataError(f"Source 'demo' draws its own photos and takes no path, got '{path}'. Leave it out.")
    return DemoSource()


def _species(name: str) -> str:
    first = PurePosixPath(name).name.split("-")[0]
    return first if first in SPECIES else ""
