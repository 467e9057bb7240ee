"""Tests of slice metrics: assignment of photos to slices, and the flag for small slices."""

from dataclasses import replace

import numpy as np
import pytest

from petmood.evaluation.slices import READABLE_FROM, size_bucket, slice_metrics
from tests.support.evaluation import MakeScored


@pytest.mark.parametrize(
    ("side_px", "name"),
    [
        (0, "under 128 px"),
        (127, "under 128 px"),
        (128, "128 to 255 px"),
        (1023, "512 to 1023 px"),
        (1024, "1024 px and more"),
    ],
)
def test_sizes_fall_into_their_bucket(side_px: int, name: str) -> None:
    assert size_bucket(side_px) == name


def test_every_slice_has_its_own_accuracy_and_count(make_scored: MakeScored) -> None:
    scored = make_scored(90)
    right = scored.predicted() == scored.labels
    found = {(part.kind, part.name): part for part in slice_metrics(scored)}
    cats = np.array(scored.species) == "cat"
    assert found["species", "cat"].accuracy.n == int(cats.sum())
    assert found["species", "cat"].accuracy.value == pytest.approx(right[cats].mean())
    assert ("species", "") not in found
    assert sum(part.accuracy.n for (kind, _), part in found.items() if kind == "label") == 90
    assert sum(part.accuracy.n for (kind, _), part in found.items() if kind == "size") == 90
    for part in found.values():
        assert part.accuracy.low <= part.accuracy.value <= part.accuracy.high


def test_sources_are_listed_where_there_are_two(make_scored: MakeScored) -> None:
    scored = make_scored(20)
    assert not [part for part in slice_metrics(replace(scored, source=("web",) * 20)) if part.kind == "source"]
    mixed = slice_metrics(replace(scored, source=("web",) * 12 + ("phone",) * 8))
    assert [(part.name, part.accuracy.n) for part in mixed if part.kind == "source"] == [("phone", 8), ("web", 12)]


def test_slices_under_ten_photos_are_marked(make_scored: MakeScored) -> None:
    for part in slice_metrics(make_scored(40)):
        assert part.readable == (part.accuracy.n >= READABLE_FROM)
        assert part.to_json()["readable"] == part.readable


def test_no_photos_have_no_slices(make_scored: MakeScored) -> None:
    assert slice_metrics(make_scored(0)) == ()
