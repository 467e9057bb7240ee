"""Run the promotion checks: load both bundles, select unseen photos, predict, measure latency, check.

A bundle may contain the index of its training data. Together with the groups of the current index, it shows which
held-out photos, or photos of the same group, a bundle was trained on. Those photos are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from petmood.core.bundle import DATA_NAME, Bundle, read
from petmood.core.bundle_files import read_limited
from petmood.core.errors import BundleError, DataError
from petmood.core.files import sha256_of
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import DataIndex, IndexRow, Role, Split, parse_index, read_index
from petmood.data.split import check_no_group_leaks
from petmood.inference.load import BundlePredictor, load_bundle
from petmood.promotion.checks import PromotionLimits, evaluate_checks
from petmood.promotion.compare import (
    BundleInfo,
    Latency,
    bundle_info,
    images_to_time,
    measure_latency,
    predict_with_bundles,
)
from petmood.promotion.records import Check, HeldOut, PromotionReport

__all__ = ["HeldOutSelection", "LoadedBundle", "choose_held_out", "load_for_comparison", "run_promotion_checks"]


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A verified and loaded bundle, and the index of its training data (None if the bundle has none)."""

    predictor: BundlePredictor
    learned: DataIndex | None

    @property
    def bundle(self) -> Bundle:
        """The bundle's folder and manifest."""
        return self.predictor.bundle


@dataclass(frozen=True, slots=True)
class HeldOutSelection:
    """Held-out photos for the checks, and notes on the selection for the report."""

    rows: tuple[IndexRow, ...]
    held_out: HeldOut
    notes: tuple[str, ...]


def run_promotion_checks(
    candidate: Path,
    champion: Path | None,
    *,
    data: Path,
    limits: PromotionLimits | None = None,
    created: str = "",
    progress: ProgressBar = no_progress,
) -> PromotionReport:
    """Check a candidate's bundle on held-out photos of a dataset, against the champion's bundle if there is one.

    A candidate that is not valid, or for which too few photos are left, is refused before anything else is measured.
    ``created`` is the caller's time, for the report.

    Raises:
        BundleError: the champion's bundle is not valid, or can't predict the photos.
        DataError: the dataset's index or photos can't be used.
    """
    limits = limits or PromotionLimits()
    current = load_for_comparison(champion) if champion is not None else None
    against = bundle_info(current.predictor) if current else None
    report = PromotionReport(_stated(candidate), against, None, limits.to_json(), (), created=created)
    try:
        new = load_for_comparison(candidate)
    except BundleError as error:
        return replace(report, checks=(_integrity(str(error)),))
    bundles, index = [new, current] if current else [new], _index_of(data)
    same = _same_classes(new, current, index)
    if not same.passed:
        return replace(report, checks=(_integrity(), same))
    chosen = choose_held_out(index, bundles)
    enough = _enough(chosen.held_out, limits)
    report = replace(report, held_out=chosen.held_out, notes=chosen.notes, checks=(_integrity(), same, enough))
    if not enough.passed:
        return report
    first, *others = predict_with_bundles(
        [b.predictor for b in bundles], data=data, rows=chosen.rows, progress=progress
    )
    second = others[0] if others else None
    if isinstance(second, BundleError):
        raise second
    if isinstance(first, BundleError):
        return replace(report, checks=(_integrity(str(first)), same, enough))
    latency = _timed(bundles, data=data, rows=chosen.rows)
    return replace(report, checks=(*report.checks, *evaluate_checks(first, second, latency=latency, limits=limits)))


def load_for_comparison(folder: Path) -> LoadedBundle:
    """Verify a bundle against its hashes and golden outputs, and read the index in it.

    Raises:
        BundleError: the bundle is not valid, or its index is not the one that the manifest names.
    """
    try:
        predictor = load_bundle(folder)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{folder} can't be read: {error}. Copy or export the bundle again.") from error
    manifest = predictor.bundle.manifest
    if DATA_NAME not in manifest.files:
        return LoadedBundle(predictor, None)
    try:
        learned = parse_index(read_limited(folder / DATA_NAME), name=DATA_NAME)
    except DataError as error:
        raise BundleError(f"{folder}: {DATA_NAME} can't be read. {error} Export the run again.") from error
    if learned.hash != manifest.data_hash:
        raise BundleError(f"{folder}: {DATA_NAME} is not the index that the manifest names. Export the run again.")
    return LoadedBundle(predictor, learned)


def choose_held_out(index: DataIndex, bundles: Sequence[LoadedBundle]) -> HeldOutSelection:
    """Select the original photos of the test split, or of the validation split if there is none, unseen by any bundle.

    A photo is left out if a bundle was trained on a photo of its group, by the current index or by the bundle's index.
    For the test split, photos used to select or calibrate a bundle (its validation split) are left out as well.
    """
    originals = [row for row in index if row.role == Role.ORIGINAL]
    split = Split.TEST if any(row.split == Split.TEST for row in originals) else Split.VALID
    notes = [] if split == Split.TEST else ["There is no test split: scores on validation photos are optimistic."]
    known: set[str] = set()
    for opened in bundles:
        if opened.bundle.manifest.data_hash == index.hash:
            continue
        if opened.learned is None:
            notes.append(f"The training photos of {_called(opened)} are unknown: it has no {DATA_NAME}.")
        else:
            known |= _learned_from(opened.learned, {Split.TRAIN, Split.VALID} if split == Split.TEST else {Split.TRAIN})
    photos_of_group: dict[str, set[str]] = defaultdict(set)
    for row in index:
        photos_of_group[row.group_id].add(row.sha256)
    candidates = [row for row in originals if row.split == split]
    kept = tuple(row for row in candidates if not photos_of_group[row.group_id] & known)
    classes = dict(sorted(Counter(row.label for row in kept).items()))
    groups = len({row.group_id for row in kept})
    return HeldOutSelection(
        kept, HeldOut(index.hash, split, classes, groups, len(candidates) - len(kept)), tuple(notes)
    )


def _learned_from(index: DataIndex, splits: set[Split]) -> set[str]:
    """Return the SHA-256 of every photo whose group, by the bundle's own index, was in one of the splits."""
    groups = {row.group_id for row in index if row.split in splits and row.role != Role.EXCLUDED}
    return {row.sha256 for row in index if row.group_id in groups}


def _called(opened: LoadedBundle) -> str:
    manifest = opened.bundle.manifest
    return f"{manifest.name} {manifest.version}"


def _index_of(data: Path) -> DataIndex:
    index = read_index(data)
    check_no_group_leaks(index.rows)
    return index


def _stated(folder: Path) -> BundleInfo:
    """Return a bundle's identity from its manifest before verification; only the folder name if it can't be read."""
    try:
        manifest, network = read(folder), folder / "model.onnx"
        size = network.stat().st_size if network.is_file() else 0
        return BundleInfo(
            manifest.name, manifest.version, sha256_of(folder / "manifest.json"), manifest.data_hash, size
        )
    except (BundleError, OSError):
        return BundleInfo(folder.name, "", "", "", 0)


def _timed(bundles: Sequence[LoadedBundle], *, data: Path, rows: Sequence[IndexRow]) -> Latency:
    specs = [opened.bundle.manifest.image for opened in bundles]
    images = [images_to_time(spec, data=data, rows=rows) for spec in specs]
    predict = [opened.predictor.session.logits for opened in bundles]
    return measure_latency(*zip(predict, images, strict=True))


def _integrity(error: str = "") -> Check:
    sentence = error or "Every file matches its hash, and golden photos give the outputs of the trained network."
    return Check("integrity", not error, "corrupted" if error else "intact", "a bundle as it was exported", sentence)


def _same_classes(new: LoadedBundle, current: LoadedBundle | None, index: DataIndex) -> Check:
    """Check that the champion has the candidate's classes, and that the photos have no others."""
    own = sorted(new.bundle.manifest.classes)
    champion = sorted(current.bundle.manifest.classes) if current else own
    unknown = sorted(set(index.classes) - set(own))
    if champion != own:
        sentence = (
            f"The champion has the classes {', '.join(champion)}, and no measure compares the two. "
            "Register the new model under a name of its own with --model NAME."
        )
    elif unknown:
        sentence = f"The photos have the further classes {', '.join(unknown)}. Name other photos with --data."
    else:
        sentence = "The candidate, the champion and the photos have the same classes."
    passed = champion == own and not unknown
    return Check("same_classes", passed, ", ".join(own), "the classes of the champion and of the photos", sentence)


def _enough(held_out: HeldOut, limits: PromotionLimits) -> Check:
    photos, classes, groups = held_out.photos, len(held_out.classes), held_out.groups
    passed = photos >= limits.min_photos and groups >= limits.min_groups and classes >= 2
    measured = f"{photos} photos of {classes} classes in {groups} groups"
    sentence = f"There are {measured} outside of the known training data of both bundles"
    sentence += f"; {held_out.excluded} were left out." if held_out.excluded else "."
    limit = f"{limits.min_photos} photos of 2 classes in {limits.min_groups} groups, or more"
    numbers = {"photos": photos, "classes": classes, "groups": groups, "excluded": held_out.excluded}
    return Check("held_out", passed, measured, limit, sentence, numbers)
