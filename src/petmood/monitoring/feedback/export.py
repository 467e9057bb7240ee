"""Export of kept photos with the labels of their visitors, as a folder that `petmood data import csv` reads."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from petmood.core.atomic_directory import atomic_directory
from petmood.core.errors import DataError
from petmood.core.files import atomic_write_bytes, atomic_write_text
from petmood.monitoring.feedback.records import REVIEWER, GivenFeedback, LoggedPrediction
from petmood.monitoring.feedback.store import read_feedback
from petmood.monitoring.kept_photos import PhotoReader
from petmood.monitoring.prediction_log.reader import rows_by_bundle
from petmood.monitoring.prediction_log.rows import PhotoKey, time_text

__all__ = ["TABLE_NAME", "Export", "LabeledPhoto", "LeftOut", "export_feedback", "exportable", "resolve"]

TABLE_NAME: Final = "labels.csv"
COLUMNS: Final = (
    *("photo", "label", "feedback", "predicted", "visitors", "agreeing"),
    *("request_id", "position", "predicted_at", "bundle", "bundle_name", "bundle_version", "chosen"),
)
SUFFIXES: Final[Mapping[bytes, str]] = {
    b"\xff\xd8": "jpg",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"RIFF": "webp",
}
"""Suffixes by the first bytes of a file; the other formats that a service accepts have their brand at byte 8."""


class LeftOut(StrEnum):
    """Why feedback on a photo is not exported, in words for a message."""

    NO_PHOTO = "no photo was kept"
    NO_LABEL = "no label is right"
    TIE = "visitors disagree"
    NO_CLASS = "the latest model lacks the class"


@dataclass(frozen=True, slots=True)
class LabeledPhoto:
    """A photo with the label of most of its visitors: ``agreeing`` of ``visitors``.

    ``sha256`` is that of its bytes; empty if they have not been read. ``file`` is its path in the folder of an export;
    empty before.
    """

    key: PhotoKey
    label: str
    prediction: LoggedPrediction
    predicted_us: int
    visitors: int
    agreeing: int
    chosen: str | None = None
    sha256: str = ""
    file: str = ""

    @property
    def is_corrected(self) -> bool:
        """Whether the label is another one than the predicted one."""
        return self.label != self.prediction.label

    @property
    def is_correction(self) -> bool:
        """Whether a model can learn from it: visitors corrected it, or a reviewer labeled it."""
        return self.is_corrected or self.chosen is not None


@dataclass(frozen=True, slots=True)
class Export:
    """What was exported, and the numbers of photos with feedback that were left out by reason."""

    photos: tuple[LabeledPhoto, ...]
    left_out: Mapping[LeftOut, int]

    @property
    def outvoted(self) -> int:
        """Number of exported photos on which visitors disagree."""
        return sum(photo.agreeing < photo.visitors for photo in self.photos)

    def left_out_text(self) -> str:
        """Return the numbers and reasons as a phrase; empty if nothing was left out."""
        return ", ".join(f"{self.left_out[reason]:,} as {reason}" for reason in LeftOut if self.left_out.get(reason))


def resolve(given: Sequence[GivenFeedback]) -> Export:
    """Return one label for each photo: the reviewer's, else that of most visitors; a photo with a tie is left out.

    A visitor who says that the prediction is right gives the predicted label. Requests with the same bytes are one
    photo, and the last feedback of a visitor on it counts; the photo is that of the last request.
    """
    photos, left_out = list[LabeledPhoto](), Counter[LeftOut]()
    same = dict[str | PhotoKey, list[GivenFeedback]]()
    for one in sorted(
        given, key=lambda one: (one.predicted_us, one.feedback.key.request_id, one.feedback.key.position)
    ):
        same.setdefault(one.prediction.photo_sha256 or one.feedback.key, []).append(one)
    for requests in same.values():
        by_visitor = {one.feedback.visitor: one for one in sorted(requests, key=lambda one: one.feedback.time_us)}
        votes = [by_visitor[REVIEWER]] if REVIEWER in by_visitor else [*by_visitor.values()]
        (label, most), *others = Counter(one.right_label for one in votes).most_common()
        if others and others[0][1] == most:
            left_out[LeftOut.TIE] += 1
        elif label is None:
            left_out[LeftOut.NO_LABEL] += 1
        else:
            last = requests[-1]
            chosen = votes[0].feedback.chosen
            photos.append(
                LabeledPhoto(last.feedback.key, label, last.prediction, last.predicted_us, len(votes), most, chosen)
            )
    return Export(tuple(photos), left_out)


def exportable(engine: Engine, photos: PhotoReader, *, since_us: int | None = None) -> Export:
    """Return the photos with feedback that are kept, with their labels, which are classes of the last bundle.

    ``since_us`` takes only photos with feedback since a time in microseconds since 1970, with all feedback on them.
    The last bundle is the one that predicted last.

    Raises:
        LogUnavailable: the database can't be used.
    """
    given = read_feedback(engine)
    recent = {one.feedback.key for one in given if since_us is None or one.feedback.time_us >= since_us}
    resolved = resolve([one for one in given if one.feedback.key in recent])
    latest = rows_by_bundle(engine)
    classes = set(latest[0].bundle.classes) if latest else set[str]()
    left_out, found = Counter(resolved.left_out), list[LabeledPhoto]()
    for photo in resolved.photos:
        if photo.label not in classes:
            left_out[LeftOut.NO_CLASS] += 1
        elif (content := photos.read(photo.key, sha256=photo.prediction.photo_sha256)) is None:
            left_out[LeftOut.NO_PHOTO] += 1
        else:
            found.append(replace(photo, sha256=hashlib.sha256(content).hexdigest()))
    return Export(tuple(found), left_out)


def export_feedback(
    engine: Engine,
    photos: PhotoReader,
    target: Path,
    *,
    since_us: int | None = None,
    extend: Callable[[Path], Iterable[str]] | None = None,
) -> Export:
    """Write the photos of ``exportable``, and a table with their labels and where each comes from, into a new folder.

    ``extend`` is called with the folder before that has its name, and returns the files that it adds.

    Raises:
        DataError: there is nothing to export; nothing is written.
        LogUnavailable: the database can't be used.
        OutputError: the folder is not empty, or can't be written.
    """
    found = exportable(engine, photos, since_us=since_us)
    left_out, exported, rows = Counter(found.left_out), list[LabeledPhoto](), list[tuple[str, ...]]()
    with atomic_directory(target) as draft:
        for photo in found.photos:
            if (content := photos.read(photo.key, sha256=photo.sha256)) is None:  # deleted since
                left_out[LeftOut.NO_PHOTO] += 1
            else:
                named = replace(photo, file=f"photos/{photo.key.position}-{photo.key.request_id}.{_suffix(content)}")
                atomic_write_bytes(draft.path / named.file, content)
                exported.append(named)
                rows.append(_cells(named))
        found = Export(tuple(exported), left_out)
        if not rows:
            reasons = found.left_out_text() or "there is no feedback"
            raise DataError(
                f"Expected feedback on kept photos to export, got none ({reasons}). Start the service with "
                "--keep-photos DAYS to keep photos."
            )
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([COLUMNS, *rows])
        atomic_write_text(draft.path / TABLE_NAME, table.getvalue())
        draft.expect([TABLE_NAME, *(photo.file for photo in exported), *(extend(draft.path) if extend else ())])
    return found


def _cells(photo: LabeledPhoto) -> tuple[str, ...]:
    """Return the line of the table about a photo."""
    bundle = photo.prediction.bundle
    return (
        photo.file,
        photo.label,
        "corrected" if photo.is_corrected else "confirmed",
        photo.prediction.label or "",
        str(photo.visitors),
        str(photo.agreeing),
        photo.key.request_id,
        str(photo.key.position),
        time_text(photo.predicted_us),
        bundle.sha256,
        bundle.name,
        bundle.version,
        photo.chosen or "",
    )


def _suffix(content: bytes) -> str:
    found = next((suffix for signature, suffix in SUFFIXES.items() if content.startswith(signature)), None)
    return found or ("avif" if content[8:11] == b"avi" else "heic")
