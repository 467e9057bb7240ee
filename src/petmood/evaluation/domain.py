"""Which photos count as out of the domain of a model, and how well that works.

The distance of a photo's features is that of Mahalanobis, for the covariance of a probabilistic PCA of the training
photos (Tipping and Bishop 1999). Features have the length 1 (Mahalanobis++, Müller and Hein 2025). The residual outside
of the components counts: without it, images without a pet come out as closer than pets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from petmood.core.domain import DomainRule, DomainScores
from petmood.core.errors import DataError
from petmood.evaluation.bootstrap import Estimate, estimate_proportion
from petmood.evaluation.folds import stratified_group_folds

__all__ = ["Domain", "DomainFeatures", "DomainResult", "FeatureSpace", "evaluate_domain", "fit_domain", "upper_limit"]

FOLDS: Final = 10
MIN_GROUPS: Final = 20
"""Groups of training photos below which no limit can be chosen."""
PHOTOS_PER_COMPONENT: Final = 4
LEAST_VARIANCE: Final = 1e-9
HIGHEST_ANIMAL_THRESHOLD: Final = 0.5
"""A photo that more likely shows an animal than not is never refused for its animal score."""

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class DomainFeatures:
    """Features float [N, D] of length 1 and animal scores [N] of photos, with their groups and labels [N]."""

    features: Floats
    animal: Floats
    groups: tuple[str, ...]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.features)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpace:
    """Mean [D], components [D, P] and precisions of features: [P] along the components, one in all other directions."""

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    precisions: NDArray[np.float64]
    residual: float

    def distances(self, features: Floats) -> NDArray[np.float64]:
        """Return the distances [N] of features [N, D] from the mean."""
        centered = features.astype(np.float64) - self.mean
        along = centered @ self.components
        rest = (centered**2).sum(axis=1) - (along**2).sum(axis=1)
        return np.asarray(np.sqrt((along**2 * self.precisions).sum(axis=1) + np.maximum(rest, 0) * self.residual))


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """Feature space of the training photos, with the largest distance and the rule of photos in the domain.

    ``distances`` [N] are those of the photos that chose the limit, each from photos of other groups.
    """

    space: FeatureSpace
    limit: float
    rule: DomainRule
    distances: NDArray[np.float64]

    def scores(self, photos: DomainFeatures) -> list[DomainScores]:
        """Return the scores of photos."""
        novelty = self.space.distances(photos.features) / self.limit
        return [DomainScores(*both) for both in zip(novelty.tolist(), photos.animal.tolist(), strict=True)]

    def refused(self, photos: DomainFeatures) -> NDArray[np.bool_]:
        """Return which photos are out of the domain."""
        return np.array([self.rule.warning(one) is not None for one in self.scores(photos)], dtype=bool)


@dataclass(frozen=True, slots=True)
class DomainResult:
    """How well photos out of the domain are found.

    ``fitted`` is the SHA-256 of the file with the fitted domain. ``chosen_on`` photos chose the limits.
    ``false_alarms`` is the share of held-out photos that are refused (None without held-out photos). ``refused`` is
    (refused, all) by kind of image without a pet. ``auroc`` and ``fpr95`` are those of the novelty alone. They are the
    area under the ROC curve, and the share of images without a pet that are accepted at the limit where 95% of held-out
    photos are. ``scenes`` is how well the scene warnings find composites, as ``evaluation.scenes`` gives it.
    """

    rule: DomainRule
    fitted: str
    chosen_on: int
    false_alarms: Estimate | None
    refused: dict[str, tuple[int, int]]
    auroc: float
    fpr95: float
    scenes: dict[str, Any] | None = None

    @property
    def total(self) -> tuple[int, int]:
        """Number of images without a pet that are refused, and of all."""
        return sum(refused for refused, _ in self.refused.values()), sum(n for _, n in self.refused.values())

    @property
    def expected_false_alarms(self) -> float:
        """The largest share of further photos that is refused on average; with few photos it is above the target.

        The limit of each score is then the largest of N scores, which one of N + 1 exceeds.
        """
        return max(self.rule.target_false_alarms, 2 / (self.chosen_on + 1))

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "rule": self.rule.model_dump(mode="json"),
            "fitted": self.fitted,
            "chosen_on": self.chosen_on,
            "false_alarms": self.false_alarms.to_json() if self.false_alarms else None,
            "refused": {kind: {"refused": some, "images": n} for kind, (some, n) in self.refused.items()},
            "auroc": self.auroc,
            "fpr95": self.fpr95,
            **({"scenes": self.scenes} if self.scenes else {}),
        }


def fit_domain(
    photos: DomainFeatures, *, features: str, target_false_alarms: float, max_components: int = 64, seed: int = 0
) -> Domain:
    """Fit the feature space to training photos, and choose the limits of both scores by cross-validation.

    Each score may refuse half of ``target_false_alarms``. The limit of the distance comes from photos whose groups
    were left out of the fit. With too few photos for the share, it is the largest distance. ``features`` is the name
    of the network that made the features. The space has at most ``max_components``, fewer with few photos.

    Raises:
        DataError: fewer than 20 groups.
    """
    if (found := len(set(photos.groups))) < MIN_GROUPS:
        raise DataError(f"Expected at least {MIN_GROUPS} groups of photos for a domain rule, got {found}.")
    folds = stratified_group_folds(photos.labels, photos.groups, folds=FOLDS, seed=seed)
    learned = min(len(fold.train) for fold in folds)
    components = max(1, min(max_components, learned // PHOTOS_PER_COMPONENT, photos.features.shape[1] - 1))
    distances = np.empty(len(photos))
    for fold in folds:
        space = _feature_space(photos.features[fold.train], components=components)
        distances[fold.test] = space.distances(photos.features[fold.test])
    each = target_false_alarms / 2
    lowest = -upper_limit(-photos.animal, false_alarms=each)
    rule = DomainRule(
        features=features,
        animal_threshold=min(max(lowest, 0.0), HIGHEST_ANIMAL_THRESHOLD),
        target_false_alarms=target_false_alarms,
    )
    limit = upper_limit(distances, false_alarms=each)
    return Domain(_feature_space(photos.features, components=components), max(limit, LEAST_VARIANCE), rule, distances)


def evaluate_domain(
    domain: Domain,
    held_out: DomainFeatures | None,
    others: DomainFeatures,
    kinds: Sequence[str],
    *,
    fitted: str = "",
    scenes: dict[str, Any] | None = None,
) -> DomainResult:
    """Measure a domain on held-out photos (None if there are none), and on images without a pet of these kinds.

    ``fitted`` is the SHA-256 of the file with the fitted domain, ``scenes`` what was measured of its scene warnings.
    """
    refused = domain.refused(others)
    by_kind = {
        kind: (int(sum(refused[n] for n, one in enumerate(kinds) if one == kind)), list(kinds).count(kind))
        for kind in dict.fromkeys(kinds)
    }
    inside = domain.distances if held_out is None else domain.space.distances(held_out.features)
    outside = domain.space.distances(others.features)
    is_outside = np.repeat([0, 1], [len(inside), len(outside)])
    return DomainResult(
        rule=domain.rule,
        fitted=fitted,
        chosen_on=len(domain.distances),
        false_alarms=None if held_out is None else _false_alarms(domain, held_out),
        refused=by_kind,
        auroc=float(roc_auc_score(is_outside, np.concatenate([inside, outside]))),
        fpr95=float((outside <= np.quantile(inside, 0.95)).mean()),
        scenes=scenes,
    )


def _feature_space(features: Floats, *, components: int) -> FeatureSpace:
    known = features.astype(np.float64)
    solver = "covariance_eigh" if len(known) > known.shape[1] else "full"
    pca = PCA(components, svd_solver=solver).fit(known)
    rest = max(0.0, float(known.var(axis=0, ddof=1).sum() - pca.explained_variance_.sum()))
    # not pca.noise_variance_, which grows with the number of photos if they are fewer than the features
    residual = rest / max(1, known.shape[1] - components)
    precisions = 1 / np.maximum(pca.explained_variance_, LEAST_VARIANCE)
    return FeatureSpace(pca.mean_, pca.components_.T, precisions, 1 / max(residual, LEAST_VARIANCE))


def upper_limit(scores: Floats, *, false_alarms: float) -> float:
    """Return the limit that a further score exceeds with at most this probability (split conformal prediction).

    With fewer than ``1 / false_alarms - 1`` scores it is the largest, which a further one exceeds more often.
    """
    rank = math.ceil((len(scores) + 1) * (1 - false_alarms))
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


def _false_alarms(domain: Domain, held_out: DomainFeatures) -> Estimate:
    groups = np.unique(np.array(held_out.groups), return_inverse=True)[1]
    return estimate_proportion(domain.refused(held_out), groups)
