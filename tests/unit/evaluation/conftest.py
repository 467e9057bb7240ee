"""Which made-up answers do the tests of evaluation start from?"""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from petmood.core.moods import MOODS
from petmood.data.index import IndexRow
from petmood.evaluation.scored import Scored

MakeScored = Callable[..., Scored]
MakeRows = Callable[..., list[IndexRow]]


@pytest.fixture
def make_scored() -> MakeScored:
    """Give a function that makes answers of a chosen skill, a photo or more to the family."""

    def make(
        n: int = 60,
        *,
        skill: float = 1.5,
        seed: int = 0,
        family_size: int = 1,
        classes: Sequence[str] = MOODS,
        prefix: str = "photos",
    ) -> Scored:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, len(classes), n)
        logits = rng.normal(size=(n, len(classes)))
        logits[np.arange(n), labels] += skill
        return Scored(
            logits=logits,
            labels=labels,
            families=tuple(f"f{i // family_size:04d}" for i in range(n)),
            paths=tuple(f"{prefix}/{i:04d}.jpg" for i in range(n)),
            classes=tuple(classes),
            species=tuple(("cat", "dog", "")[i % 3] for i in range(n)),
            sides=np.stack([rng.integers(40, 2000, n), rng.integers(40, 2000, n)], axis=1),
            source=("",) * n,
        )

    return make


@pytest.fixture
def make_rows() -> MakeRows:
    """Give a function that makes index rows; each family has one original and the copies asked for."""

    def make(
        n: int = 40, *, copies: int = 0, classes: Sequence[str] = MOODS, splits: Sequence[str] = ("train",)
    ) -> list[IndexRow]:
        return [
            IndexRow(
                path=f"photos/{family:04d}-{part}.png",
                sha256="",
                mood=classes[family % len(classes)],
                split=splits[(family // len(classes)) % len(splits)],
                family=f"f{family:04d}",
                role="copy" if part else "original",
                width=100 + family,
                height=90,
                format="PNG",
            )
            for family in range(n)
            for part in range(copies + 1)
        ]

    return make
