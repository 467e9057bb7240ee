"""Our own folds, splits and sign flips beside those of scikit-learn and scipy: balance, stability and time.

The figures in docs/decisions/libraries.md come from here. Datasets are drawn; each is given to both sides.
"""

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.common import best_of, report
from petmood.data.duplicates.near_duplicates import Relation, group_ids
from petmood.data.duplicates.relations import RelationKind
from petmood.data.index import IndexRow, Role, Split
from petmood.data.split import assign_splits
from petmood.evaluation.folds import stratified_group_folds
from petmood.evaluation.paired import sign_flip_p_value

__all__ = ["main"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
SETS: Final = 200
FOLDS: Final = 5
CLASSES: Final = 4
PHOTOS: Final = 20_000
EXACT_UP_TO: Final = 14
PERMUTATIONS: Final = 10_000
TWENTIETHS: Final = 20
"""Folds of 5%, of which three are the valid split and three the test split."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn dataset: the label [N] and group [N] of each photo."""

    labels: Ints
    groups: Ints


def drawn_sets(kind: str) -> Iterator[Drawn]:
    """Yield datasets of one kind."""
    for seed in range(SETS):
        rng = np.random.default_rng(seed)
        if kind == "single photos":
            yield Drawn(rng.choice(CLASSES, 200, p=[0.5, 0.3, 0.15, 0.05]), np.arange(200))
        elif kind == "copies of photos":
            groups = np.repeat(np.arange(150), np.minimum(rng.geometric(0.45, 150), 12))
            yield Drawn(rng.integers(0, CLASSES, 150)[groups], groups)
        elif kind == "large groups of one class":
            groups = np.repeat(np.arange(40), rng.integers(1, 40, 40))
            yield Drawn(rng.integers(0, CLASSES, 40)[groups], groups)
        else:
            yield Drawn(rng.integers(0, CLASSES, 200), rng.integers(0, 40, 200))


def our_folds(data: Drawn, *, seed: int) -> list[Ints]:
    """Return the test photos of our folds."""
    return [
        fold.test
        for fold in stratified_group_folds(data.labels, [str(one) for one in data.groups], folds=FOLDS, seed=seed)
    ]


def their_folds(data: Drawn, *, seed: int, folds: int = FOLDS) -> list[Ints]:
    """Return the test photos of scikit-learn's folds."""
    made = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer photos than folds
        return [test for _, test in made.split(data.labels, data.labels, data.groups)]


def unbalance(data: Drawn, tests: list[Ints]) -> float:
    """Return by how many photos the worst fold's count of a class misses an equal share."""
    counts = np.array([np.bincount(data.labels[test], minlength=CLASSES) for test in tests])
    return float(np.abs(counts - counts.sum(axis=0) / FOLDS).max())


def refused_sets() -> int:
    """Return how many of 1000 small datasets with enough groups scikit-learn refuses."""
    refused = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        data = Drawn(rng.integers(0, CLASSES, 12), np.arange(12) % 8)
        try:
            their_folds(data, seed=seed)
        except ValueError:
            refused += 1
    return refused


def compare_folds() -> None:
    """Report balance and time of folds."""
    details: dict[str, Any] = {}
    for kind in ("single photos", "copies of photos", "large groups of one class", "groups of several classes"):
        sets = list(drawn_sets(kind))
        ours = [unbalance(data, our_folds(data, seed=seed)) for seed, data in enumerate(sets)]
        theirs = [unbalance(data, their_folds(data, seed=seed)) for seed, data in enumerate(sets)]
        details[kind] = {
            "ours": {"mean": round(float(np.mean(ours)), 3), "worst": round(max(ours), 2)},
            "scikit-learn": {"mean": round(float(np.mean(theirs)), 3), "worst": round(max(theirs), 2)},
        }
    mixed = next(drawn_sets("groups of several classes"))
    seconds = best_of(5, ours=lambda: our_folds(mixed, seed=0), theirs=lambda: their_folds(mixed, seed=0))
    hardest = details["groups of several classes"]
    report(
        "folds: unbalance of classes beside StratifiedGroupKFold",
        ratio=hardest["ours"]["mean"] / hardest["scikit-learn"]["mean"],
        target=1.0,
        details={
            **details,
            "time, scikit-learn / ours": round(seconds["theirs"] / seconds["ours"], 1),
            "refused by scikit-learn, of 1000": refused_sets(),
        },
    )


def rows_of(data: Drawn) -> list[IndexRow]:
    """Return index rows of a dataset; each photo's hash is its number's."""
    return [
        IndexRow(
            path=f"{number}.jpg",
            sha256=f"{int(np.random.default_rng(number).integers(2**62)):064x}",
            width=1,
            height=1,
            format="PNG",
            label=str(label),
            split=Split.TRAIN,
            group_id=str(group),
            role=Role.ORIGINAL,
        )
        for number, (label, group) in enumerate(zip(data.labels, data.groups, strict=True))
    ]


def their_splits(data: Drawn) -> dict[str, Split]:
    """Return a split for each group from scikit-learn's folds of 5%."""
    found: dict[str, Split] = {}
    for number, test in enumerate(their_folds(data, seed=0, folds=TWENTIETHS)):
        split = Split.TEST if number < 3 else Split.VALID if number < 6 else Split.TRAIN
        found |= {str(group): split for group in data.groups[test]}
    return found


def our_splits(data: Drawn, *, previous: dict[str, Split] | None = None) -> tuple[dict[str, Split], dict[str, Split]]:
    """Return the split of each group, and of each photo by its SHA-256."""
    rows = assign_splits(rows_of(data), previous=previous)
    return {row.group_id: row.split for row in rows}, {row.sha256: row.split for row in rows}


def moved(before: dict[str, Split], after: dict[str, Split]) -> float:
    """Return the share of groups whose split changed."""
    return float(np.mean([after[group] != split for group, split in before.items()]))


def compare_splits() -> None:
    """Report how many groups change their split where one photo is added, and the shares of the test split."""
    ours, fresh, theirs = [], [], []
    test_shares: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
    for data in list(drawn_sets("copies of photos"))[:20]:
        grown = replace(data, labels=np.append(data.labels, 0), groups=np.append(data.groups, data.groups.max() + 1))
        first, known = our_splits(data)
        ours.append(moved(first, our_splits(grown, previous=known)[0]))
        fresh.append(moved(first, our_splits(grown)[0]))
        others = their_splits(data)
        theirs.append(moved(others, their_splits(grown)))
        test_shares["ours"].append(Counter(first.values())[Split.TEST] / len(first))
        test_shares["scikit-learn"].append(Counter(others.values())[Split.TEST] / len(others))
    report(
        "splits: groups that change their split with one photo more, beside StratifiedGroupKFold",
        ratio=float(np.mean(ours) / np.mean(theirs)),
        target=0.0,
        details={
            "ours, next version": float(np.mean(ours)),
            "ours, imported anew": round(float(np.mean(fresh)), 4),
            "scikit-learn": round(float(np.mean(theirs)), 4),
            "test share of groups": {
                name: [round(min(values), 3), round(max(values), 3)] for name, values in test_shares.items()
            },
        },
    )


def flips_by_hand(sums: Floats) -> float:
    """Return the p-value of the former code, for comparison: a matrix of random signs, not scipy's test."""
    reached = abs(float(sums.sum())) - 1e-9
    if len(sums) <= EXACT_UP_TO:
        patterns = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
        return float(np.mean(np.abs((2 * patterns - 1) @ sums) >= reached))
    rng = np.random.default_rng(0)
    as_large = 0
    for _ in range(PERMUTATIONS // 1000):
        signs = rng.integers(0, 2, size=(1000, len(sums)), dtype=np.int8) * 2 - 1
        as_large += int((np.abs(signs @ sums) >= reached).sum())
    return (as_large + 1) / (PERMUTATIONS + 1)


def compare_flips() -> None:
    """Report p-values and time of the sign-flip test."""
    details: dict[str, Any] = {}
    for groups in (EXACT_UP_TO, 100, 300):
        sums = np.random.default_rng(groups).normal(0.1, 1, groups)
        seconds = best_of(
            3,
            scipy=partial(sign_flip_p_value, sums, permutations=PERMUTATIONS, seed=0),
            by_hand=partial(flips_by_hand, sums),
        )
        details[f"{groups} groups"] = {
            "p, scipy": round(sign_flip_p_value(sums, permutations=PERMUTATIONS, seed=0), 4),
            "p, by hand": round(flips_by_hand(sums), 4),
            "time, scipy / by hand": round(seconds["scipy"] / seconds["by_hand"], 1),
            "seconds, scipy": round(seconds["scipy"], 3),
        }
    tenths = [np.random.default_rng(seed).choice([0.1, -0.1, 0.3, 0.7, 1 / 3, -1 / 3], 8) for seed in range(1000)]
    exact = [flips_by_hand(sums) for sums in tenths]
    plain = [
        stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
        for sums in tenths
    ]
    rounded = [sign_flip_p_value(sums, permutations=1, seed=0) for sums in tenths]
    report(
        "sign flips: p-values with ties that differ from the exact ones, scipy with rounded sums",
        ratio=float(np.mean(~np.isclose(rounded, exact))),
        target=0.0,
        details={**details, "differ without rounding, of 1000": int((~np.isclose(plain, exact)).sum())},
    )


def union_find(count: int, relations: list[Relation]) -> list[int]:
    """Return the groups of the former code, for comparison: a forest of parents."""
    parent = list(range(count))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for relation in relations:
        a, b = sorted((root(relation.first), root(relation.second)))
        parent[b] = a
    return [root(place) for place in range(count)]


def compare_components() -> None:
    """Report time of the groups of related photos."""
    pairs = np.sort(np.random.default_rng(0).integers(0, PHOTOS, (PHOTOS // 2, 2)), axis=1)
    relations = [
        Relation(int(a), int(b), RelationKind.NEAR_DUPLICATE, 9, mirrored=False, scale=1.0) for a, b in pairs if a != b
    ]
    seconds = best_of(5, scipy=lambda: group_ids(PHOTOS, relations), by_hand=lambda: union_find(PHOTOS, relations))
    report(
        f"groups: connected components of {PHOTOS} photos by scipy, beside a union-find in Python",
        ratio=seconds["scipy"] / seconds["by_hand"],
        target=3.0,
        details={name: round(value, 4) for name, value in seconds.items()},
        conditions={"equal groups": group_ids(PHOTOS, relations) == union_find(PHOTOS, relations)},
    )


def main() -> None:
    """Measure and report."""
    compare_folds()
    compare_splits()
    compare_flips()
    compare_components()


if __name__ == "__main__":
    main()
