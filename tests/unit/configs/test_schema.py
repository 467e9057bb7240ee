"""Settings schema: each default is defined once, YAML files contain only differences, and ranges are enforced."""

import functools
import json
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from petmood.configs import schema
from petmood.configs.load import DEFAULTS, compose, dump
from petmood.configs.schema import Config, EvaluationConfig, ModelConfig
from petmood.core.errors import ConfigError
from petmood.core.image import IMAGENET_MEAN, IMAGENET_STD, ImageSpec
from petmood.models.catalog import HEADS

FOLDER: Final = Path(schema.__file__).parent
GROUPS: Final = {
    name: info.annotation
    for name, info in Config.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
}
FILES: Final = sorted(path for path in FOLDER.glob("*/*.yaml") if path.parent.name != "experiment")


def keys_of(path: Path) -> dict[str, Any]:
    """Return what a file of a group sets, those files that it starts from included."""
    found: dict[str, Any] = {}
    content = yaml.safe_load(path.read_text("utf-8")) or {}
    for base in content.pop("defaults", ["_self_"]):
        found |= content if base == "_self_" else keys_of(path.parent / f"{base}.yaml")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_a_file_of_a_group_sets_keys_of_its_schema_and_repeats_no_default(path: Path) -> None:
    defaults = GROUPS[path.parent.name]().model_dump(mode="json")
    found = keys_of(path)
    assert set(found) <= set(defaults)
    assert [key for key, value in found.items() if value == defaults[key]] == []


def test_every_key_of_the_schema_can_be_overridden() -> None:
    def leaves(of: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for key, value in of.items():
            yield from leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]

    settings = yaml.safe_load(dump(compose()))
    del settings["search"]["space"]
    keys = list(leaves(settings))
    assert len(keys) > 60
    given = [f"{key}={json.dumps(functools.reduce(operator.getitem, key.split('.'), settings))}" for key in keys]
    assert compose(given) == compose()


def test_every_group_of_the_schema_is_a_folder_of_files_and_vice_versa() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/*.yaml")} - {"experiment"}
    assert folders == set(GROUPS)
    assert set(Config.model_fields) - set(GROUPS) == {"seed"}
    top = yaml.safe_load((FOLDER / "config.yaml").read_text("utf-8"))
    chosen = [group for entry in top["defaults"] if isinstance(entry, dict) for group in entry]
    assert set(chosen) == {*GROUPS, "experiment"}
    assert top["defaults"][0] == DEFAULTS
    assert set(top) == {"defaults"}


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        ("data", {"copies": "maybe"}),
        ("data", {"hash": "abc"}),
        ("data", {"memory_mb": 0}),
        ("model", {"head": "deep"}),
        ("model", {"dropout": 1.0}),
        ("model", {"side_px": 4}),
        ("model", {"side_px": 4096}),
        ("model", {"mean": (0.5, 0.5)}),
        ("model", {"std": (0.2, 0.0, 0.2)}),
        ("recipe", {"kind": "magic"}),
        ("recipe", {"head_epochs": -1}),
        ("recipe", {"depth_decay": 0}),
        ("recipe", {"depth_decay": 1.5}),
        ("recipe", {"label_smoothing": 1.0}),
        ("recipe", {"mixup": -0.1}),
        ("recipe", {"image_scales": (0.0, 1.0)}),
        ("recipe", {"image_scales": (0.5, 1.1)}),
        ("recipe", {"image_scales": (0.5,)}),
        ("recipe", {"ema": 1.0}),
        ("recipe", {"views": 0}),
        ("recipe", {"ridge": ()}),
        ("recipe", {"ridge": (0.1, 0.0)}),
        ("optimizer", {"rate": 0.0}),
        ("optimizer", {"rate": float("nan")}),
        ("optimizer", {"rate": float("inf")}),
        ("optimizer", {"warmup": 1.0}),
        ("augment", {"min_crop_scale": 0.0}),
        ("trainer", {"max_epochs": 0}),
        ("trainer", {"batch_size": 1}),
        ("trainer", {"devices": 0}),
        ("trainer", {"precision": "8"}),
        ("trainer", {"workers": -1}),
        ("evaluation", {"target_error": 0.0}),
        ("evaluation", {"coverage": 1.0}),
        ("crossval", {"folds": 1}),
        ("crossval", {"repeats": 0}),
        ("run", {"nmae": "x"}),
    ],
)
def test_values_out_of_range_are_refused(model: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({model: wrong})


@pytest.mark.parametrize("seed", [-1, 2**32, "x", None, 1.5])
def test_a_seed_is_a_whole_number_that_every_generator_takes(seed: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"seed": seed})
    assert Config(seed=2**32 - 1).seed == 2**32 - 1


def test_settings_can_t_be_changed() -> None:
    with pytest.raises(ValidationError):
        Config().seed = 1  # type: ignore[misc]  # on purpose


def test_the_default_head_is_a_known_one() -> None:
    assert ModelConfig().head in HEADS


# --- what follows from settings ---------------------------------------------------------------------------------------


def test_images_have_the_backbone_s_own_side_unless_another_is_set() -> None:
    assert ModelConfig(backbone="tiny").image_spec() == ImageSpec(side_px=64, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    assert ModelConfig(backbone="efficientnet_b1").image_spec().side_px == 240
    chosen = ModelConfig(backbone="tiny", image_size=96, resize="letterbox", std=(1.0, 1.0, 1.0)).image_spec()
    assert (chosen.side_px, chosen.resize, chosen.std) == (96, "letterbox", (1.0, 1.0, 1.0))


def test_an_unknown_backbone_is_refused_when_settings_are_composed() -> None:
    with pytest.raises(ConfigError, match=r"Unknown backbone 'tinny'\. Did you mean tiny"):
        compose(["backbone=tinny"])


@pytest.mark.parametrize("side_px", [None, 64])
def test_the_images_of_an_unknown_backbone_are_refused(side_px: int | None) -> None:
    with pytest.raises(ConfigError, match="Did you mean tiny"):
        ModelConfig(backbone="tinny", image_size=side_px).image_spec()


@pytest.mark.parametrize(
    ("weights", "recipe", "expected"),
    [
        ("auto", "scratch", "none"),
        ("auto", "finetune", "imagenet"),
        ("auto", "linear_probe", "imagenet"),
        ("none", "finetune", "none"),
        ("runs/a/model.safetensors", "scratch", "runs/a/model.safetensors"),
    ],
)
def test_weights_come_from_imagenet_except_from_scratch_or_as_set(weights: str, recipe: str, expected: str) -> None:
    config = Config.model_validate({"model": {"weights": weights}, "recipe": {"name": recipe}})
    assert config.first_weights == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (0.15, 0.2)),
        ({"target_error": 0.05}, ()),
        ({"target_error": 0.05, "fallback_errors": [0.08]}, (0.08,)),
        ({"fallback_errors": []}, ()),
    ],
)
def test_a_target_error_of_one_s_own_has_no_fallbacks_unless_they_are_named(
    given: dict[str, Any], expected: tuple[float, ...]
) -> None:
    assert EvaluationConfig(**given).fallbacks == expected
