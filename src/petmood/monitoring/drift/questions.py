"""The three questions of a drift test, each with a p-value, an effect size and a plain sentence.

Each sees changes that the others miss: image statistics a darker photo, the embedding another species, the residual
norm the artifacts of strong compression (docs/decisions/drift.md).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from petmood.core.image_statistics import STATISTICS
from petmood.core.multiple_tests import holm
from petmood.monitoring.drift.kernel import mmd_test, witness
from petmood.monitoring.measurements import Measurements

__all__ = ["MMD_ROWS", "Answer", "Change", "Question", "Sample", "answer", "draw_sample", "typical_rows"]

MMD_ROWS: Final = 1000
"""Most rows of the reference, and most of the window, that the MMD and its witness function compare."""

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


class Question(StrEnum):
    """What is compared; the tests are corrected for their number."""

    STATISTICS = "image_statistics"
    EMBEDDING = "embedding"
    RESIDUAL = "residual"


@dataclass(frozen=True, slots=True)
class Change:
    """Change of one number: Kolmogorov-Smirnov statistic (0..1), p-value and the medians of reference and window.

    Within the image statistics, p-values are corrected for their number.
    """

    name: str
    distance: float
    p_value: float
    reference_median: float
    window_median: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Uncorrected result of one question.

    ``statistic`` is the largest Kolmogorov-Smirnov statistic, or the squared MMD. ``effect`` is the same statistic, or
    the distance of the means in the kernel's feature space in standard deviations. ``changes`` is empty for the MMD.
    """

    question: Question
    statistic: float
    p_value: float
    effect: float
    changes: tuple[Change, ...] = ()

    def sentence(self, *, drifted: bool) -> str:
        """Say in plain words what changed, or that nothing was found."""
        if not drifted:
            return f"{_SUBJECTS[self.question]}: no change found."
        if not self.changes:
            return (
                f"{_SUBJECTS[self.question]}: the photos differ from the reference, by {self.effect:.2f} of its spread."
            )
        return f"{_SUBJECTS[self.question]}: {_change_text(self.most_changed)}."

    @property
    def most_changed(self) -> Change:
        """The change with the smallest p-value, of those the one with the largest distance."""
        return min(self.changes, key=lambda change: (change.p_value, -change.distance))


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Some rows of reference and window, such as those that the MMD compares, drawn with a seed."""

    reference_rows: Ints
    window_rows: Ints


_SUBJECTS: Final = {
    Question.STATISTICS: "Image statistics",
    Question.EMBEDDING: "Content",
    Question.RESIDUAL: "Residual norm",
}
_MEANINGS: Final = {
    ("residual", True): "the photos have more that the training photos did not show",
    ("residual", False): "the photos have less that the training photos did not show",
}


def draw_sample(reference: Measurements, window: Measurements, *, rng: np.random.Generator) -> Sample:
    """Draw at most ``MMD_ROWS`` rows of each, without replacement."""
    return Sample(
        *(np.sort(rng.choice(len(some), min(len(some), MMD_ROWS), replace=False)) for some in (reference, window))
    )


def answer(
    question: Question,
    reference: Measurements,
    window: Measurements,
    sample: Sample,
    *,
    permutations: int,
    rng: np.random.Generator,
) -> Answer:
    """Test one question; ``permutations`` is the most that the MMD draws."""
    if question is Question.EMBEDDING:
        first, second = reference.embedding[sample.reference_rows], window.embedding[sample.window_rows]
        found = mmd_test(first, second, permutations=permutations, rng=rng)
        return Answer(question, found.squared, found.p_value, found.effect)
    pairs = {"residual": (reference.residual, window.residual)}
    if question is Question.STATISTICS:
        columns = zip(STATISTICS, reference.statistics.T, window.statistics.T, strict=True)
        pairs = {name: (first, second) for name, first, second in columns}
    results = [ks_2samp(first, second) for first, second in pairs.values()]
    corrected = holm([float(result.pvalue) for result in results])
    changes = tuple(
        Change(name, float(result.statistic), p_value, float(np.median(first)), float(np.median(second)))
        for (name, (first, second)), result, p_value in zip(pairs.items(), results, corrected, strict=True)
    )
    largest = max(change.distance for change in changes)
    return Answer(question, largest, min(corrected), largest, changes)


def typical_rows(found: Answer, reference: Measurements, window: Measurements, sample: Sample, *, most: int) -> Sample:
    """Return the rows of each side where it has most more than the other, by the MMD's witness function.

    The function is that of the embedding, the residual norm, or the image statistic that changed most. Only rows of the
    sample are ranked.
    """
    first, second = _compared(found, reference, window)
    first, second = first[sample.reference_rows], second[sample.window_rows]
    return Sample(
        sample.reference_rows[_most_unlike(first, second)[:most]],
        sample.window_rows[_most_unlike(second, first)[:most]],
    )


def _most_unlike(some: Floats, others: Floats) -> Ints:
    return np.argsort(-witness(some, others, some), kind="stable")


def _compared(found: Answer, reference: Measurements, window: Measurements) -> tuple[Floats, Floats]:
    if found.question is Question.EMBEDDING:
        return reference.embedding, window.embedding
    if found.question is Question.RESIDUAL:
        return reference.residual[:, None], window.residual[:, None]
    column = [STATISTICS.index(found.most_changed.name)]
    return reference.statistics[:, column], window.statistics[:, column]


def _change_text(change: Change) -> str:
    before, after = change.reference_median, change.window_median
    direction = "higher" if after > before else "lower" if after < before else "spread differently"
    text = f"{change.name} is {direction}, {after:.3g} rather than {before:.3g} in the median"
    meaning = _MEANINGS.get((change.name, after > before))
    return f"{text}: {meaning}" if meaning and after != before else text
