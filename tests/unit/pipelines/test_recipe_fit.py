"""Recipes as functions of photos: held-out groups, equal results of one seed, and fits to permuted labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.configs.schema import Config
from petmood.core.errors import ConfigError
from petmood.data.classes import labels_of
from petmood.data.index import Role, read_index
from petmood.pipelines import recipe_fit as recipe_fit_module
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.recipe_fit import PERMUTATIONS, permuted_accuracies, recipe_fit
from petmood.training.dataset import PhotoSet
from petmood.training.linear_probe import Features

Settings = Callable[..., Config]
PROBE = ("recipe=linear_probe", "weights=none", "recipe.l2_strengths=[0.01]", "folds=3")
RIDGE = (*PROBE, "recipe.solver=ridge")


def test_a_recipe_that_chooses_sets_groups_aside_for_that(settings: Settings, small_set: Path) -> None:
    config = settings("recipe=linear_probe", "weights=none", f"data={small_set}")
    index = read_index(small_set)
    rows = index.rows
    photo_set = configured_photos(config, small_set, rows, classes=index.classes)
    learn, choose = recipe_fit_module._holdout(photo_set, np.arange(len(rows)), seed=0)
    groups = [{rows[n].group_id for n in part} for part in (learn, choose)]
    assert not groups[0] & groups[1]
    assert all(rows[n].role == "original" for n in choose)
    assert len(choose) > 5


def test_one_seed_gives_one_answer(settings: Settings, photo_sets: tuple[PhotoSet, PhotoSet]) -> None:
    config, numbers = settings(*PROBE), np.arange(16)
    first, again = (recipe_fit(config, photo_sets[0])(numbers, numbers + 16, 7) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert labels_of(photo_sets[0].rows, classes=photo_sets[0].classes).tolist() == photo_sets[0].labels.tolist()


def test_only_a_ridge_probe_of_plain_photos_is_in_closed_form(settings: Settings) -> None:
    assert settings(*RIDGE).is_closed_form
    for other in ([*PROBE, "recipe.solver=logistic"], [*RIDGE, "recipe.num_views=2"], ["recipe=scratch"]):
        assert not settings(*other).is_closed_form


class Head:
    """A head that predicts the first class."""

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return logits of four classes."""
        return np.eye(4)[np.zeros(len(features), dtype=int)]


def test_labels_are_exchanged_between_groups_for_training_and_test(
    settings: Settings, photo_sets: tuple[PhotoSet, PhotoSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo_set = photo_sets[0]
    pairs = [photo_set.rows[n // 2 * 2] for n in range(len(photo_set.rows))]
    labels = labels_of(pairs, classes=photo_set.classes)
    rows = [replace(row, group_id=pair.group_id) for row, pair in zip(photo_set.rows, pairs, strict=True)]
    rows[-1] = replace(rows[-1], role=Role.EXCLUDED)
    photo_set = replace(photo_set, rows=tuple(rows), labels=labels)
    fitted: list[dict[str, list[int]]] = []
    extracted: list[int] = []
    extract = vars(recipe_fit_module)["extract_features"]

    def fit_head(settings: object, known: Features, choosing: object, *, blocks: object) -> Head:
        del settings, choosing, blocks
        of_group: dict[str, list[int]] = {}
        for group, label in zip(known.groups, known.labels.tolist(), strict=True):
            of_group.setdefault(group, []).append(label)
        fitted.append(of_group)
        return Head()

    def counted(*given: Any, **named: Any) -> Features:  # noqa: ANN401 - as the function it stands for
        extracted.append(1)
        found: Features = extract(*given, **named)
        return found

    monkeypatch.setattr(recipe_fit_module, "fit_head", fit_head)
    monkeypatch.setattr(recipe_fit_module, "extract_features", counted)
    found = permuted_accuracies(settings(*RIDGE), photo_set, rows)
    assert len(found) == PERMUTATIONS >= 50
    assert len(fitted) == 3 * PERMUTATIONS
    assert extracted == [1]
    assert all(len(set(one)) == 1 for fold in fitted for one in fold.values())
    assert len({str(sorted(fold.items())) for fold in fitted}) > PERMUTATIONS
    # Always the first class: right for its share of the permuted labels, which is that of the labels.
    share = np.mean(labels[:-1] == 0)
    assert set(np.abs(np.array(found) - share) < 0.05) == {True}


def test_a_probe_of_a_head_that_is_not_linear_is_refused_as_in_training(
    settings: Settings, photo_sets: tuple[PhotoSet, PhotoSet]
) -> None:
    with pytest.raises(ConfigError, match=r"got model\.head=mlp\. Set model\.head=linear\."):
        recipe_fit(settings(*PROBE, "model.head=mlp"), photo_sets[0])
