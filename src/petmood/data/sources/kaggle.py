"""Photo source for the Kaggle dataset: downloaded, or read from its archive or folder."""

import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from petmood.core.commands import shell_command
from petmood.core.errors import DataError, DownloadError
from petmood.core.extras import require
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.core.progress import ProgressBar
from petmood.data.sources.base import Source, SourcePhoto, needed_path, source
from petmood.data.sources.folder import find_in_folder

__all__ = ["DATASET", "KaggleSource", "unpack"]

DATASET = "anshtanwar/pets-facial-expression-dataset"
MASTER_FOLDER = "Master Folder"
MAX_ENTRIES = 100_000
MAX_BYTES = 4_000_000_000
MAX_ENTRY_BYTES = 100_000_000


class KaggleSource:
    """The dataset `DATASET`: `Master Folder/{train,valid,test}/{Angry,happy,Sad,Other}`, with its own splits.

    Bad photos of the published dataset are skipped and listed by default.
    """

    name = "kaggle"
    skip_bad_by_default = True
    classes: tuple[str, ...] = DEFAULT_CLASSES

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
            return find_in_folder(_master_folder(root), progress=progress)
        except DataError:
            self.close()
            raise

    def close(self) -> None:
        """Delete unpacked files; a download stays in kagglehub's cache."""
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None


@source("kaggle")
def _open(path: Path | None) -> Source:
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


def unpack(archive: Path, *, to: Path, progress: ProgressBar) -> None:
    """Unpack the photos of a zip archive into a folder; every entry is checked before anything is written.

    Raises DataError for a file that isn't a zip archive, for entries outside the folder, and for links. Raises it also
    for an archive over its limits when unpacked (`MAX_ENTRIES`, `MAX_BYTES`, `MAX_ENTRY_BYTES`).
    """
    try:
        with zipfile.ZipFile(archive) as bundle:
            entries = bundle.infolist()
            _check_archive(entries, archive=archive.name)
            photos = [e for e in entries if PurePosixPath(e.filename).suffix.casefold() in PHOTO_SUFFIXES]
            for entry in progress(photos, total=len(photos), what="unpacking"):
                target = to.joinpath(*PurePosixPath(entry.filename).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with bundle.open(entry) as stream:
                    target.write_bytes(stream.read(MAX_ENTRY_BYTES))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(
            f"Expected a complete zip archive, got '{archive.name}': {error}. Download it again."
        ) from error


def _check_archive(entries: list[zipfile.ZipInfo], *, archive: str) -> None:
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in entry.filename or "\0" in entry.filename:
            raise DataError(f"'{archive}' is refused: its entry {entry.filename!r} would leave the folder.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"'{archive}' is refused: its entry {entry.filename!r} is a link.")
        if entry.file_size > MAX_ENTRY_BYTES:
            raise DataError(
                f"'{archive}' is refused: {entry.filename!r} unpacks to {entry.file_size / 1e6:.0f} MB, "
                f"expected at most {MAX_ENTRY_BYTES / 1e6:.0f} MB."
            )
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES or total > MAX_BYTES:
        raise DataError(
            f"'{archive}' is refused: {len(entries)} entries of {total / 1e9:.1f} GB in all, expected at most "
            f"{MAX_ENTRIES} of {MAX_BYTES / 1e9:.0f} GB."
        )
