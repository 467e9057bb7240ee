"""Two-sample test of maximum mean discrepancy (MMD) with a permutation p-value, and its witness function.

Sources: A. Gretton et al., A kernel two-sample test, Journal of Machine Learning Research 13 (2012), for statistic,
median bandwidth and witness function. J. Besag and P. Clifford, Sequential Monte Carlo p-values, Biometrika 78 (1991),
for the end of the permutations once the p-value is known to be large.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MmdTest", "mmd_test", "witness"]

CHUNK: Final = 64
"""Permutations of one matrix product."""
ENOUGH_AS_LARGE: Final = 20
"""Permuted values as large as the observed one after which no more are drawn; the p-value is then above 0.02."""
BANDWIDTH_ROWS: Final = 300
"""Rows whose distances give the bandwidth; drawn without regard to the sample that they are from."""
TIE: Final = 1e-9

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class MmdTest:
    """Unbiased squared MMD, its permutation p-value and effect size.

    ``effect`` is the distance of the two means in the kernel's feature space, divided by the standard deviation of the
    first sample there: 0 for no change.
    """

    squared: float
    p_value: float
    effect: float


def mmd_test(first: Floats, second: Floats, *, permutations: int, rng: np.random.Generator) -> MmdTest:
    """Compare samples [N, D] and [M, D], each of 2 rows or more, with a Gaussian kernel of median bandwidth.

    The bandwidth is that of both samples together, so it is the same for every permutation and the p-value is valid at
    any sample size. Its smallest value is 1 / (permutations + 1). Memory and time grow with (N + M)^2.
    """
    pooled = np.concatenate([first, second]).astype(np.float32)
    some = rng.choice(len(pooled), min(len(pooled), BANDWIDTH_ROWS), replace=False)
    kernel = _kernel(pooled, pooled, bandwidth_rows=some)
    spread = 1 - _mean_of_pairs(kernel[: len(first), : len(first)])
    kernel -= kernel.mean()  # a constant changes no MMD, and sums of small values are exact enough in float32
    np.fill_diagonal(kernel, 0)
    row_sums = kernel.sum(axis=1, dtype=np.float64)
    chosen = np.zeros((len(pooled), 1), dtype=np.float32)
    chosen[len(first) :] = 1
    observed = float(_squared_mmd(kernel, row_sums, chosen)[0])
    p_value = _permutation_p_value(kernel, row_sums, observed, len(second), permutations=permutations, rng=rng)
    effect = float(np.sqrt(max(0.0, observed) / spread)) if spread > TIE else 0.0
    return MmdTest(observed, p_value, effect)


def witness(points: Floats, first: Floats, second: Floats) -> NDArray[np.float64]:
    """Return float64 [P] for points [P, D]: mean kernel value with the second sample minus that with the first.

    It is largest where the second sample has more than the first.
    """
    pooled = np.concatenate([first, second]).astype(np.float32)
    some = np.unique(np.linspace(0, len(pooled) - 1, BANDWIDTH_ROWS).astype(np.int64))
    kernel = _kernel(points.astype(np.float32), pooled, bandwidth_rows=some)
    return np.asarray(
        kernel[:, len(first) :].mean(axis=1, dtype=np.float64) - kernel[:, : len(first)].mean(axis=1, dtype=np.float64)
    )


def _kernel(
    points: NDArray[np.float32], pooled: NDArray[np.float32], *, bandwidth_rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return exp(-d^2 / m) with m the median squared distance of some rows of ``pooled`` from all of its rows."""
    center = pooled.mean(axis=0)
    centered = pooled - center
    some = _squared_distances(centered[bandwidth_rows], centered)
    middle = float(np.median(some)) or float(some.mean())  # more than half of the pairs may be equal
    distances = _squared_distances(points - center, centered)
    if not middle:
        return np.ones_like(distances)
    distances *= np.float32(-1 / middle)
    kernel: NDArray[np.float32] = np.exp(distances, out=distances)
    return kernel


def _squared_distances(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    distances = some @ others.T
    distances *= -2
    distances += (some * some).sum(axis=1)[:, None]
    distances += (others * others).sum(axis=1)
    np.maximum(distances, 0, out=distances)
    return distances


def _mean_of_pairs(kernel: NDArray[np.float32]) -> float:
    count = len(kernel)
    return float((kernel.sum(dtype=np.float64) - np.trace(kernel)) / (count * (count - 1)))


def _squared_mmd(
    kernel: NDArray[np.float32], row_sums: NDArray[np.float64], chosen: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the unbiased squared MMD [B] between the rows with 1 and those with 0 in each column of ``chosen`` [N, B].

    The kernel has zeros on its diagonal.
    """
    second = float(chosen[:, 0].sum())
    first = len(kernel) - second
    within = np.einsum("ij,ij->j", kernel @ chosen, chosen, dtype=np.float64)
    touching = row_sums @ chosen
    across = touching - within
    rest = row_sums.sum() - 2 * touching + within
    return np.asarray(within / (second * (second - 1)) + rest / (first * (first - 1)) - 2 * across / (first * second))


def _permutation_p_value(
    kernel: NDArray[np.float32],
    row_sums: NDArray[np.float64],
    observed: float,
    second: int,
    *,
    permutations: int,
    rng: np.random.Generator,
) -> float:
    as_large = 0
    for start in range(0, permutations, CHUNK):
        count = min(CHUNK, permutations - start)
        order = rng.random((count, len(kernel)), dtype=np.float32).argpartition(second, axis=1)[:, :second]
        chosen = np.zeros((len(kernel), count), dtype=np.float32)
        chosen[order, np.arange(count)[:, None]] = 1
        reached = as_large + np.cumsum(_squared_mmd(kernel, row_sums, chosen) >= observed - TIE)
        if reached[-1] >= ENOUGH_AS_LARGE:
            return ENOUGH_AS_LARGE / (start + int(np.argmax(reached >= ENOUGH_AS_LARGE)) + 1)
        as_large = int(reached[-1])
    return (as_large + 1) / (permutations + 1)
