"""Run logger: appends entries to the run's journal, which a separate process sends to the tracker.

Logging never raises and never blocks: if the disk rejects the journal, tracking stops and training continues.
"""

import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from petmood.core.commands import shell_command
from petmood.core.errors import TrackingError
from petmood.training.tracking.base import refuse_missing
from petmood.training.tracking.events import Artifact, Entry, Metrics, Params, RunStarted, Status, Tags, TrackerSpec
from petmood.training.tracking.spool import JOURNAL_NAME, append, read_journal
from petmood.training.tracking.uploader import Outcome, UploadJob
from petmood.training.tracking.uploader_process import Sender

__all__ = ["RunLogger", "run_logger"]

logger = logging.getLogger(__name__)


class RunLogger:
    """Append new entries to a run's journal; entries logged before, also by an earlier process, are skipped."""

    def __init__(self, journal: Path, told: list[Entry]) -> None:
        self._journal: Path | None = journal
        self._told: dict[tuple[str, str, int | None], JsonValue] = {}
        self.status_told: str | None = None
        for entry in told:
            self._note(entry)

    @property
    def enabled(self) -> bool:
        """Whether a tracker is configured; callers skip rendering figures otherwise."""
        return self._journal is not None

    def params(self, values: Mapping[str, JsonValue]) -> None:
        """Log settings; the first value of each is kept."""
        if new := {key: value for key, value in values.items() if ("params", key, None) not in self._told}:
            self._tell(Params(values=new))

    def tags(self, values: Mapping[str, str]) -> None:
        """Log tags that changed."""
        if new := {key: value for key, value in values.items() if self._told.get(("tags", key, None)) != value}:
            self._tell(Tags(values=new))

    def metrics(self, values: Mapping[str, float], *, step: int | None = None) -> None:
        """Log metrics of an epoch, or final metrics; those already logged with the same value are skipped."""
        new = {key: value for key, value in values.items() if self._told.get(("metrics", key, step)) != repr(value)}
        if new:
            self._tell(Metrics(values=new, step=step))

    def artifact(self, path: Path | str, *, to: str = "") -> None:
        """Log a file or folder on every call, since its content may have changed."""
        self._tell(Artifact(path=str(path), to=to))

    def status(self, status: Literal["running", "finished", "failed", "killed"]) -> None:
        """Log the status of training if it changed."""
        if self.status_told != status:
            self._tell(Status(status=status))

    def _tell(self, entry: Entry) -> None:
        if self._journal is None:
            return
        try:
            append(self._journal, [entry])
        except OSError as error:
            logger.warning("%s: %s. The run goes on, and is tracked no further.", self._journal, error.strerror)
            self._journal = None
        else:
            self._note(entry)

    def _note(self, entry: Entry) -> None:
        match entry:
            case Params() | Tags():
                self._told |= {(entry.kind, key, None): value for key, value in entry.values.items()}
            case Metrics():
                self._told |= {("metrics", key, entry.step): repr(value) for key, value in entry.values.items()}
            case Status():
                self.status_told = entry.status


class _NoLogger(RunLogger):
    """Logger that discards everything."""

    def __init__(self) -> None:
        super().__init__(Path(), [])
        self._journal = None


@contextmanager
def run_logger(folder: Path, *, tracker: TrackerSpec | None = None) -> Iterator[RunLogger]:
    """Yield the logger of a run; with a ``tracker`` a journal is created if there is none, otherwise only continued.

    Entries are sent in the background. At exit at most ``deadline_s`` of the tracker is spent on the remaining entries.
    Unsent entries stay in the journal, and one warning gives the command that sends them.

    Raises:
        MissingDependency: the tracker's package is not installed.
    """
    found = _open(folder, tracker)
    if found is None:
        yield _NoLogger()
        return
    teller, spec = found
    sender = Sender(UploadJob(folder=folder.absolute()))
    try:
        yield teller
    finally:
        _report(sender.end(within_s=spec.deadline_s), folder, spec)


def _open(folder: Path, tracker: TrackerSpec | None) -> tuple[RunLogger, TrackerSpec] | None:
    """Return the logger of a run and its tracker; None if no tracker is configured or the journal can't be used."""
    journal = folder / JOURNAL_NAME
    try:
        told = [placed.entry for placed in read_journal(journal)]
        if not told:
            if tracker is None:
                return None
            begin = RunStarted(run_id=uuid.uuid4().hex, name=folder.name, home=str(Path.cwd()), tracker=tracker)
            refuse_missing(begin.tracker.kind)
            append(journal, [begin])
            told = [begin]
    except (OSError, TrackingError) as error:
        logger.warning("%s. The run goes on, and is not tracked.", error)
        return None
    begun = told[0]
    if not isinstance(begun, RunStarted):
        logger.warning("%s doesn't begin a run. The run goes on, and is not tracked.", journal)
        return None
    return RunLogger(journal, told), begun.tracker


def _report(outcome: Outcome, folder: Path, spec: TrackerSpec) -> None:
    if outcome.pending:
        logger.warning(
            "%s of the run's entries wait in %s, for %s. Send them with: %s",
            outcome.pending,
            folder / JOURNAL_NAME,
            outcome.problem.rstrip(".") or f"{spec.kind} was away",
            shell_command("track", "sync", folder),
        )
    elif outcome.note:
        logger.warning(outcome.note)
