"""Kinds of issues that a photo of a dataset can have, in the order of review."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

__all__ = ["DESCRIPTIONS", "IssueKind"]


class IssueKind(StrEnum):
    """Kind of an issue; the image issues and the duplicates have cleanvision's names."""

    CORRECTION = "correction"
    LABEL_ERROR = "label_error"
    LABEL_CONFLICT = "label_conflict"
    EXACT_DUPLICATES = "exact_duplicates"
    NEAR_DUPLICATES = "near_duplicates"
    DARK = "dark"
    LIGHT = "light"
    BLURRY = "blurry"
    LOW_INFORMATION = "low_information"
    ODD_SIZE = "odd_size"
    ODD_ASPECT_RATIO = "odd_aspect_ratio"
    GRAYSCALE = "grayscale"


DESCRIPTIONS: Final[Mapping[IssueKind, str]] = {
    IssueKind.CORRECTION: "by feedback of a reviewer or most visitors, another label is right",
    IssueKind.LABEL_ERROR: "a model that was not trained on the photo is confident of another class",
    IssueKind.LABEL_CONFLICT: "near-duplicates or related photos with different labels",
    IssueKind.EXACT_DUPLICATES: "files with the same bytes",
    IssueKind.NEAR_DUPLICATES: "copies of one photo: re-encoded, cropped, rotated, recolored or otherwise edited",
    IssueKind.DARK: "even the brightest pixels are dark",
    IssueKind.LIGHT: "even the darkest pixels are bright",
    IssueKind.BLURRY: "few edges",
    IssueKind.LOW_INFORMATION: "few different gray levels or colors",
    IssueKind.ODD_SIZE: "much larger or smaller than the other photos",
    IssueKind.ODD_ASPECT_RATIO: "much wider than high, or higher than wide",
    IssueKind.GRAYSCALE: "no colors; for information",
}
"""Meaning of each kind."""
