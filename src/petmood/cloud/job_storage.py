"""Output of a training job in a bucket or folder: archives of its runs to resume from, and its bundle."""

import io
import json
import logging
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from petmood.cloud.event_file import EVENTS_NAME, event_file
from petmood.core.atomic_directory import atomic_directory, files_below
from petmood.core.bundle import verify
from petmood.core.bundle_files import MANIFEST, max_bytes
from petmood.core.errors import CloudError, RegistryError
from petmood.core.folder_kind import RUN_NAME
from petmood.core.redact import one_line
from petmood.registry.folder import FolderStore
from petmood.registry.gcs import GcsStore
from petmood.registry.objects import ObjectStore

__all__ = ["ARCHIVE", "RunMirror", "archive_runs", "mirrored", "open_store", "publish_bundle", "restore_runs"]

logger = logging.getLogger(__name__)

ARCHIVE: Final = "runs.tar"
"""One object, so that it is replaced as a whole: a killed job leaves the previous archive or the new one."""
ARCHIVE_BYTES: Final = 2**35
EVERY_S: Final = 2.0
FIRST: Final = (RUN_NAME, "config.yaml", "last.ckpt", "best.ckpt")
"""Files of a run in the order of reading, while it is written.

Metadata that say "done" are read before what they say is there, and a best checkpoint is never older than the last one.
"""


def open_store(address: str) -> ObjectStore:
    """Return the store at ``gs://BUCKET/PATH``, or in a folder.

    Raises:
        RegistryError: the bucket can't be accessed.
        MissingDependency: google-cloud-storage is not installed.
    """
    scheme, _, rest = address.partition("://")
    if scheme != "gs":
        return FolderStore(Path(address))
    bucket, _, prefix = rest.partition("/")
    return GcsStore(bucket, prefix.strip("/"))


def archive_runs(runs: Path) -> bytes | None:
    """Return the files of runs as a tar archive; None if there are none yet. The runs may be written meanwhile."""
    if not runs.is_dir():
        return None
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as archive:
        for name in sorted(_names(runs), key=_turn):
            try:
                with (runs / name).open("rb") as file:  # replaced files keep their content for who has them open
                    info = archive.gettarinfo(arcname=name, fileobj=file)
                    archive.addfile(info, file)
            except FileNotFoundError:
                continue
        is_empty = not archive.getmembers()
    return None if is_empty else found.getvalue()


def restore_runs(store: ObjectStore, runs: Path) -> bool:
    """Extract the archive of an earlier start into ``runs``, atomically; return whether there was one to extract.

    Runs that exist are newer than the archive, and are kept.

    Raises:
        CloudError: the archive is damaged.
        RegistryError: the store can't be read.
    """
    if runs.is_dir() and any(_names(runs)):
        return False
    data = store.read(ARCHIVE, max_bytes=ARCHIVE_BYTES)
    if data is None:
        return False
    try:
        with (
            atomic_directory(runs, existing=lambda _: ()) as draft,
            tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive,
        ):
            archive.extractall(draft.path, filter="data")
    except tarfile.TarError as error:
        raise CloudError(
            f"{store.address}/{ARCHIVE} is damaged ({error}). Delete it to train from the start, or name a new job."
        ) from error
    return True


def publish_bundle(store: ObjectStore, folder: Path) -> bool:
    """Store a bundle's files, the manifest last: a bundle without one is not complete. Return False if it is there.

    Raises:
        BundleError: the folder is not a valid bundle.
        CloudError: the bundle of another run is there; nothing was changed.
        RegistryError: the store can't be written.
    """
    bundle, stored = verify(folder), store.read(MANIFEST, max_bytes=max_bytes(MANIFEST))
    if stored is not None:
        if _is_of_same_run(_metrics(stored), bundle.manifest.metrics):
            return False
        raise CloudError(
            f"{store.address} has the bundle of another run, and bundles are immutable. "
            f"Give the job another name; this bundle is in {folder}."
        )
    for name, data in bundle.contents():
        store.replace(name, data)
    return True


class RunMirror:
    """Archives of runs in a store, and their learning curves in another one; unchanged runs are not sent again."""

    def __init__(self, runs: Path, store: ObjectStore, *, curves: ObjectStore | None = None) -> None:
        self._runs, self._store, self._curves = runs, store, curves
        self._sent: frozenset[tuple[str, int, int]] = frozenset()

    def update(self) -> None:
        """Send what changed since the last time.

        Raises:
            RegistryError: a store can't be written.
            OSError: as above, for a folder.
        """
        now = frozenset(_fingerprint(self._runs))
        if now == self._sent:
            return
        data = archive_runs(self._runs)
        if data is not None:
            self._store.replace(ARCHIVE, data)
        for table in sorted(self._runs.glob("*/metrics.csv")) if self._curves else ():
            if (events := event_file(table)) is not None and self._curves is not None:
                self._curves.replace(f"{table.parent.name}/{EVENTS_NAME}", events)
        self._sent = now


@contextmanager
def mirrored(mirror: RunMirror, *, every_s: float = EVERY_S) -> Iterator[None]:
    """Update a mirror every few seconds in a thread during the block, and at its end, also after an error.

    A store that can't be written is tried again; only at the end of the block is that an error.

    Raises:
        RegistryError: the last archive can't be stored.
        OSError: as above, for a folder.
    """
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(every_s):
            try:
                mirror.update()
            except (OSError, RegistryError) as error:
                logger.warning("The checkpoints were not stored, and will be later: %s", one_line(error))

    thread = threading.Thread(target=keep, name="mirror-runs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        mirror.update()


def _names(runs: Path) -> Iterator[str]:
    """Yield the names of whole files: those without a hidden part, which locks and partial files have."""
    for name in files_below(runs):
        if not name.endswith("/") and not any(part.startswith(".") for part in name.split("/")):
            yield name


def _turn(name: str) -> tuple[int, str]:
    last = name.rpartition("/")[2]
    return (FIRST.index(last) if last in FIRST else len(FIRST), name)


def _fingerprint(runs: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, time and size of the files that change when there is something new to resume from."""
    for name in _names(runs) if runs.is_dir() else ():
        if name.rpartition("/")[2] in {*FIRST, "evaluation.json"}:
            with suppress(FileNotFoundError):
                about = (runs / name).stat()
                yield name, about.st_mtime_ns, about.st_size


def _is_of_same_run(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether the metrics of two bundles name the same run and the same weights."""
    return all(first.get(name) is not None and first.get(name) == second.get(name) for name in ("run", "weights"))


def _metrics(manifest: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(manifest).get("metrics")
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}
