"""Tests of the export of feedback: a label for each photo, where it comes from, and an import of what is written."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from petmood.core.errors import DataError, OutputError
from petmood.core.progress import no_progress
from petmood.data.sources.base import open_source
from petmood.monitoring.feedback.export import TABLE_NAME, LeftOut, export_feedback, resolve
from petmood.monitoring.feedback.records import REVIEWER, Feedback, GivenFeedback, LoggedPrediction
from petmood.monitoring.feedback.store import FeedbackStore, read_feedback
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.photo_folders import PhotosOfLog
from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.images import jpeg, photo_like, png
from tests.support.logged import BUNDLE, START_US, row, sqlite

LATER = LoggedBundle("cd" * 32, "pets", "2", ("angry", "sleepy"))


def given(*labels: str | None, predicted: str | None = "happy", request: str = "a") -> list[GivenFeedback]:
    """Return feedback of several visitors on one photo; None means right."""
    return [
        GivenFeedback(
            Feedback(PhotoKey(request), f"{number:064}", label, None, START_US + number),
            LoggedPrediction(predicted, BUNDLE, 0.75),
            START_US,
        )
        for number, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("labels", "expected", "agreeing"),
    [
        ((None,), "happy", 1),
        (("angry",), "angry", 1),
        ((None, None, "angry"), "happy", 2),
        (("angry", None, "angry", "sad"), "angry", 2),
        ((None, "happy", "angry"), "happy", 2),
    ],
)
def test_a_photo_has_the_label_that_most_visitors_gave(
    labels: Sequence[str | None], expected: str, agreeing: int
) -> None:
    found = resolve(given(*labels))
    (photo,) = found.photos
    assert (photo.label, photo.visitors, photo.agreeing) == (expected, len(labels), agreeing)
    assert photo.is_corrected == (expected != "happy")
    assert found.outvoted == (agreeing < len(labels))
    assert not found.left_out


def test_the_reviewer_s_label_counts_before_those_of_visitors() -> None:
    visitors = given("angry", "angry", None)
    reviewed = replace(visitors[0], feedback=replace(visitors[0].feedback, visitor=REVIEWER, label="sad"))
    (photo,) = resolve([*visitors, reviewed]).photos
    assert (photo.label, photo.visitors, photo.agreeing) == ("sad", 1, 1)


def test_the_same_bytes_in_two_requests_are_one_photo_with_one_vote_of_each_visitor() -> None:
    def same(*labels: str | None, request: str, at: int) -> list[GivenFeedback]:
        return [
            replace(
                one,
                prediction=replace(one.prediction, photo_sha256="ef" * 32),
                predicted_us=START_US + at,
                feedback=replace(one.feedback, time_us=START_US + at),
            )
            for one in given(*labels, request=request)
        ]

    first, again = same("angry", "angry", request="a", at=0), same("sad", request="b", at=9)
    assert resolve([*first, *again]).left_out == {LeftOut.TIE: 1}  # the first visitor has taken "angry" back
    reviewed = replace(first[0], feedback=replace(first[0].feedback, visitor=REVIEWER, label="sleepy"))
    (photo,) = resolve([*first, reviewed, *again]).photos
    assert (photo.key, photo.label, photo.visitors) == (PhotoKey("b"), "sleepy", 1)


def test_a_tie_and_a_right_answer_without_a_label_are_left_out() -> None:
    assert resolve(given(None, "angry")).left_out == {LeftOut.TIE: 1}
    assert resolve(given("sad", "angry", None, "sad", "angry")).left_out == {LeftOut.TIE: 1}
    assert resolve(given(None, predicted=None)).left_out == {LeftOut.NO_LABEL: 1}
    assert [photo.label for photo in resolve(given("sad", predicted=None)).photos] == ["sad"]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogStore]:
    """Return the store of a log with feedback on four predictions of "happy", of which two have photos."""
    made, feedback = LogStore(sqlite(tmp_path)), FeedbackStore(sqlite(tmp_path))
    made.insert([*(row(number) for number in range(4)), row(1, position=1)])
    for number, label in ((0, None), (1, "angry"), (2, "angry")):
        feedback.write(Feedback(PhotoKey(f"request-{number}"), "a" * 64, label, "my cat", START_US + number))
    feedback.write(Feedback(PhotoKey("request-1", 1), "a" * 64, None, None, START_US))
    feedback.close()
    yield made
    made.close()


@pytest.fixture
def photos(tmp_path: Path) -> KeptPhotos:
    """Return the kept photos of three predictions; nothing was said of the last one."""
    found = KeptPhotos(tmp_path / "kept")
    found.create(days=30)
    found.write(PhotoKey("request-0"), jpeg(photo_like(64, 48)))
    found.write(PhotoKey("request-1"), png(photo_like(64, 48)))
    found.write(PhotoKey("request-3"), jpeg(photo_like(64, 48)))
    return found


def test_kept_photos_are_written_with_their_labels_and_where_they_come_from(
    log: LogStore, photos: KeptPhotos, tmp_path: Path
) -> None:
    assert log is not None
    found = export_feedback(sqlite(tmp_path), photos, tmp_path / "out")
    assert (len(found.photos), found.left_out) == (2, {LeftOut.NO_PHOTO: 2})
    assert found.left_out_text() == "2 as no photo was kept"
    with (tmp_path / "out" / TABLE_NAME).open(newline="") as table:
        first, second = csv.DictReader(table)
    assert first == {
        "photo": "photos/0-request-0.jpg",
        "label": "happy",
        "feedback": "confirmed",
        "predicted": "happy",
        "visitors": "1",
        "agreeing": "1",
        "request_id": "request-0",
        "position": "0",
        "predicted_at": "2026-09-21T14:13:20+00:00",
        "bundle": BUNDLE.sha256,
        "bundle_name": "pets",
        "bundle_version": "1",
        "chosen": "",
    }
    assert (second["photo"], second["label"], second["feedback"]) == ("photos/0-request-1.png", "angry", "corrected")
    assert (tmp_path / "out" / first["photo"]).read_bytes() == photos.read(PhotoKey("request-0"))
    assert "my cat" not in (tmp_path / "out" / TABLE_NAME).read_text()


def test_the_folder_is_one_that_an_import_reads(log: LogStore, photos: KeptPhotos, tmp_path: Path) -> None:
    assert log is not None
    export_feedback(sqlite(tmp_path), photos, tmp_path / "out")
    source = open_source("csv", tmp_path / "out" / TABLE_NAME)
    entries = source.scan(no_progress)
    assert [(entry.name, entry.label, entry.problem) for entry in entries] == [
        ("photos/0-request-0.jpg", "happy", ""),
        ("photos/0-request-1.png", "angry", ""),
    ]


def test_a_label_that_the_latest_model_has_no_class_for_is_left_out(
    log: LogStore, photos: KeptPhotos, tmp_path: Path
) -> None:
    log.insert([row(9, bundle=LATER, label="sleepy")])
    found = export_feedback(sqlite(tmp_path), photos, tmp_path / "out")
    assert [photo.label for photo in found.photos] == ["angry"]
    assert found.left_out == {LeftOut.NO_CLASS: 2, LeftOut.NO_PHOTO: 1}
    assert len(read_feedback(sqlite(tmp_path))) == 4, "nothing is lost"


def test_only_recent_feedback_can_be_exported(log: LogStore, photos: KeptPhotos, tmp_path: Path) -> None:
    assert log is not None
    found = export_feedback(sqlite(tmp_path), photos, tmp_path / "out", since_us=START_US + 1)
    assert [photo.key.request_id for photo in found.photos] == ["request-1"]


def test_nothing_to_export_writes_nothing_and_says_why(log: LogStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"got none \(4 as no photo was kept\)\. Start the service with --keep-photos"):
        export_feedback(sqlite(tmp_path), KeptPhotos(tmp_path / "none"), tmp_path / "out")
    log.delete_requests([f"request-{number}" for number in range(4)])
    with pytest.raises(DataError, match=r"got none \(there is no feedback\)"):
        export_feedback(sqlite(tmp_path), PhotosOfLog([]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_not_replaced(log: LogStore, photos: KeptPhotos, tmp_path: Path) -> None:
    assert log is not None
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="new or an empty folder"):
        export_feedback(sqlite(tmp_path), photos, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_time_selects_photos_and_all_feedback_on_them_counts(tmp_path: Path) -> None:
    rows, store, photos = LogStore(sqlite(tmp_path)), FeedbackStore(sqlite(tmp_path)), KeptPhotos(tmp_path / "photos")
    photos.create(days=30)
    rows.insert([row(0), row(1)])
    for number in range(2):
        photos.write(PhotoKey(f"request-{number}"), jpeg(photo_like(32, 32, seed=number)))
        store.write(Feedback(PhotoKey(f"request-{number}"), REVIEWER, "angry", None, START_US, chosen="random"))
    store.write(Feedback(PhotoKey("request-1"), "a" * 64, "happy", None, START_US + 10))
    (found,) = export_feedback(sqlite(tmp_path), photos, tmp_path / "out", since_us=START_US + 10).photos
    assert (found.key, found.label, found.chosen) == (PhotoKey("request-1"), "angry", "random")


def test_a_photo_of_a_later_request_with_the_same_id_gets_no_label_of_the_first(tmp_path: Path) -> None:
    rows, store, photos = LogStore(sqlite(tmp_path)), FeedbackStore(sqlite(tmp_path)), KeptPhotos(tmp_path / "photos")
    photos.create(days=30)
    contents = [jpeg(photo_like(32, 32, seed=number)) for number in range(3)]
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    of_rows = ("", hashes[0], hashes[2])  # the first photos of two rows were dropped
    rows.insert([row(number, photo_sha256=one) for number, one in enumerate(of_rows)])
    for number, content in enumerate(contents):
        photos.write(PhotoKey(f"request-{number}"), content)
        store.write(Feedback(PhotoKey(f"request-{number}"), "a" * 64, "angry", None, START_US))
    found = export_feedback(sqlite(tmp_path), photos, tmp_path / "out")
    assert [photo.key.request_id for photo in found.photos] == ["request-2"]
    assert found.left_out == {LeftOut.NO_PHOTO: 2}
