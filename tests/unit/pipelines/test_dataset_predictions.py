"""Tests of out-of-fold predictions: computed where none are given, or read from a cross-validation of the same data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.core.errors import DataError, MissingDependency, RunError
from petmood.data.index import Role, read_index
from petmood.evaluation.predictions import Predictions
from petmood.pipelines import dataset_predictions
from petmood.pipelines.crossval import crossval
from petmood.pipelines.dataset_predictions import measure_out_of_fold, read_out_of_fold
from petmood.pipelines.recipe_fit import recipe_fit
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small dataset with copies."""
    return write_small_set(tmp_path_factory.mktemp("sets") / "pets", train=40, valid=8, test=8, copies=4)


@pytest.fixture(scope="module")
def run(settings: Settings, data: Path) -> Path:
    """Return the folder of a finished cross-validation with two repeats."""
    probe = ("recipe=linear_probe", "weights=none", "recipe.l2_strengths=[0.01]", "crossval.permuted_labels=false")
    return crossval(settings(*probe, f"data={data}", "folds=2", "repeats=2", "name=folds")).folder


def test_every_original_is_predicted_from_pretrained_features(data: Path) -> None:
    found = measure_out_of_fold(data, read_index(data))
    assert set(found.paths) == {row.path for row in read_index(data) if row.role == Role.ORIGINAL}
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert found.accuracy > 0.5
    assert found.method.startswith("a linear head on ImageNet features of EfficientNet-Lite0, 5-fold")


def test_without_the_weights_the_hand_crafted_features_are_used_and_the_package_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_weights(config: Config, *arguments: object, **options: object) -> object:
        if config.model.backbone == "efficientnet_lite0":
            raise MissingDependency("'timm' is not installed.")
        return recipe_fit(config, *arguments, **options)  # type: ignore[arg-type] # passed on

    monkeypatch.setattr(dataset_predictions, "recipe_fit", without_weights)
    found = measure_out_of_fold(data, read_index(data))
    assert "hand-crafted features (better ones: " in found.method
    assert "petmood[weights]" in found.method
    assert found.accuracy > 0.5


def test_a_fold_is_fitted_to_no_more_photos_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_predictions, "MOST_TRAINED", 30)
    sizes: list[int] = []

    def zeros(train: NDArray[np.int64], test: NDArray[np.int64], _: int) -> NDArray[np.float64]:
        sizes.append(len(np.unique(train)))
        return np.zeros((len(test), 2))

    fit = dataset_predictions._of_some(zeros)
    fit(np.arange(44), np.arange(44, 56), 1)
    fit(np.arange(29), np.arange(44, 56), 1)
    assert sizes == [30, 29]


def test_the_repeats_of_a_cross_validation_are_averaged(run: Path, data: Path) -> None:
    found = read_out_of_fold(run, data, read_index(data))
    repeats = [Predictions.load(run / f"out_of_fold-{repeat}.npz") for repeat in range(2)]
    expected = (repeats[0].probabilities() + repeats[1].probabilities()) / 2
    np.testing.assert_allclose(found.probabilities, expected)
    assert (found.paths, found.method) == (repeats[0].paths, "the cross-validation folds")


def test_a_cross_validation_of_another_data_version_is_refused(run: Path, tmp_path: Path) -> None:
    other = write_small_set(tmp_path / "other", train=8, valid=4, test=4, seed=7)
    with pytest.raises(DataError, match=r"'.*folds' has cross-validated data version .{12}, expected .{12}, that of"):
        read_out_of_fold(run, other, read_index(other))


def test_a_folder_without_a_cross_validation_is_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(RunError, match=r"Expected a cross-validation with out_of_fold-0\.npz in '.*', got none"):
        read_out_of_fold(tmp_path, data, read_index(data))
