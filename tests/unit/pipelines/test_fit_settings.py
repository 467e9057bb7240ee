"""Training settings taken from a whole configuration."""

import pytest

from petmood.configs.load import compose
from petmood.core.errors import ConfigError
from petmood.pipelines.fit_settings import fit_settings


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
