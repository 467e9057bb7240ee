"""Model card in Markdown: purpose, metrics, training data and limitations."""

from collections.abc import Mapping
from typing import Any, Final

from petmood.core.bundle import Manifest
from petmood.core.domain import FACE_UNCLEAR, TWO_PETS, DomainRule, SceneWarning
from petmood.core.variants import VariantInfo
from petmood.data.index import Split
from petmood.export.front_matter import front_matter
from petmood.presentation.answers import NEVER_CONFIDENT
from petmood.presentation.display_names import HEADLINE_METRICS, VALIDATION_NOTE, headline_split, photos_of_split, title

__all__ = ["PURPOSE", "WEAKNESS", "card_text"]

PURPOSE: Final = (
    "It classifies facial expressions. It does not measure what an animal feels, and it is not an assessment of health "
    "or welfare: ask a vet for that. It expects one pet whose face is visible."
)
WEAKNESS: Final = (
    "Species, breeds, poses and light unlike the training photos; several animals; faces turned away or covered. "
    "If class and species correlate in the data, they do in the model."
)

SHOWN: Final[Mapping[SceneWarning, str]] = {
    TWO_PETS: "two pets",
    FACE_UNCLEAR: "a face that is small, hidden or cropped",
}

PHOTOS_OF: Final = {
    Split.TEST: "test photos of unseen animals",
    Split.VALID: (
        "validation photos, which calibrated the model and may have chosen it: it may be less accurate on others"
    ),
}


def card_text(manifest: Manifest, *, photos: Mapping[str, int], species: tuple[str, ...] = ()) -> str:
    """Return a model card in Markdown (Mitchell et al. 2019) with front matter.

    The manifest's ``files`` may still be empty.
    """
    lines = [
        front_matter(manifest),
        f"# {manifest.name} {manifest.version}",
        "",
        *(line for warning in manifest.warnings for line in (f"**{warning}**", "")),
        *((f"**{NEVER_CONFIDENT}**", "") if manifest.confidence_threshold > 1 else ()),
        f"Predicts the facial expression of a pet in a photo: {', '.join(manifest.classes)}.",
        "",
        "## Intended use",
        "",
        PURPOSE,
        "",
        "## Metrics",
        "",
        *_measures(manifest.metrics),
        "",
        _confidence_line(manifest),
        "",
        _domain_line(manifest),
        "",
        *(line for variant in manifest.variants for line in (_variant_line(variant), "")),
        *_robustness(manifest.metrics),
        *_selection(manifest.metrics),
        "## Training",
        "",
        f"- Network: {manifest.backbone}, images of {manifest.image.side_px} px ({manifest.image.resize}).",
        f"- Photos: {', '.join(f'{count} {name}' for name, count in photos.items())}; data version "
        f"`{manifest.data_hash[:12]}`."
        + (f" Species: {', '.join(species)}." if species else " Species: not recorded."),
        f"- Code: `{manifest.code_version}`, {manifest.created}.",
        "",
        "## Limitations",
        "",
        WEAKNESS,
        "",
    ]
    return "\n".join(lines)


def _measures(metrics: Mapping[str, Any]) -> list[str]:
    """Return the metrics table of the test split, else of a cross-validation, else of the validation split."""
    splits = metrics.get("splits", {})
    split = headline_split(splits) or ""
    rows = [(name, splits[split][name]) for name in HEADLINE_METRICS if name in splits.get(split, {})]
    if not rows:
        return ["It was not evaluated: there were no held-out photos."]
    count = rows[0][1]["n"]
    source = (
        f"On {photos_of_split(split, count)}, by models of its recipe that were fitted without the photo's group"
        if split == "crossval"
        else f"On {count} {PHOTOS_OF[Split(split)]}"
    )
    return [
        f"{source}, with 95% intervals over groups of photos:",
        "",
        "| measure | value | 95% interval |",
        "|---|---|---|",
        *(_row(name, value) for name, value in rows),
        *(_validation_line(splits) if split == "crossval" else ()),
    ]


def _validation_line(splits: Mapping[str, Any]) -> list[str]:
    """Return the accuracy of the model itself on validation photos, labeled so; nothing without such photos."""
    if not (accuracy := splits.get(Split.VALID, {}).get("accuracy")):
        return []
    low, high = _percent(accuracy["low"]), _percent(accuracy["high"])
    return [
        "",
        (
            f"On {photos_of_split(Split.VALID, accuracy['n'])} the model itself has an accuracy of "
            f"{_percent(accuracy['value'])} (95% interval {low} to {high}). {VALIDATION_NOTE}"
        ),
    ]


def _robustness(metrics: Mapping[str, Any]) -> list[str]:
    """Return what corruptions of a photo do to the accuracy; nothing for bundles without the record."""
    sentence = metrics.get("robustness", {}).get("sentence")
    return [sentence, ""] if sentence else []


def _variant_line(variant: VariantInfo) -> str:
    change, low, high = (f"{100 * value:+.1f}" for value in (variant.difference, variant.low, variant.high))
    return (
        f"The smaller network {variant.network_name} has an accuracy of {_percent(variant.accuracy)} on "
        f"{photos_of_split(variant.split, variant.photos)}: {change} points beside model.onnx on the same photos (95% "
        f"interval {low} to {high}). The other figures here are those of model.onnx."
    )


def _selection(metrics: Mapping[str, Any]) -> list[str]:
    """Return how the model was chosen, and what that does to its guarantees; nothing for bundles without the record."""
    found = [metrics.get("selection", {}).get("sentence"), metrics.get("out_of_fold", {}).get("sentences")]
    return [line for sentence in found if sentence for line in (sentence, "")]


def _row(name: str, value: Mapping[str, Any]) -> str:
    interval = f"{_number(value['low'])} to {_number(value['high'])}"
    return f"| {title(name)} | {_number(value['value'])} | {interval} |"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _domain_line(manifest: Manifest) -> str:
    if manifest.domain is None:
        return "It gives a class to every photo, to one without a pet as well."
    refused = "A photo without a pet, or unlike the training photos, gets no class"
    if not (measured := manifest.metrics.get("domain")):
        return f"{refused}."
    kinds = measured["refused"].values()
    some, images = sum(kind["refused"] for kind in kinds), sum(kind["images"] for kind in kinds)
    found = f"{refused}: {some} of {images} images without a pet were refused."
    found = f"{found}{_scenes_text(manifest.domain, measured.get('scenes') or {})}"
    if not (alarms := measured["false_alarms"]):
        return found
    return (
        f"{found} Of {alarms['n']} held-out photos, {_percent(alarms['value'])} were refused "
        f"(95% interval {_percent(alarms['low'])} to {_percent(alarms['high'])})."
    )


def _scenes_text(rule: DomainRule, measured: Mapping[str, Any]) -> str:
    """Return what was found of the scene warnings that the model gives, or an empty string."""
    texts = [
        f" A photo gets the warning {name} if it may show {what}: in cross-validation {_found_text(one)} were found, "
        f"and {_percent(one['false_alarms'])} of the training and validation photos were warned of."
        for name, what in SHOWN.items()
        if name in rule.scene_warnings and (one := measured.get(name))
    ]
    return "".join(texts)


def _found_text(measured: Mapping[str, Any]) -> str:
    shares = measured["found"].values()
    return f"{_percent(sum(shares) / len(shares))} of composites ({_percent(min(shares))} of the hardest kind)"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _confidence_line(manifest: Manifest) -> str:
    sets = (
        f"Prediction sets contain the true class for about {manifest.target_coverage:.0%} of photos"
        f"{' that get a class' if manifest.domain else ''}."
        if (manifest.target_coverage)
        else "Prediction sets are not calibrated."
    )
    selection = manifest.metrics.get("selection", {})
    if manifest.confidence_threshold > 1:
        error = f"an error of at most {manifest.target_error:.0%}" if manifest.target_error else "an error rate"
        photos = "out-of-fold predictions" if selection.get("out_of_fold") else "the validation photos"
        return f"No threshold guarantees {error} on {photos}, so no prediction is confident. {sets}"
    confidence = selection.get("confidence") if selection.get("separate") else None
    verb = "is simulated to hold" if selection.get("out_of_fold") else "holds"
    held = f", which {verb} with {confidence:.0%} confidence" if confidence else ""
    return (
        f"A prediction is confident from a probability of {manifest.confidence_threshold:.3f}, "
        f"chosen for an error of at most {manifest.target_error or 0:.0%} among confident predictions{held}. {sets}"
    )
