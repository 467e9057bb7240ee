"""Run the promotion checks: load both bundles, select unseen photos, predict, measure latency, check.

A candidate that is not valid, or for which too few photos are left, is refused before anything else is measured.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from petmood.core.bundle import read
from petmood.core.errors import BundleError
from petmood.core.files import sha256_of
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.feature_cache import features_of
from petmood.data.index import DataIndex, IndexRow, read_index
from petmood.data.split import check_no_group_leaks
from petmood.promotion.checks import evaluate_checks
from petmood.promotion.compare import (
    BundleInfo,
    Latency,
    bundle_info,
    images_to_time,
    measure_latency,
    predict_with_bundles,
)
from petmood.promotion.domain import check_domain, domain_answers
from petmood.promotion.held_out import choose_held_out
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.loaded_bundle import LoadedBundle, load_for_comparison
from petmood.promotion.records import Check, HeldOut, PromotionReport

__all__ = ["run_promotion_checks"]


def run_promotion_checks(
    candidate: Path,
    champion: Path | None,
    *,
    data: Path,
    limits: PromotionLimits | None = None,
    created: str = "",
    earlier_uses: int = 0,
    progress: ProgressBar = no_progress,
) -> PromotionReport:
    """Check a candidate's bundle on held-out photos of a dataset, against the champion's bundle if there is one.

    A candidate that is not valid, or for which too few photos are left, is refused before anything else is measured.
    ``created`` is the caller's time, for the report. ``earlier_uses`` counts the comparisons that the test set has
    decided before.

    Raises:
        BundleError: the champion's bundle is not valid, or can't predict the photos.
        DataError: the dataset's index or photos can't be used.
    """
    limits = limits or PromotionLimits()
    current = load_for_comparison(champion) if champion is not None else None
    against = bundle_info(current.predictor) if current else None
    confidence = limits.confidence(earlier_uses=earlier_uses)
    report = PromotionReport(_stated(candidate), against, None, limits.to_json(), (), created=created)
    report = replace(report, earlier_uses=earlier_uses, confidence=confidence)
    try:
        new = load_for_comparison(candidate)
    except BundleError as error:
        return replace(report, checks=(_integrity(str(error)),))
    bundles, index = [new, current] if current else [new], _index_of(data)
    same = _same_classes(new, current, index)
    if not same.passed:
        return replace(report, checks=(_integrity(), same))
    describe = partial(features_of, data, index, progress=progress)
    chosen = choose_held_out(index, bundles, describe=describe, progress=progress)
    enough = _enough(chosen.held_out, limits)
    report = replace(report, held_out=chosen.held_out, notes=chosen.notes, checks=(_integrity(), same, enough))
    if not enough.passed:
        return report
    predictors = [one.predictor for one in bundles]
    first, *others = predict_with_bundles(predictors, data=data, rows=chosen.rows, progress=progress)
    second = others[0] if others else None
    if isinstance(second, BundleError):
        raise second
    if isinstance(first, BundleError):
        return replace(report, checks=(_integrity(str(first)), same, enough))
    latency = _timed(bundles, data=data, rows=chosen.rows)
    further = evaluate_checks(first, second, latency=latency, limits=limits, confidence=confidence)
    return replace(report, checks=(*report.checks, *further, _domain(bundles, data, chosen.rows, limits)))


def _domain(bundles: Sequence[LoadedBundle], data: Path, rows: Sequence[IndexRow], limits: PromotionLimits) -> Check:
    first, *others = (domain_answers(one.predictor, data=data, rows=rows) for one in bundles)
    return check_domain(first, others[0] if others else None, limits)


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
    sentence += f"; {held_out.excluded_text()}. " if held_out.excluded else ". "
    sentence = f"{sentence}{held_out.matching_text()}".strip()
    limit = f"{limits.min_photos} photos of 2 classes in {limits.min_groups} groups, or more"
    numbers = {"photos": photos, "classes": classes, "groups": groups, "excluded": held_out.excluded}
    numbers |= {"by_bytes": held_out.excluded_by_bytes, "by_content": held_out.excluded_by_content}
    return Check("held_out", passed, measured, limit, sentence, numbers)
