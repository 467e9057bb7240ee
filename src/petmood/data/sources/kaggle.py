"""Photo source for the Kaggle dataset: downloaded, or read from its archive or folder."""

import tempfile
from pathlib import Path

from petmood.core.commands import shell_command
from petmood.core.errors import DataError, DownloadError
from petmood.core.extras import require
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.progress import ProgressBar
from petmood.data.sources.archive import unpack
from petmood.data.sources.base import Source, SourcePhoto, TableOptions, needed_path, source
from petmood.data.sources.folder import find_in_folder

__all__ = ["DATASET", "KaggleSource"]

DATASET = "anshtanwar/pets-facial-expression-dataset"
MASTER_FOLDER = "Master Folder"


class KaggleSource:
    """The dataset `DATASET`: `Master Folder/{train,valid,test}/{Angry,happy,Sad,Other}`, with its own splits.

    Bad photos of the published dataset are skipped and listed by default.
    """

    name = "kaggle"
    skip_bad_by_default = True
    classes: tuple[str, ...] = DEFAULT_CLASSES
    notices: tuple[str, ...] = ()

    def __init__(self, path: Path | None = None) -> None:
        """Set an archive or folder that is already downloaded; without a path, `scan` downloads the dataset."""
        self.path = path
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        """Download or unpack the dataset where needed, and return its files.

        Raises DownloadError if the download isn't possible, DataError if the archive or layout is wrong.
        """
        root = self.path or _download()
        self.close()
        try:
            if root.is_file():
                self._unpacked = tempfile.TemporaryDirectory(prefix="petmood-kaggle-")
                archive, root = root, Path(self._unpacked.name)
                unpack(archive, to=root, progress=progress)
            found = find_in_folder(_master_folder(root), progress=progress)
        except (DataError, OSError):
            self.close()
            raise
        self.notices = found.notices
        return list(found.entries)

    def close(self) -> None:
        """Delete unpacked files; a download stays in kagglehub's cache."""
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None


@source("kaggle")
def _open(path: Path | None, _table: TableOptions | None) -> Source:
    return KaggleSource(needed_path(path, name="kaggle", what="the archive or its folder") if path else None)


def _download() -> Path:
    kagglehub = require("kagglehub", extra="train")
    try:
        return Path(kagglehub.dataset_download(DATASET))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DownloadError(
            f"Can't download '{DATASET}' from Kaggle ({type(error).__name__}). Either put an API token in "
            "~/.kaggle/kaggle.json (or set KAGGLE_USERNAME and KAGGLE_KEY) and check the network, or download "
            f"the zip in a browser from kaggle.com/datasets/{DATASET} and type: "
            f"{shell_command('data', 'import', 'kaggle', 'ARCHIVE.zip', '--output', 'data/pets')}"
        ) from error


def _master_folder(root: Path) -> Path:
    """Return the folder that holds the split folders; archives wrap it in one more folder."""
    for candidate in (root / MASTER_FOLDER, *sorted(root.glob(f"*/{MASTER_FOLDER}"))):
        if candidate.is_dir():
            return candidate
    return root
