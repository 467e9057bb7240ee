"""Tests of the review's order and of the accuracy that it shows."""

import os
from pathlib import Path

import numpy as np
import pytest

from petmood.monitoring.feedback.records import REVIEWER, Feedback
from petmood.monitoring.feedback.review import (
    RANDOM_SHARE,
    ReviewPhoto,
    choice_of,
    in_review_order,
    review_photos,
    reviewed_accuracy,
)
from petmood.monitoring.feedback.store import FeedbackStore
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.photo_folders import PhotosOfLog
from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import BUNDLE, START_US, row, sqlite

KEYS = [PhotoKey(f"request-{number}") for number in range(400)]
RANDOM = [key for key in KEYS if choice_of(key) == "random"]
OTHERS = [key for key in KEYS if choice_of(key) == "least_confident"]


def photo(
    key: PhotoKey,
    *,
    top: float = 0.6,
    mark: str | None = None,
    predicted: str | None = "happy",
    bundle: LoggedBundle = BUNDLE,
    time_us: int = START_US,
) -> ReviewPhoto:
    return ReviewPhoto(key, predicted, {"angry": 1 - top, "happy": top}, mark, bundle, time_us)


def test_a_fifth_of_the_photos_is_a_random_sample() -> None:
    assert len(RANDOM) / len(KEYS) == pytest.approx(RANDOM_SHARE, abs=0.06)


def test_one_random_photo_comes_before_four_of_the_least_confident() -> None:
    tops = np.linspace(0.9, 0.55, 10)
    given = [photo(key, top=float(top)) for key, top in zip(OTHERS[:10], tops, strict=True)]
    given += [photo(key) for key in RANDOM[:4]]
    found = in_review_order([*given, photo(OTHERS[11], mark="happy"), photo(RANDOM[5], mark="angry")])
    assert [one.chosen == "random" for one in found] == ([True] + [False] * 4) * 2 + [True, False, False, True]
    assert [one.key for one in found if one.chosen == "least_confident"] == OTHERS[9::-1]
    assert in_review_order(reversed(given)) == in_review_order(given)


def test_the_accuracy_is_that_of_the_random_sample_alone() -> None:
    right = [photo(key, mark="happy") for key in RANDOM[:30]]
    wrong = [photo(key, mark="angry") for key in RANDOM[30:40]]
    chosen = [photo(key, mark="angry") for key in OTHERS[:50]]
    (found,) = reviewed_accuracy([*right, *wrong, *chosen, photo(RANDOM[41])])
    assert (found.bundle, found.abstained) == (BUNDLE, 0)
    assert (found.value, found.count) == (0.75, 40)
    assert [found.low, found.high] == pytest.approx([0.598, 0.858], abs=0.001)
    assert reviewed_accuracy(chosen) == []
    (every,) = reviewed_accuracy([photo(RANDOM[0], mark="happy")])
    assert every.high == 1.0


def test_bundles_have_an_accuracy_each_and_no_label_is_neither_right_nor_wrong() -> None:
    later = LoggedBundle("cd" * 32, "pets", "2", BUNDLE.classes)
    first = [photo(key, mark="angry") for key in RANDOM[:4]]
    second = [photo(key, mark="happy", bundle=later, time_us=START_US + 1) for key in RANDOM[4:7]]
    without = [photo(RANDOM[7], mark="happy", predicted=None, bundle=later)]
    new, old = reviewed_accuracy([*first, *without, *second])
    assert (new.bundle, new.value, new.count, new.abstained) == (later, 1.0, 3, 1)
    assert (old.bundle, old.value, old.count, old.abstained) == (BUNDLE, 0.0, 4, 0)
    (only,) = reviewed_accuracy(without)
    assert (only.value, only.low, only.high, only.count, only.abstained) == (None, None, None, 0, 1)


def test_kept_photos_are_found_with_their_predictions_and_marks(tmp_path: Path) -> None:
    engine, kept = sqlite(tmp_path), KeptPhotos(tmp_path / "photos")
    kept.create(days=30)
    LogStore(engine).insert([*(row(number) for number in range(5)), row(7, photo_sha256="")])
    for number in (0, 1, 2, 7, 9):  # the row of the seventh has no photo, and of the last one there is no row
        kept.write(PhotoKey(f"request-{number}"), b"photo")
    store = FeedbackStore(engine)
    store.write(Feedback(PhotoKey("request-0"), REVIEWER, "angry", None, 1, chosen="random"))
    store.write(Feedback(PhotoKey("request-1"), REVIEWER, "happy", None, 1, chosen="random"))
    store.write(Feedback(PhotoKey("request-2"), "a visitor", "angry", None, 1))
    found = {one.key.request_id: one for one in review_photos(engine, kept)}
    engine.dispose()
    assert {name: one.mark for name, one in found.items()} == {
        "request-0": "angry",
        "request-1": "happy",
        "request-2": None,
    }
    assert (found["request-2"].bundle, found["request-2"].time_us) == (BUNDLE, row(2).time_us)
    assert (found["request-2"].predicted, found["request-2"].probabilities) == ("happy", {"angry": 0.25, "happy": 0.75})


def test_the_newest_photos_of_all_folders_are_offered_once_each(tmp_path: Path) -> None:
    engine, folders = sqlite(tmp_path), [KeptPhotos(tmp_path / name) for name in ("old", "new")]
    LogStore(engine).insert([row(number) for number in range(4)])
    for folder, written in zip(folders, ({0: 10, 1: 20, 2: 30}, {2: 40, 3: 15}), strict=True):
        folder.folder.mkdir()
        for number, time_s in written.items():
            folder.write(PhotoKey(f"request-{number}"), b"photo")
            os.utime(folder.path(PhotoKey(f"request-{number}")), (time_s, time_s))
    photos = PhotosOfLog(one.folder for one in folders)
    offered = [[one.key.request_id for one in review_photos(engine, photos, most=most)] for most in (1, 3, 9)]
    engine.dispose()
    assert [sorted(one) for one in offered] == [
        ["request-2"],
        ["request-1", "request-2", "request-3"],
        ["request-0", "request-1", "request-2", "request-3"],
    ]
