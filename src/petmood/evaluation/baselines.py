"""Baselines for interpreting a score: most frequent class, HOG + SVM, permuted labels, random split with leakage.

HOG features (Dalal and Triggs, 2005) with a support vector machine need no network. Fitted on permuted labels, they
show chance level. A random split lets photos of one group be in both training and test. Its score shows how much
group leakage adds to the accuracy.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from petmood.core.errors import DataError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.classes import labels_of
from petmood.data.index import IndexRow, Role, Split
from petmood.evaluation.comparison import HOG_SVM, MOST_FREQUENT, PERMUTED_LABELS
from petmood.evaluation.crossval import Fit, cross_validate
from petmood.evaluation.permutation import permute_by_group
from petmood.evaluation.predictions import Predictions, from_rows

__all__ = [
    "BASELINES",
    "PERMUTATIONS",
    "ManyFits",
    "baseline_fits",
    "fit_baselines",
    "hog_features",
    "hog_svm",
    "hold_out",
    "leakage_gap",
    "most_frequent",
    "once",
    "permuted_labels",
]

ENOUGH_PX = 256
"""Shorter side to which photos are decoded for HOG features."""

BASELINES = (MOST_FREQUENT, HOG_SVM, PERMUTED_LABELS, "group_split", "random_split")
PERMUTATIONS = 99
"""Number of fits of the HOG + SVM to permuted labels; one alone varies by chance (docs/decisions/baselines.md)."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SIDE_PX = 128
_PARTS = 64
_NEVER = -20.0

ManyFits = Callable[[Ints, Ints, int], list[Floats]]
"""As `Fit`, with several answers."""


def hog_features(
    photos: Iterable[NDArray[np.uint8]],
    *,
    side_px: int = _SIDE_PX,
    total: int | None = None,
    progress: ProgressBar = no_progress,
) -> NDArray[np.float32]:
    """Compute HOG features of images (uint8 [H, W, 3] RGB, any size) and their mirror images: float32 [N, 2, D].

    `total` is the number of images, for the progress bar. Each image is resized to a square of `side_px`. HOG uses
    9 orientations, cells of 16 px, blocks of 2 x 2 cells, and the strongest gradient of the three channels per pixel.
    The features of the mirror image are the same values in reverse order, so they cost nothing. The one exception is
    exactly horizontal edges, which stay in their bin. Mirror images add one to two points of accuracy
    (docs/decisions/baselines.md).
    """
    reported = progress(photos, total=total, what="computing HOG features")
    described = [_hog(pixels, side_px=side_px) for pixels in reported]
    return np.stack(described) if described else np.zeros((0, 2, 0), dtype=np.float32)


def most_frequent(labels: Ints, *, classes: int) -> Fit:
    """Make a method that predicts the class frequencies of the training photos, so always the most frequent class."""

    def fit(train: Ints, test: Ints, seed: int) -> Floats:
        del seed
        counts = np.bincount(labels[train], minlength=classes) + 1e-3
        return np.asarray(np.tile(np.log(counts / counts.sum()), (len(test), 1)), dtype=np.float64)

    return fit


def hog_svm(features: NDArray[np.float32], labels: Ints, *, classes: int) -> Fit:
    """Make a method that fits an RBF support vector machine on the `features` of `hog_features`.

    Features are standardized and reduced to 64 principal components, which is four times as fast and no less
    accurate. Training uses photos and their mirror images. The one-vs-rest decision values serve as logits: they rank
    the classes but are not log probabilities.
    """

    def fit(train: Ints, test: Ints, seed: int) -> Floats:
        del seed
        learned, asked = _reduced(features[train], features[test])
        return _svm(learned, labels[train], asked, classes=classes)

    return fit


def permuted_labels(
    features: NDArray[np.float32],
    labels: Ints,
    groups: Sequence[str],
    *,
    classes: int,
    permutations: int = PERMUTATIONS,
) -> ManyFits:
    """Make a method that fits the SVM of `hog_svm` to permuted training labels, several times: a chance-level baseline.

    Labels are exchanged between whole groups. Features and kernel don't depend on the labels, so they are computed
    once for all permutations.
    """
    numbers = np.unique(np.array(groups), return_inverse=True)[1].astype(np.int64)

    def fit(train: Ints, test: Ints, seed: int) -> list[Floats]:
        learned, asked = _reduced(features[train], features[test])
        # As gamma="scale" of the SVC of `hog_svm`.
        gamma = 1.0 / (learned.shape[1] * float(learned.var()) or 1.0)
        known, others = rbf_kernel(learned, gamma=gamma), rbf_kernel(asked, learned, gamma=gamma)
        seeds = np.random.SeedSequence(seed).generate_state(permutations)
        permuted = [permute_by_group(labels[train], numbers[train], seed=int(one)) for one in seeds]
        return [_svm(known, one, others, classes=classes, kernel="precomputed") for one in permuted]

    return fit


def once(fit: Fit) -> ManyFits:
    """Return a method with one answer as a method with several."""
    return lambda train, test, seed: [fit(train, test, seed)]


def baseline_fits(
    rows: Sequence[IndexRow], features: NDArray[np.float32], *, classes: Sequence[str]
) -> dict[str, ManyFits]:
    """Return the baselines that are fitted and scored as a model is, by name; `features` are those of `rows`."""
    labels, count = labels_of(rows, classes=classes), len(classes)
    return {
        MOST_FREQUENT: once(most_frequent(labels, classes=count)),
        HOG_SVM: once(hog_svm(features, labels, classes=count)),
        PERMUTED_LABELS: permuted_labels(features, labels, [row.group_id for row in rows], classes=count),
    }


def hold_out(
    fits: ManyFits,
    rows: Sequence[IndexRow],
    *,
    classes: Sequence[str],
    split: Split = Split.TEST,
    include_copies: bool = True,
    seed: int = 0,
) -> tuple[Predictions, ...]:
    """Fit a method on the train rows and score each of its answers on the original photos of another split.

    With `include_copies`, near-duplicates are trained on too. Excluded rows never are.

    Raises:
        DataError: there are no photos to train on or to test on.
    """
    train, test = _held_out(rows, split=split, include_copies=include_copies)
    tested = [rows[i] for i in test.tolist()]
    return tuple(from_rows(one, tested, classes=classes) for one in fits(train, test, seed))


def leakage_gap(
    rows: Sequence[IndexRow], features: NDArray[np.float32], *, classes: Sequence[str], folds: int = 5, seed: int = 0
) -> dict[str, Predictions]:
    """Score HOG + SVM on every original photo, with grouped folds and with random folds.

    Both train on near-duplicates, whatever the model does: those are what leaks in a random split. Nothing else
    differs, so "random_split" minus "group_split" is the accuracy gained from group leakage.
    """
    labels = labels_of(rows, classes=classes)
    method = hog_svm(features, labels, classes=len(classes))
    found: dict[str, Predictions] = {}
    for name, grouped in (("group_split", True), ("random_split", False)):
        measured = cross_validate(rows, method, classes=classes, folds=folds, grouped=grouped, seed=seed)
        found[name] = measured.pooled[0]
    return found


def fit_baselines(
    rows: Sequence[IndexRow],
    features: NDArray[np.float32],
    *,
    classes: Sequence[str],
    split: Split = Split.TEST,
    include_copies: bool = True,
    leakage: bool = True,
    folds: int = 5,
    seed: int = 0,
) -> dict[str, tuple[Predictions, ...]]:
    """Score every baseline in BASELINES; `features` are those of `rows`, computed once with `hog_features`.

    Each baseline has one Predictions, "permuted_labels" one per permutation. Those of `baseline_fits` are fitted on the
    train split, as the model: on near-duplicates only with `include_copies`. They are scored on `split`. The last two
    come from `leakage_gap` over all original photos; they are omitted if there are fewer groups than folds, or
    without `leakage`.
    """
    found = {
        name: hold_out(fits, rows, classes=classes, split=split, include_copies=include_copies, seed=seed)
        for name, fits in baseline_fits(rows, features, classes=classes).items()
    }
    if leakage and len({row.group_id for row in rows if row.role == Role.ORIGINAL}) >= folds:
        gap = leakage_gap(rows, features, classes=classes, folds=folds, seed=seed)
        found |= {name: (scored,) for name, scored in gap.items()}
    return found


def _hog(pixels: NDArray[np.uint8], *, side_px: int) -> NDArray[np.float32]:
    square = np.asarray(Image.fromarray(pixels).convert("RGB").resize((side_px, side_px), Image.Resampling.BILINEAR))
    described = hog(
        square,
        orientations=9,
        pixels_per_cell=(16, 16),
        cells_per_block=(2, 2),
        block_norm="L2-Hys",
        transform_sqrt=True,
        channel_axis=-1,
        feature_vector=False,
    )
    mirrored = described[:, ::-1, :, ::-1, ::-1]
    return np.stack([described.ravel(), mirrored.ravel()]).astype(np.float32)


def _held_out(rows: Sequence[IndexRow], *, split: Split, include_copies: bool) -> tuple[Ints, Ints]:
    """Return the indices of the rows that a method is fitted on, and of those that it is scored on."""
    roles = {Role.ORIGINAL, Role.NEAR_DUPLICATE} if include_copies else {Role.ORIGINAL}
    train = np.array([row.split == Split.TRAIN and row.role in roles for row in rows], dtype=bool).nonzero()[0]
    test = np.array([row.split == split and row.role == Role.ORIGINAL for row in rows], dtype=bool).nonzero()[0]
    for which, found in ((Split.TRAIN, train), (split, test)):
        if len(found) == 0:
            raise DataError(f"Expected photos in the {which} split for the baselines, got none. Check the dataset.")
    return train, test


def _reduced(features: NDArray[np.float32], asked: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the principal components of photos [N, 2, D], a row for each view, and of the photos asked."""
    learned = features.reshape(-1, features.shape[2])
    parts = min(_PARTS, len(learned) - 1, learned.shape[1])
    reduced = make_pipeline(StandardScaler(), PCA(parts, svd_solver="randomized", random_state=0))
    return reduced.fit_transform(learned), reduced.transform(asked[:, 0])


def _svm(learned: NDArray[Any], labels: Ints, asked: NDArray[Any], *, classes: int, kernel: str = "rbf") -> Floats:
    """Fit an SVM to views of photos, all views of one photo in a row, and return the logits of the photos asked."""
    known = np.unique(labels)
    logits = np.full((len(asked), classes), _NEVER)
    if len(known) == 1:
        logits[:, known[0]] = 0.0
        return logits
    machine = SVC(kernel=kernel, C=1.0, gamma="scale").fit(learned, np.repeat(labels, len(learned) // len(labels)))
    decided = machine.decision_function(asked)
    logits[:, known] = np.stack([-decided, decided], axis=1) if len(known) == 2 else decided
    return logits
