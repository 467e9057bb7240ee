"""Fitted domains with random constants, for tests of the export."""

import numpy as np

from petmood.core.domain import DomainRule, SceneWarning
from petmood.export.domain import FittedDomain
from petmood.models.domain import SCENE_WIDTH, WIDTH


def random_domain(*, components: int = 64, seed: int = 0, scenes: tuple[SceneWarning, ...] = ()) -> FittedDomain:
    """Return a fitted domain with random constants and these scene warnings; equal seeds give equal constants."""
    rng = np.random.default_rng(seed)
    return FittedDomain(
        mean=rng.normal(size=WIDTH) / 50,
        components=np.linalg.qr(rng.normal(size=(WIDTH, components)))[0],
        precisions=rng.uniform(2, 100, components),
        residual=float(rng.uniform(100, 300)),
        limit=float(rng.uniform(5, 20)),
        rule=DomainRule(
            features="efficientnet_lite0", animal_threshold=0.4, target_false_alarms=0.02, scene_warnings=scenes
        ),
        scene_weights=rng.normal(size=(SCENE_WIDTH, 2)) / 20 if scenes else None,
        scene_offsets=rng.normal(size=2) if scenes else None,
    )
