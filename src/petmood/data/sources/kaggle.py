"""Photo source for the Kaggle dataset: downloaded, or read from its archive or folder."""

from pathlib import Path

from petmood.core.commands import shell_command
from petmood.core.errors import DownloadError
from petmood.core.extras import require
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.progress import ProgressBar
from petmood.data.sources.base import Source, TableOptions, needed_path, source
from petmood.data.sources.folder import FolderSource

__all__ = ["DATASET", "KaggleSource"]

DATASET = "anshtanwar/pets-facial-expression-dataset"
MASTER_FOLDER = "Master Folder"


class KaggleSource(FolderSource):
    """The dataset `DATASET`: `Master Folder/{train,valid,test}/{Angry,happy,Sad,Other}`, with its own splits.

    Bad photos of the published dataset are skipped and listed by default.
    """

    name = "kaggle"
    skip_bad_by_default = True
    classes: tuple[str, ...] = DEFAULT_CLASSES

    def __init__(self, path: Path | None = None) -> None:
        """Set an archive or folder that is already downloaded; without a path, `scan` downloads the dataset."""
        super().__init__(path or Path())
        self.path = path

    def _folder(self, progress: ProgressBar) -> Path:
        """Return the folder that holds the split folders; raises DownloadError if the download isn't possible."""
        self.root = self.path or _download()
        return _master_folder(super()._folder(progress))


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
