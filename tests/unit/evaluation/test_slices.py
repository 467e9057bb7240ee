"""Tests of slice metrics: assignment of photos to slices, and the flag for small slices."""

from dataclasses import replace

import numpy as np
import pytest

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.proportions import clopper_pearson_interval
from petmood.evaluation.slices import READABLE_FROM, Slice, size_bucket, slice_metrics
from tests.support.evaluation import MakeScored


@pytest.mark.parametrize(
    ("side_px", "name"),
    [
        (0, "under 128 px"),
        (127, "under 128 px"),
        (128, "128 to 255 px"),
        (256, "256 to 511 px"),
        (511, "256 to 511 px"),
        (512, "512 to 1023 px"),
        (1023, "512 to 1023 px"),
        (1024, "1024 px and more"),
    ],
)
def test_sizes_fall_into_their_bucket(side_px: int, name: str) -> None:
    assert size_bucket(side_px) == name


def test_a_slice_is_written_as_json() -> None:
    assert Slice("species", "cat", Estimate(0.5, 0.25, 0.75, n=9), readable=False).to_json() == {
        "kind": "species",
        "name": "cat",
        "accuracy": {"value": 0.5, "low": 0.25, "high": 0.75, "n": 9},
        "readable": False,
    }


def test_classes_keep_their_order_sizes_go_up_and_names_are_sorted(make_scored: MakeScored) -> None:
    scored = make_scored(10, classes=("sad", "angry", "bored"), skill=20.0)
    sides = [100, 300, 130, 2000, 600, 1024, 127, 255, 512, 256]
    sizes = np.array([(side, 3000) if photo % 2 else (3000, side) for photo, side in enumerate(sides)])
    labels, logits = np.array([0] * 4 + [1] * 6), np.eye(3)[[0, 0, 1, 1, 1, 1, 1, 1, 1, 2]]
    species = ("dog", "cat", "dog", "", *["cat"] * 6)
    source = ("web", "phone", *[""] * 8)
    scored = replace(scored, labels=labels, logits=logits, image_sizes=sizes, species=species, source=source)
    found = [(part.kind, part.name, part.accuracy.n, part.accuracy.value) for part in slice_metrics(scored)]
    assert found == [
        ("label", "sad", 4, 0.5),
        ("label", "angry", 6, pytest.approx(5 / 6)),
        ("species", "cat", 7, pytest.approx(6 / 7)),
        ("species", "dog", 2, 0.5),
        ("source", "phone", 1, 1.0),
        ("source", "web", 1, 1.0),
        ("size", "under 128 px", 2, 1.0),
        ("size", "128 to 255 px", 2, 0.5),
        ("size", "256 to 511 px", 2, 0.5),
        ("size", "512 to 1023 px", 2, 1.0),
        ("size", "1024 px and more", 2, 0.5),
    ]


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


def test_ten_photos_are_enough_to_read_and_nine_are_not(make_scored: MakeScored) -> None:
    found = slice_metrics(replace(make_scored(19), species=("cat",) * 10 + ("dog",) * 9))
    assert [part.readable for part in found if part.kind == "species"] == [True, False]


def test_copies_of_a_photo_do_not_narrow_the_interval_of_a_slice(make_scored: MakeScored) -> None:
    scored = replace(make_scored(12, group_size=3), species=("cat",) * 12)
    right = int((scored.predicted() == scored.labels).sum())
    found = next(part.accuracy for part in slice_metrics(scored) if part.kind == "species")
    assert (found.low, found.high) == pytest.approx(clopper_pearson_interval(right / 3, 4))


def test_no_photos_have_no_slices(make_scored: MakeScored) -> None:
    assert slice_metrics(make_scored(0)) == ()
