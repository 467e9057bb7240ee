"""Tests of the baselines: majority class, HOG + SVM, shuffled labels and the leakage gap."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.svm import SVC

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Role, Split
from petmood.evaluation.baselines import (
    BASELINES,
    PERMUTATIONS,
    fit_baselines,
    hog_features,
    hog_svm,
    hold_out,
    leakage_gap,
    most_frequent,
    once,
    permuted_labels,
)
from petmood.evaluation.crossval import cross_validate
from petmood.evaluation.permutation import permute_by_group
from petmood.evaluation.predictions import Predictions
from tests.support.evaluation import MakeRows
from tests.support.images import photo_like

T = TypeVar("T")
HOG: dict[str, Any] = {
    "orientations": 9,
    "pixels_per_cell": (16, 16),
    "cells_per_block": (2, 2),
    "transform_sqrt": True,
    "channel_axis": -1,
}


def striped(angle: int, *, side_px: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Return stripes at an angle in degrees, with noise, as RGB."""
    y, x = np.mgrid[:side_px, :side_px]
    turn = np.deg2rad(angle)
    wave = np.sin((x * np.cos(turn) + y * np.sin(turn)) * 0.4)
    noise = np.random.default_rng(seed).normal(0, 10, (side_px, side_px, 3))
    return np.asarray(np.clip(128 + 90 * wave[..., None] + noise, 0, 255), dtype=np.uint8)


@pytest.fixture(scope="module")
def stripes() -> np.ndarray:
    """Return the features of 48 images whose class determines the direction of stripes."""
    return hog_features(striped(45 * (i % 4), seed=i) for i in range(48))


def labels_of(rows: list[IndexRow]) -> np.ndarray:
    return np.array([DEFAULT_CLASSES.index(row.label) for row in rows])


def share_right(scored: Predictions) -> float:
    return float((scored.predicted() == scored.labels).mean())


def test_features_hold_the_image_and_its_mirror_image() -> None:
    image = striped(30, side_px=128)
    image[:, 64:] //= 2
    found, mirrored = hog_features([image, image[:, ::-1].copy()])
    np.testing.assert_allclose(found[0], hog(image, **HOG), atol=1e-6)
    alike, unlike = (np.corrcoef(view, mirrored[0])[0, 1] for view in (found[1], found[0]))
    assert alike > 0.97
    assert unlike < 0.9


def test_grey_images_and_any_size_have_the_same_number_of_features() -> None:
    assert hog_features([striped(0)[..., 0], striped(0, side_px=200)]).shape == (2, 2, 1764)
    for found, shape in ((hog_features([striped(0)]), (1, 2, 1764)), (hog_features([]), (0, 2, 0))):
        assert found.shape == shape
        assert found.dtype == np.float32


def test_the_mirror_image_of_a_photo_with_detail_everywhere_has_its_own_features() -> None:
    photo = photo_like(128, 128)
    (found,), (mirrored,) = hog_features([photo]), hog_features([photo[:, ::-1].copy()])
    assert np.corrcoef(found[1], mirrored[0])[0, 1] > 0.94


@pytest.mark.parametrize(("asked", "side_px"), [({}, 128), ({"side_px": 64}, 64)])
def test_a_photo_of_another_size_is_resized_between_its_pixels_to_128_or_the_side_asked(
    asked: dict[str, Any], side_px: int
) -> None:
    photo = photo_like(100, 75)
    square = np.asarray(Image.fromarray(photo).resize((side_px, side_px), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(hog_features([photo], **asked)[0, 0], hog(square, **HOG), atol=1e-6)


def test_progress_over_the_photos_is_reported() -> None:
    reported: list[tuple[int | None, str]] = []

    def progress(items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
        reported.append((total, what))
        yield from items

    hog_features(iter([striped(0), striped(45)]), total=2, progress=progress)
    assert reported == [(2, "computing HOG features")]


def test_the_majority_control_always_gives_the_most_frequent_training_label() -> None:
    labels = np.array([2, 2, 2, 0, 1, 1, 3])
    logits = most_frequent(labels, classes=4)(np.arange(6), np.array([6, 3]), 0)
    assert logits.argmax(axis=1).tolist() == [2, 2]
    np.testing.assert_allclose(np.exp(logits[0]), [1 / 6, 2 / 6, 3 / 6, 0], atol=1e-3)


def test_hog_and_svm_find_a_shape_and_permuted_labels_find_nothing(stripes: np.ndarray, make_rows: MakeRows) -> None:
    rows = make_rows(48, splits=("train", "train", "test"))
    labels = labels_of(rows)
    (found,) = hold_out(once(hog_svm(stripes, labels, classes=4)), rows, classes=DEFAULT_CLASSES)
    assert len(found) == 16
    assert share_right(found) > 0.9
    permuted = fit_baselines(rows, stripes, classes=DEFAULT_CLASSES)["permuted_labels"]
    assert np.mean([share_right(one) for one in permuted]) == pytest.approx(0.25, abs=0.06)


def test_a_permuted_fit_is_that_of_the_same_machine_to_the_labels_of_exchanged_groups(
    stripes: np.ndarray, make_rows: MakeRows
) -> None:
    rows = make_rows(24, copies=1)
    labels, groups = labels_of(rows), [row.group_id for row in rows]
    train, test = np.arange(36), np.arange(36, 48)
    fits = permuted_labels(stripes, labels, groups, classes=4, permutations=3)(train, test, 5)
    seeds = np.random.SeedSequence(5).generate_state(3)
    for found, seed in zip(fits, seeds, strict=True):
        wrong = labels.copy()
        wrong[train] = permute_by_group(labels[train], np.repeat(np.arange(18), 2), seed=int(seed))
        assert (wrong[0:36:2] == wrong[1:36:2]).all(), "copies keep the label of their original"
        np.testing.assert_allclose(found, hog_svm(stripes, wrong, classes=4)(train, test, 0), atol=1e-3)


@pytest.mark.parametrize("known", [1, 2, 3])
def test_classes_missing_from_training_are_never_answered(stripes: np.ndarray, known: int) -> None:
    labels = np.arange(48) % 4
    train = np.flatnonzero((labels < known) & (np.arange(48) < 36))
    test = np.flatnonzero((labels < known) & (np.arange(48) >= 36))
    logits = hog_svm(stripes, labels, classes=4)(train, test, 0)
    assert logits.shape == (len(test), 4)
    np.testing.assert_array_equal(logits.argmax(axis=1), labels[test])
    assert set(logits[:, known:].ravel()) == {-20.0}
    if known == 1:
        assert set(logits[:, 0]) == {0.0}
    if known == 2:
        np.testing.assert_array_equal(logits[:, 0], -logits[:, 1])


@pytest.mark.parametrize(("photos", "parts"), [(40, 64), (20, 39)])
def test_the_machine_learns_standardized_principal_components_of_photos_and_mirror_images(
    photos: int, parts: int
) -> None:
    rng = np.random.default_rng(0)
    scales = np.linspace(1, 9, 70)
    features = (rng.normal(size=(photos + 6, 2, 70)) * scales + 5).astype(np.float32)
    labels = np.arange(photos + 6) % 3
    train, test = np.arange(photos), np.arange(photos, photos + 6)
    views = features[train].reshape(2 * photos, 70).astype(float)
    middle, spread = views.mean(axis=0), views.std(axis=0)
    reduced = PCA(parts, svd_solver="randomized", random_state=0).fit((views - middle) / spread)
    learned, asked = (reduced.transform((x - middle) / spread) for x in (views, features[test, 0]))
    machine = SVC(kernel="rbf", C=1.0, gamma=1 / (parts * learned.var())).fit(learned, labels[train].repeat(2))
    logits = hog_svm(features, labels, classes=3)(train, test, 0)
    np.testing.assert_allclose(logits, machine.decision_function(asked), atol=1e-3)


def test_a_method_is_held_out_with_copies_and_the_seed_0_by_default(make_rows: MakeRows) -> None:
    rows = make_rows(8, copies=1, splits=("train", "test"))
    asked: list[tuple[list[int], list[int], int]] = []

    def fit(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        asked.append((train.tolist(), test.tolist(), seed))
        return np.zeros((len(test), 4))

    hold_out(once(fit), rows, classes=DEFAULT_CLASSES)
    hold_out(once(fit), rows, classes=DEFAULT_CLASSES, include_copies=False, seed=3)
    tested = [8, 10, 12, 14]
    assert asked == [(list(range(8)), tested, 0), ([0, 2, 4, 6], tested, 3)]


def test_the_leak_shows_where_copies_are_in_both_splits(make_rows: MakeRows) -> None:
    rows = make_rows(16, copies=3)
    rng = np.random.default_rng(0)
    own = rng.normal(size=(16, 1, 30)).repeat(4, axis=0) + rng.normal(0, 0.1, (64, 1, 30))
    features = own.repeat(2, axis=1).astype(np.float32)
    found = leakage_gap(rows, features, classes=DEFAULT_CLASSES, folds=4)
    assert found["random_split"].paths == found["group_split"].paths
    assert share_right(found["random_split"]) > share_right(found["group_split"]) + 0.3


@pytest.mark.parametrize(("asked", "folds", "seed"), [({}, 5, 0), ({"folds": 3, "seed": 4}, 3, 4)])
def test_the_leak_is_measured_in_folds_of_the_seed_asked(
    make_rows: MakeRows, asked: dict[str, Any], folds: int, seed: int
) -> None:
    rows = make_rows(12, copies=1)
    features = np.random.default_rng(0).normal(size=(24, 2, 6)).astype(np.float32)
    method = hog_svm(features, labels_of(rows), classes=4)
    gap = leakage_gap(rows, features, classes=DEFAULT_CLASSES, **asked)
    for name, grouped in (("group_split", True), ("random_split", False)):
        measured = cross_validate(
            rows, method, classes=DEFAULT_CLASSES, folds=folds, repeats=1, grouped=grouped, seed=seed
        )
        np.testing.assert_array_equal(gap[name].logits, measured.pooled[0].logits)
    if asked:
        found = fit_baselines(
            [replace(rows[0], split=Split.TEST), *rows[1:]], features, classes=DEFAULT_CLASSES, **asked
        )
        assert all((found[name][0].logits == gap[name].logits).all() for name in gap)


def test_by_default_copies_are_learned_from_and_five_folds_are_made_on_the_test_split(make_rows: MakeRows) -> None:
    rows = make_rows(12, copies=1, splits=("train", "test", "valid"))
    features = np.random.default_rng(0).normal(size=(24, 2, 6)).astype(np.float32)
    default = fit_baselines(rows, features, classes=DEFAULT_CLASSES)
    plain = fit_baselines(
        rows, features, classes=DEFAULT_CLASSES, split=Split.TEST, include_copies=True, folds=5, seed=0
    )
    for name in BASELINES:
        assert [scored.paths for scored in default[name]] == [scored.paths for scored in plain[name]]
        assert all((one.logits == two.logits).all() for one, two in zip(default[name], plain[name], strict=True))


def test_all_controls_come_as_scores_of_originals(stripes: np.ndarray, make_rows: MakeRows) -> None:
    rows = make_rows(48, splits=("train", "valid", "test"))
    rows[1] = replace(rows[1], role=Role.EXCLUDED)
    found = fit_baselines(rows, stripes, classes=DEFAULT_CLASSES, split=Split.VALID)
    assert tuple(found) == BASELINES
    assert found["most_frequent"][0].paths == tuple(row.path for row in rows if row.split == "valid")
    assert len(found["random_split"][0]) == 47
    assert {name: len(parts) for name, parts in found.items()} == dict.fromkeys(BASELINES, 1) | {
        "permuted_labels": PERMUTATIONS
    }


def test_each_permutation_is_another_and_the_next_evaluation_has_the_same(
    stripes: np.ndarray, make_rows: MakeRows
) -> None:
    rows = make_rows(48, splits=("train", "train", "test"))
    first, again, other = (
        fit_baselines(rows, stripes, classes=DEFAULT_CLASSES, seed=seed)["permuted_labels"] for seed in (0, 0, 1)
    )
    assert len(first) == len(other) == PERMUTATIONS >= 50
    assert len({scored.logits.tobytes() for scored in (*first, *other)}) == 2 * PERMUTATIONS
    assert all((one.logits == two.logits).all() for one, two in zip(first, again, strict=True))


@pytest.mark.parametrize(("include_copies", "called"), [(False, 1), (True, 0)])
def test_baselines_learn_from_copies_if_the_model_does(
    make_rows: MakeRows, *, include_copies: bool, called: int
) -> None:
    rows = [
        row
        for row in make_rows(16, copies=3, splits=("train", "train", "train", "test"))
        if row.role == Role.ORIGINAL or row.label == DEFAULT_CLASSES[0]
    ]
    rows = [row for row in rows if row.label == DEFAULT_CLASSES[1] or row.group_id not in ("f0000", "f0002", "f0003")]
    features = np.random.default_rng(0).normal(size=(len(rows), 2, 30)).astype(np.float32)
    found = fit_baselines(rows, features, classes=DEFAULT_CLASSES, include_copies=include_copies)
    assert set(found["most_frequent"][0].predicted()) == {called}


@pytest.mark.parametrize("split", [Split.VALID, Split.TEST])
def test_copies_in_other_splits_are_never_scored(make_rows: MakeRows, split: Split) -> None:
    rows = make_rows(48, copies=2, splits=(Split.TRAIN, split))
    rows[8 * 3] = replace(rows[8 * 3], split=split, role=Role.EXCLUDED)
    (scored,) = hold_out(once(most_frequent(labels_of(rows), classes=4)), rows, classes=DEFAULT_CLASSES, split=split)
    wanted = [row.path for row in rows if row.split == split and row.role == Role.ORIGINAL]
    assert list(scored.paths) == wanted
    assert 0 < len(wanted) < sum(row.split == split for row in rows) / 2


@pytest.mark.parametrize(("folds", "found"), [(9, BASELINES[:3]), (8, BASELINES)])
def test_too_few_groups_leave_the_leak_out(make_rows: MakeRows, folds: int, found: tuple[str, ...]) -> None:
    rows = make_rows(8, splits=("train", "test"))
    features = np.random.default_rng(0).normal(size=(8, 2, 3)).astype(np.float32)
    assert tuple(fit_baselines(rows, features, classes=DEFAULT_CLASSES, folds=folds)) == found


@pytest.mark.parametrize(("splits", "lacking"), [(("train",), "test"), (("test",), "train")])
def test_a_missing_split_is_named(
    stripes: np.ndarray, make_rows: MakeRows, splits: tuple[str, ...], lacking: str
) -> None:
    message = f"Expected photos in the {lacking} split for the baselines, got none. Check the dataset."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        fit_baselines(make_rows(8, splits=splits), stripes[:8], classes=DEFAULT_CLASSES)
