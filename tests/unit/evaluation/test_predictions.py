"""Tests of Predictions: validation, selection and storage without pickle."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax as reference_softmax

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.evaluation.predictions import Predictions, from_rows
from tests.support.evaluation import MakeRows, MakeScored


def test_probabilities_agree_with_scipy_at_any_temperature(make_scored: MakeScored) -> None:
    scored = make_scored(9)
    known = reference_softmax(scored.logits / 2.5, axis=1)
    np.testing.assert_allclose(scored.probabilities(temperature=2.5), known, atol=1e-12)


def test_a_saved_record_is_read_back_equal(make_scored: MakeScored, tmp_path: Path) -> None:
    scored = replace(make_scored(9), source=("böse",) * 9)
    scored.save(tmp_path / "a" / "scored.npz")
    back = Predictions.load(tmp_path / "a" / "scored.npz")
    for name in ("groups", "paths", "classes", "species", "source"):
        assert getattr(back, name) == getattr(scored, name)
    for name in ("logits", "labels", "image_sizes"):
        np.testing.assert_array_equal(getattr(back, name), getattr(scored, name))


def test_an_empty_record_can_be_saved_and_read(make_scored: MakeScored, tmp_path: Path) -> None:
    make_scored(0).save(tmp_path / "empty.npz")
    assert len(Predictions.load(tmp_path / "empty.npz")) == 0


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_a_file_that_holds_no_scores_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "scored.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"scored\.npz"):
        Predictions.load(tmp_path / "scored.npz")


def test_pickled_content_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "scored.npz", logits=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError):
        Predictions.load(tmp_path / "scored.npz")


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    path = re.escape(str(tmp_path / "nothing.npz"))
    start = f"^Expected scores written by petmood \\(npz\\) at '{path}', got an unreadable file: "
    with pytest.raises(DataError, match=start) as refused:
        Predictions.load(tmp_path / "nothing.npz")
    assert str(refused.value).endswith(". Evaluate the run again to write them again.")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"logits": np.zeros((3, 2))},
            "Expected logits of shape (3, 4) for these labels and classes, got (3, 2).",
        ),
        ({"groups": ("a",)}, "Expected 3 entries in 'groups', one a photo, got 1."),
        ({"paths": ()}, "Expected 3 entries in 'paths', one a photo, got 0."),
        ({"species": ("",) * 4}, "Expected 3 entries in 'species', one a photo, got 4."),
        ({"source": ("",) * 2}, "Expected 3 entries in 'source', one a photo, got 2."),
        ({"image_sizes": np.zeros((2, 2))}, "Expected 3 entries in 'image_sizes', one a photo, got 2."),
        ({"labels": np.array([0, 1, 4])}, "Expected labels from 0 to 3, one for each class, got 4."),
        ({"labels": np.array([9, -1, 2])}, "Expected labels from 0 to 3, one for each class, got -1."),
        (
            {"logits": np.array([[0.0] * 4, [0.0, np.nan, 0.0, 0.0], [np.inf] * 4])},
            "Expected finite logits, got inf or nan for 'photos/0001.jpg'. The training diverged; lower optimizer.lr.",
        ),
    ],
)
def test_fields_that_do_not_fit_are_refused(make_scored: MakeScored, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        replace(make_scored(3), **changed)


def test_arrays_and_lists_of_other_types_are_converted(make_scored: MakeScored) -> None:
    given: dict[str, Any] = {
        "logits": np.zeros((2, 4), dtype=np.float32),
        "labels": np.array([3, 1], dtype=np.int8),
        "image_sizes": [5.0, 6.0, 7.0, 8.0],
        "groups": ["a", "b"],
    }
    scored = replace(make_scored(2), **given)
    assert [str(array.dtype) for array in (scored.logits, scored.labels, scored.image_sizes)] == [
        "float64",
        "int64",
        "int64",
    ]
    assert (scored.labels.tolist(), scored.image_sizes.tolist()) == ([3, 1], [[5, 6], [7, 8]])
    assert scored.groups == ("a", "b")


def test_the_lowest_and_the_highest_label_are_kept(make_scored: MakeScored) -> None:
    assert replace(make_scored(2), labels=np.array([0, 3])).labels.tolist() == [0, 3]


def test_taking_photos_keeps_everything_about_them_together(make_scored: MakeScored) -> None:
    scored = make_scored(12)
    part = scored.take([5, 2])
    assert part.paths == (scored.paths[5], scored.paths[2])
    assert part.species == (scored.species[5], scored.species[2])
    np.testing.assert_array_equal(part.logits, scored.logits[[5, 2]])
    assert len(scored.take(scored.labels == 0)) == int((scored.labels == 0).sum())
    assert len(scored.take([])) == 0
    assert (part.groups, part.source, part.classes) == (
        (scored.groups[5], scored.groups[2]),
        ("", ""),
        scored.classes,
    )
    np.testing.assert_array_equal(part.labels, scored.labels[[5, 2]])
    np.testing.assert_array_equal(part.image_sizes, scored.image_sizes[[5, 2]])


def test_groups_are_numbered_without_gaps(make_scored: MakeScored) -> None:
    numbers = make_scored(10, group_size=3).group_numbers()
    assert numbers.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_the_prediction_is_the_most_probable_class(make_scored: MakeScored) -> None:
    scored = make_scored(20)
    np.testing.assert_array_equal(scored.predicted(), scored.probabilities(temperature=3.0).argmax(axis=1))


def test_index_rows_and_logits_are_joined(make_rows: MakeRows) -> None:
    rows = make_rows(8)
    scored = from_rows(np.zeros((8, 4)), rows, classes=DEFAULT_CLASSES, source="folder")
    assert [scored.classes[label] for label in scored.labels] == [row.label for row in rows]
    assert scored.image_sizes[3].tolist() == [103, 90]
    assert scored.groups == tuple(row.group_id for row in rows)
    assert scored.paths == tuple(row.path for row in rows)
    assert scored.species == tuple(row.species for row in rows)
    assert from_rows(np.zeros((8, 4)), rows, classes=DEFAULT_CLASSES).source == ("",) * 8
    assert scored.source == ("folder",) * 8
    assert from_rows(np.zeros((8, 4)), rows, classes=DEFAULT_CLASSES, source=list("abcdefgh")).source == tuple(
        "abcdefgh"
    )


def test_a_label_that_the_network_does_not_know_is_named(make_rows: MakeRows) -> None:
    rows = make_rows(2, classes=("puzzled", *DEFAULT_CLASSES[:1]))
    with pytest.raises(DataError, match="puzzled"):
        from_rows(np.zeros((2, 4)), rows, classes=DEFAULT_CLASSES)
