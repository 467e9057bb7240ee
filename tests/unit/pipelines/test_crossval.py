"""Grouped cross-validation, with shuffled labels at chance level and an optimistic random split."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from petmood.configs.schema import Config
from petmood.core.errors import ConfigError, DataError, RunError
from petmood.data.classes import labels_of
from petmood.data.index import Role, read_index, write_index
from petmood.pipelines import crossval as crossval_module
from petmood.pipelines.crossval import CrossvalReport, crossval, recipe_fit
from petmood.training.dataset import PhotoSet, open_photo_set
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]
PROBE = ("recipe=linear_probe", "weights=none", "recipe.l2_strengths=[0.01]", "folds=3")


@pytest.fixture(scope="module")
def noisy_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set whose classes are drawn by lot, each training photo with a copy: nothing but copies can help."""
    folder = write_small_set(tmp_path_factory.mktemp("sets") / "lots", train=48, valid=0, test=0, copies=48, noise=60)
    rng = np.random.default_rng(3)
    lots = {row.group_id: str(rng.choice(["angry", "happy", "other", "sad"])) for row in read_index(folder)}
    write_index(folder, [replace(row, label=lots[row.group_id]) for row in read_index(folder)])
    return folder


@pytest.fixture(scope="module")
def report(settings: Settings, noisy_set: Path) -> CrossvalReport:
    """Return a cross-validation where labels mean nothing, copies kept."""
    return crossval(settings(*PROBE, f"data={noisy_set}", "data.include_copies=true", "name=lots"))


def test_a_leak_through_copies_flatters_and_whole_groups_do_not(report: CrossvalReport) -> None:
    honest, leaky = report.recipe.metrics["accuracy"], report.baselines["random_split"].metrics["accuracy"]
    assert honest.value < 0.5
    assert leaky.value > honest.value + 0.2


def test_copies_are_never_tested_on_but_in_the_leak(report: CrossvalReport, noisy_set: Path) -> None:
    of = {role: {row.path for row in read_index(noisy_set) if row.role == role} for role in Role}
    assert len(of[Role.ORIGINAL]) == len(of[Role.NEAR_DUPLICATE]) == 48
    for name in ("most_frequent", "hog_svm", "permuted_labels"):
        assert set(report.baselines[name].pooled[0].paths) == of[Role.ORIGINAL]
    assert set(report.recipe.pooled[0].paths) == of[Role.ORIGINAL]
    assert set(report.baselines["random_split"].pooled[0].paths) == of[Role.ORIGINAL] | of[Role.NEAR_DUPLICATE]


def test_every_number_is_written_down(report: CrossvalReport) -> None:
    written = json.loads((report.folder / "crossval.json").read_text())
    assert {"metrics", "baselines", "folds", "code_version"} <= set(written)
    assert set(written["baselines"]) == {"most_frequent", "hog_svm", "permuted_labels", "random_split"}
    assert len(written["folds"]) == 3
    assert (report.folder / "config.yaml").is_file()


def test_a_group_is_never_on_both_sides_of_a_fold(
    settings: Settings, noisy_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(read_index(noisy_set))
    seen = []

    def watched(*_: object, **__: object) -> object:
        def fit(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
            del seed
            seen.append(({rows[n].group_id for n in train}, {rows[n].group_id for n in test}))
            return np.zeros((len(test), 4))

        return fit

    monkeypatch.setattr(crossval_module, "recipe_fit", watched)
    wanted = ("crossval.permuted_labels=false", "crossval.leakage=false", "data.include_copies=true")
    found = crossval(settings(*PROBE, *wanted, f"data={noisy_set}", "name=watched"))
    assert len(seen) == 3
    assert all(not (train & test) for train, test in seen)
    assert set(found.baselines) == {"most_frequent", "hog_svm"}


def test_real_signal_is_found_and_permuted_labels_stay_near_chance(settings: Settings, small_set: Path) -> None:
    wanted = ("recipe.patience=4", "epochs=8", "folds=2", "crossval.leakage=false", "optimizer.lr=0.01")
    found = crossval(settings(*wanted, f"data={small_set}", "name=signal"))
    assert found.recipe.metrics["accuracy"].value > 0.6
    assert found.baselines["permuted_labels"].metrics["accuracy"].value < 0.5


def test_a_recipe_that_chooses_sets_groups_aside_for_that(settings: Settings, noisy_set: Path) -> None:
    config = settings("recipe=linear_probe", "weights=none", f"data={noisy_set}")
    index = read_index(noisy_set)
    rows, image = index.rows, config.model.image_spec()
    photo_set = open_photo_set(noisy_set, rows, classes=index.classes, image=image, memory_mb=config.data.memory_mb)
    learn, choose = crossval_module._holdout(photo_set, np.arange(len(rows)), seed=0)
    groups = [{rows[n].group_id for n in part} for part in (learn, choose)]
    assert not groups[0] & groups[1]
    assert all(rows[n].role == "original" for n in choose)
    assert len(choose) > 5


def test_one_seed_gives_one_answer_and_a_permutation_another(
    settings: Settings, photo_sets: tuple[PhotoSet, PhotoSet]
) -> None:
    config, numbers = settings(*PROBE), np.arange(16)
    first, again = (recipe_fit(config, photo_sets[0])(numbers, numbers + 16, 7) for _ in range(2))
    permuted = recipe_fit(config, photo_sets[0], permuted=True)(numbers, numbers + 16, 7)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, permuted)
    assert labels_of(photo_sets[0].rows, classes=photo_sets[0].classes).tolist() == photo_sets[0].labels.tolist()


def test_a_result_is_not_overwritten_and_too_few_groups_are_refused(
    settings: Settings, noisy_set: Path, report: CrossvalReport
) -> None:
    assert report.folder.name == "lots"
    with pytest.raises(RunError, match=r"holds a cross-validation already\. Give another run\.name"):
        crossval(settings(*PROBE, f"data={noisy_set}", "name=lots"))
    with pytest.raises(DataError, match="folds"):
        crossval(settings(*PROBE, f"data={noisy_set}", "name=many", "folds=60"))


def test_a_probe_of_a_head_that_is_not_linear_is_refused_as_in_training(
    settings: Settings, photo_sets: tuple[PhotoSet, PhotoSet]
) -> None:
    with pytest.raises(ConfigError, match=r"got model\.head=mlp\. Set model\.head=linear\."):
        recipe_fit(settings(*PROBE, "model.head=mlp"), photo_sets[0])
