"""Out-of-fold predictions of a recipe: they calibrate a model where validation photos are few, and give its headline.

Each photo is predicted by a model that was fitted without its group. CV+ (Barber et al., 2021, Theorem 4) bounds the
coverage of sets from such predictions; what that means for one delivered model is in docs/decisions/abstention.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petmood.data.classes import labels_of
from petmood.data.index import IndexRow, Role
from petmood.evaluation.baselines import ManyFits, baseline_fits, leakage_gap
from petmood.evaluation.folds import stratified_group_folds
from petmood.evaluation.predictions import Predictions, from_rows

__all__ = ["OutOfFold", "cross_validated_baselines", "cv_plus_coverage"]


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Out-of-fold predictions of training and validation photos: one Predictions for each repeat of the folds.

    The first repeat ``calibrates``, if that is set. ``is_headline``: there is no test split, so their accuracy is the
    main one. ``learned``: photos that the delivered model was fitted to. ``crossval``: the folder of the
    `petmood crossval` that made them; None if they were made for the run.
    """

    repeats: tuple[Predictions, ...]
    folds: int
    learned: int
    calibrates: bool
    is_headline: bool
    crossval: str | None = None

    @property
    def first(self) -> Predictions:
        """The predictions of the first repeat."""
        return self.repeats[0]

    def sentences(self, *, coverage: float) -> str:
        """Return what the predictions are, and what is guaranteed of a calibration by them, in words."""
        photos, folds = len(self.first), self.folds
        made = f"Of {photos} photos in {folds} folds, each was predicted by a model fitted without its group."
        if not self.calibrates:
            return made
        more = (
            "from as many photos as these models or more, so its error is usually no higher"
            if self.learned >= photos * (1 - 1 / folds) - 1
            else "from fewer photos than these models, so its error may be higher"
        )
        worst = cv_plus_coverage(coverage, groups=len(set(self.first.groups)), folds=folds)
        return (
            f"{made} The delivered model learned {more}. The bound on the error of confident predictions is for these "
            "models, and takes groups as independent. For the delivered one it holds in simulation and is not proven. "
            f"Sets of CV+, which use all {folds} models, contain the truth for {worst:.0%} of photos at worst, and for "
            f"about {coverage:.0%} in practice. For the delivered model, {coverage:.0%} is simulated and not proven."
        )

    def to_json(self, *, coverage: float) -> dict[str, int | bool | str | None]:
        """Return the counts and uses by name, and the sentences."""
        return {
            "photos": len(self.first),
            "groups": len(set(self.first.groups)),
            "folds": self.folds,
            "repeats": len(self.repeats),
            "learned": self.learned,
            "calibrates": self.calibrates,
            "headline": self.is_headline,
            "crossval": self.crossval,
            "sentences": self.sentences(coverage=coverage),
        }


def cv_plus_coverage(target: float, *, groups: int, folds: int) -> float:
    """Return the least coverage of CV+ sets with a target coverage, whatever the data and the model; 0 to 1."""
    size = groups / folds
    price = min(2 * (1 - 1 / folds) / (size + 1), (1 - folds / groups) / (folds + 1))
    return max(0.0, 1 - 2 * (1 - target) - price)


def cross_validated_baselines(
    rows: Sequence[IndexRow],
    features: NDArray[np.float32],
    *,
    classes: Sequence[str],
    folds: int,
    include_copies: bool,
    seed: int = 0,
) -> dict[str, tuple[Predictions, ...]]:
    """Score the baselines of `fit_baselines` by grouped folds over all original photos, as the recipe is scored.

    `features` are those of `rows`, computed with `hog_features`.
    """
    labels = labels_of(rows, classes=classes)
    roles = {Role.ORIGINAL, Role.NEAR_DUPLICATE} if include_copies else {Role.ORIGINAL}
    used = np.flatnonzero([row.role in roles for row in rows])
    tested = np.array([row.role == Role.ORIGINAL for row in rows], dtype=bool)
    plan = stratified_group_folds(labels[used], [rows[n].group_id for n in used.tolist()], folds=folds, seed=seed)

    def score(fits: ManyFits) -> tuple[Predictions, ...]:
        asked = [used[fold.test][tested[used[fold.test]]] for fold in plan]
        logits = np.concatenate(
            [np.stack(fits(used[fold.train], some, seed)) for fold, some in zip(plan, asked, strict=True) if len(some)],
            axis=1,
        )
        photos = np.concatenate(asked)
        by_row = photos.argsort()
        scored = [rows[n] for n in photos[by_row].tolist()]
        return tuple(from_rows(one[by_row], scored, classes=classes) for one in logits)

    found = {name: score(fits) for name, fits in baseline_fits(rows, features, classes=classes).items()}
    gap = leakage_gap(rows, features, classes=classes, folds=folds, seed=seed)
    return found | {name: (scored,) for name, scored in gap.items()}
