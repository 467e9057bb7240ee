"""Order in which kept photos are reviewed by a person, and what the reviewed ones say of each bundle's accuracy."""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from sqlalchemy import Engine, func, select, tuple_

from petmood.monitoring.feedback.records import REVIEWER
from petmood.monitoring.kept_photos import PhotoReader
from petmood.monitoring.prediction_log.database import reading
from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey
from petmood.monitoring.prediction_log.tables import BUNDLES, FEEDBACK, PREDICTIONS

__all__ = [
    "NORMAL_95",
    "Choice",
    "ReviewPhoto",
    "ReviewedAccuracy",
    "choice_of",
    "in_review_order",
    "review_photos",
    "reviewed_accuracy",
]

Choice = Literal["random", "least_confident"]

RANDOM_SHARE: Final = 0.2
"""Share of all photos that are a random sample: the accuracy of a model can't be estimated from chosen photos."""
MOST: Final = 5000
"""Newest photos that are offered for review."""
KEYS_A_QUERY: Final = 500
NORMAL_95: Final = 1.96
"""Standard deviations of a normal distribution from its mean to the ends of its central 95%."""


@dataclass(frozen=True, slots=True)
class ReviewPhoto:
    """A kept photo with its prediction; ``mark`` is the reviewer's label, None if it is not reviewed.

    ``predicted`` is None for a photo out of the domain. ``probabilities`` are by class. ``time_us`` is that of the
    prediction, in microseconds since 1970.
    """

    key: PhotoKey
    predicted: str | None
    probabilities: dict[str, float]
    mark: str | None
    bundle: LoggedBundle
    time_us: int

    @property
    def chosen(self) -> Choice:
        """How the photo is chosen for review."""
        return choice_of(self.key)


@dataclass(frozen=True, slots=True)
class ReviewedAccuracy:
    """Accuracy of a bundle on the ``count`` reviewed photos of the random sample with a predicted label.

    ``value`` has a 95% interval; all three are None if ``count`` is 0. ``abstained`` is the number of those
    without a predicted label, which is neither right nor wrong.
    """

    bundle: LoggedBundle
    value: float | None
    low: float | None
    high: float | None
    count: int
    abstained: int


def choice_of(key: PhotoKey) -> Choice:
    """Return how a photo is chosen: a fifth at random, by the hash of its key and so the same each time."""
    return "random" if _drawn(key) < RANDOM_SHARE else "least_confident"


def review_photos(engine: Engine, photos: PhotoReader, *, most: int = MOST) -> list[ReviewPhoto]:
    """Return the newest kept photos whose predictions are in the log, in no particular order.

    Raises:
        LogUnavailable: the database can't be used.
    """
    found = []
    mine = FEEDBACK.c.visitor == REVIEWER
    key = (PREDICTIONS.c.request_id, PREDICTIONS.c.position)
    same = (FEEDBACK.c.request_id == key[0]) & (FEEDBACK.c.position == key[1]) & mine
    has_photo = func.coalesce(PREDICTIONS.c.photo_sha256, "unknown") != ""
    query = (
        select(*key, PREDICTIONS.c.label, PREDICTIONS.c.probabilities, PREDICTIONS.c.time_us, *BUNDLES.c)
        .add_columns(FEEDBACK.c.visitor.label("reviewer"), FEEDBACK.c.label.label("given"))
        .join(BUNDLES, BUNDLES.c.sha256 == PREDICTIONS.c.bundle)
        .outerjoin(FEEDBACK, same)
    )
    with reading(engine) as connection:
        newest = _newest(photos, most=most)
        for start in range(0, len(newest), KEYS_A_QUERY):
            wanted = newest[start : start + KEYS_A_QUERY]
            for row in connection.execute(query.where(tuple_(*key).in_(wanted), has_photo)):
                chances = np.frombuffer(row.probabilities, dtype="<f4").tolist()
                mark = None if row.reviewer is None else row.given or row.label
                bundle = LoggedBundle(row.sha256, row.name, row.version, tuple(json.loads(row.classes)))
                by_class = dict(zip(bundle.classes, chances, strict=True))
                photo = PhotoKey(row.request_id, row.position)
                found.append(ReviewPhoto(photo, row.label, by_class, mark, bundle, row.time_us))
    return found


def in_review_order(photos: Iterable[ReviewPhoto]) -> list[ReviewPhoto]:
    """Return the photos that are not reviewed: one of the random sample and four of the least confident, in turns."""
    waiting = [photo for photo in photos if photo.mark is None]
    at_random = iter(sorted((one for one in waiting if one.chosen == "random"), key=lambda one: _drawn(one.key)))
    others = [one for one in waiting if one.chosen == "least_confident"]
    return [*_mixed(at_random, iter(sorted(others, key=_confidence)))]


def reviewed_accuracy(photos: Iterable[ReviewPhoto]) -> list[ReviewedAccuracy]:
    """Return the accuracy of each bundle on the reviewed photos of the random sample, the last bundle first.

    Intervals are Wilson's. A bundle without such a photo is left out.
    """
    by_bundle: dict[LoggedBundle, list[ReviewPhoto]] = defaultdict(list)
    for photo in photos:
        if photo.mark is not None and photo.chosen == "random":
            by_bundle[photo.bundle].append(photo)
    ordered = sorted(by_bundle.items(), key=lambda one: -max(photo.time_us for photo in one[1]))
    return [_accuracy(bundle, known) for bundle, known in ordered]


def _newest(photos: PhotoReader, *, most: int) -> list[tuple[str, int]]:
    """Return request ids and positions of the newest photos, each once, the newest first."""
    dated = sorted(photos.dated(), key=lambda one: (-one[0], one[1].request_id, one[1].position))
    return [*dict.fromkeys((key.request_id, key.position) for _, key in dated)][:most]


def _accuracy(bundle: LoggedBundle, known: Sequence[ReviewPhoto]) -> ReviewedAccuracy:
    labeled = [photo for photo in known if photo.predicted is not None]
    count, abstained = len(labeled), len(known) - len(labeled)
    if not count:
        return ReviewedAccuracy(bundle, None, None, None, 0, abstained)
    share = sum(photo.mark == photo.predicted for photo in labeled) / count
    squared = NORMAL_95**2 / count
    middle = (share + squared / 2) / (1 + squared)
    half = math.sqrt(share * (1 - share) * squared + squared**2 / 4) / (1 + squared)
    return ReviewedAccuracy(bundle, share, max(0.0, middle - half), min(1.0, middle + half), count, abstained)


def _confidence(photo: ReviewPhoto) -> tuple[float, str, int]:
    return max(photo.probabilities.values()), photo.key.request_id, photo.key.position


def _mixed(at_random: Iterator[ReviewPhoto], least: Iterator[ReviewPhoto]) -> Iterator[ReviewPhoto]:
    exhausted = False
    while not exhausted:
        group = [next(at_random, None), *(next(least, None) for _ in range(4))]
        exhausted = group.count(None) == len(group)
        yield from (one for one in group if one is not None)


def _drawn(key: PhotoKey) -> float:
    """Return a number in 0..1 that depends on the key alone."""
    digest = hashlib.sha256(f"{key.position}/{key.request_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
