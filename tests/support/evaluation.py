"""Fixtures that make synthetic predictions and index rows."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Role, Split
from petmood.evaluation.predictions import Predictions

MakeScored = Callable[..., Predictions]
MakeRows = Callable[..., list[IndexRow]]


@pytest.fixture
def make_scored() -> MakeScored:
    """Give a function that makes answers of a chosen skill, a photo or more to the group."""

    def make(
        n: int = 60,
        *,
        skill: float = 1.5,
        seed: int = 0,
        group_size: int = 1,
        classes: Sequence[str] = DEFAULT_CLASSES,
        prefix: str = "photos",
    ) -> Predictions:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, len(classes), n)
        logits = rng.normal(size=(n, len(classes)))
        logits[np.arange(n), labels] += skill
        return Predictions(
            logits=logits,
            labels=labels,
            groups=tuple(f"f{i // group_size:04d}" for i in range(n)),
            paths=tuple(f"{prefix}/{i:04d}.jpg" for i in range(n)),
            classes=tuple(classes),
            species=tuple(("cat", "dog", "")[i % 3] for i in range(n)),
            image_sizes=np.stack([rng.integers(40, 2000, n), rng.integers(40, 2000, n)], axis=1),
            source=("",) * n,
        )

    return make


@pytest.fixture
def make_rows() -> MakeRows:
    """Give a function that makes index rows; each group has one original and the copies asked for."""

    def make(
        n: int = 40,
        *,
        copies: int = 0,
        classes: Sequence[str] = DEFAULT_CLASSES,
        splits: Sequence[str] = (Split.TRAIN,),
    ) -> list[IndexRow]:
        return [
            IndexRow(
                path=f"photos/{group:04d}-{part}.png",
                sha256="",
                label=classes[group % len(classes)],
                split=Split(splits[(group // len(classes)) % len(splits)]),
                group_id=f"f{group:04d}",
                role=Role.NEAR_DUPLICATE if part else Role.ORIGINAL,
                width=100 + group,
                height=90,
                format="PNG",
            )
            for group in range(n)
            for part in range(copies + 1)
        ]

    return make
