"""Training settings and photos taken from a whole configuration."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from petmood.configs.load import compose
from petmood.configs.schema import Config
from petmood.core.errors import ConfigError
from petmood.core.image import load
from petmood.data.index import read_index
from petmood.pipelines.fit_settings import configured_photos, fit_settings


def test_every_setting_that_shapes_the_weights_is_carried_over() -> None:
    config = compose(
        [
            "backbone=tiny",
            "weights=none",
            "seed=7",
            "epochs=3",
            "optimizer.lr=0.5",
            "recipe.freeze_epochs=1",
            "recipe.layer_decay=0.25",
            "recipe.ema_decay=0.75",
            "recipe.checkpoint=last",
            "recipe.l2_strengths=[2.0]",
            "trainer.batch_size=5",
        ]
    )
    found = fit_settings(config)
    assert (found.seed, found.network.backbone, found.weights, found.kind) == (7, "tiny", "none", "gradient")
    assert found.image == config.model.image_spec()
    optimization = found.optimization
    assert (optimization.epochs, optimization.lr, optimization.seed) == (3, 0.5, 7)
    assert (optimization.freeze_epochs, optimization.layer_decay) == (1, 0.25)
    assert (found.trainer.batch_size, found.trainer.ema_decay, found.trainer.checkpoint) == (5, 0.75, "last")
    assert found.probe.l2_strengths == (2.0,)


def test_an_image_size_that_the_backbone_cannot_work_on_is_refused() -> None:
    with pytest.raises(ConfigError, match="image_size"):
        fit_settings(compose(["model=fixed_filters", "model.image_size=96"]))


def test_photos_are_prepared_for_the_network_within_the_limit_of_memory(
    settings: Callable[..., Config], small_set: Path
) -> None:
    config = settings("model.image_size=48", "data.memory_mb=0.01")
    index = read_index(small_set)
    rows = index.rows[::-1][:4]
    found = configured_photos(config, small_set, rows, classes=index.classes[::-1])
    assert isinstance(found.cache.pixels, np.memmap)
    assert found.cache.pixels.shape == (4, 48, 48, 3)
    first = load(small_set / rows[0].path, config.model.image_spec())
    np.testing.assert_array_equal(found.cache.pixels[0], first.pixels)
    assert [found.classes[label] for label in found.labels] == [row.label for row in rows]
    assert found.classes == index.classes[::-1]
