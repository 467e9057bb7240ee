"""Selection of held-out photos that neither bundle saw, by bytes, by groups and by content.

A bundle holds the index of its data and the features of the photos that its model saw. A group of the current test
split is left out if one of its photos has the bytes of a photo in such a group of the bundle's index. It is also left
out if the pixels show a near-duplicate of a seen photo, or the same animal.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from petmood.core.bundle import DATA_NAME
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.near_duplicates import PhotoFeatures, find_relations
from petmood.data.index import DataIndex, IndexRow, Role, Split
from petmood.promotion.loaded_bundle import LoadedBundle
from petmood.promotion.records import HeldOut

__all__ = ["Describe", "HeldOutSelection", "choose_held_out", "hash_test_set"]

Describe = Callable[[Sequence[IndexRow]], Mapping[str, PhotoFeatures]]
"""Returns the compact features of photos of the current dataset, by SHA-256."""


@dataclass(frozen=True, slots=True)
class HeldOutSelection:
    """Held-out photos for the checks, and notes on the selection for the report."""

    rows: tuple[IndexRow, ...]
    held_out: HeldOut
    notes: tuple[str, ...]


def choose_held_out(
    index: DataIndex, bundles: Sequence[LoadedBundle], *, describe: Describe, progress: ProgressBar = no_progress
) -> HeldOutSelection:
    """Select the original photos of the test split, or of the validation split if there is none, unseen by any bundle.

    A photo is left out with its whole group. For the test split, photos used to select or calibrate a bundle (its
    validation split) count as seen as well. A bundle that was trained on this very index needs no comparison: no group
    has photos in two of its splits.
    """
    split, candidates = _candidates(index)
    notes = [] if split == Split.TEST else ["There is no test split: scores on validation photos are optimistic."]
    others = [one for one in bundles if one.bundle.manifest.data_hash != index.hash]
    notes += [
        f"The training photos of {one.title} are unknown: it has no {DATA_NAME}."
        for one in others
        if one.learned is None
    ]
    splits = {Split.TRAIN, Split.VALID} if split == Split.TEST else {Split.TRAIN}
    seen = [(_seen_by(one.learned, splits), one) for one in others if one.learned is not None]
    by_bytes = _groups_with(index, set().union(*(hashes for hashes, _ in seen)))
    kept = [row for row in candidates if row.group_id not in by_bytes]
    groups = {row.group_id for row in kept}
    photos = [row for row in index if row.group_id in groups and row.split == split and row.role != Role.EXCLUDED]
    features = {name: found for hashes, one in seen for name, found in (one.features or {}).items() if name in hashes}
    related = _related(photos, features, describe=describe, progress=progress)
    rows = tuple(row for row in kept if row.group_id not in related)
    held_out = HeldOut(
        index.hash,
        split,
        dict(sorted(Counter(row.label for row in rows).items())),
        len({row.group_id for row in rows}),
        excluded=len(candidates) - len(rows),
        excluded_by_content=len(kept) - len(rows),
        by_bytes_only=tuple(dict.fromkeys(one.title for _, one in seen if one.features is None)),
        test_set=hash_test_set(index),
    )
    return HeldOutSelection(rows, held_out, tuple(notes))


def hash_test_set(index: DataIndex) -> str:
    """Return the SHA-256 of the photos that may be held out; other data versions with the same photos have the same."""
    _, candidates = _candidates(index)
    return hashlib.sha256("\n".join(sorted(row.sha256 for row in candidates)).encode()).hexdigest()


def _candidates(index: DataIndex) -> tuple[Split, list[IndexRow]]:
    """Return the split that is held out, and its original photos."""
    originals = [row for row in index if row.role == Role.ORIGINAL]
    split = Split.TEST if any(row.split == Split.TEST for row in originals) else Split.VALID
    return split, [row for row in originals if row.split == split]


def _seen_by(index: DataIndex, splits: set[Split]) -> set[str]:
    """Return the SHA-256 of every photo whose group, by the bundle's own index, was in one of the splits."""
    groups = {row.group_id for row in index if row.split in splits and row.role != Role.EXCLUDED}
    return {row.sha256 for row in index if row.group_id in groups}


def _groups_with(index: DataIndex, hashes: Collection[str]) -> set[str]:
    return {row.group_id for row in index if row.sha256 in hashes}


def _related(
    photos: Sequence[IndexRow],
    seen: Mapping[str, PhotoFeatures],
    *,
    describe: Describe,
    progress: ProgressBar,
) -> set[str]:
    """Return the groups that have a photo related to a seen one, from the pixels."""
    if not seen or not photos:
        return set()
    described, known = describe(photos), list(seen.values())
    relations = find_relations([*known, *(described[row.sha256] for row in photos)], progress=progress)
    crossing = (one for one in relations if one.first < len(known) <= one.second)
    return {photos[one.second - len(known)].group_id for one in crossing}
