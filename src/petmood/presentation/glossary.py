"""Terms of the project, each defined once; the reports and ``docs/glossary.md`` show them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["TERMS", "glossary_markdown"]

TERMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "photo": "a file with an image, as a person took it",
        "image": "pixels, after decoding and rotation",
        "class": "one of the values that a photo can be labeled with; the set comes from the dataset",
        "label": "the class of one photo",
        "dataset": "a folder with `index.csv`, photos, relations and rejected entries",
        "data version": (
            "the SHA-256 of a dataset's `index.csv`, which holds that of every photo; `data_hash` in files, "
            "`data.hash` in settings"
        ),
        "exact duplicate": "a photo with the same bytes as another",
        "near-duplicate": "a copy of another photo: re-encoded, cropped, rotated, recolored or otherwise edited",
        "related photos": "different photos of one animal at one moment",
        "group": "photos that are duplicates of each other or related; all of them are in one split (`group_id`)",
        "role": "`original`, `near_duplicate`, or `excluded` (on disk, used nowhere)",
        "split": "part of the dataset: `train` for training, `valid` for selection and calibration, `test` for metrics",
        "group leakage": "a group with photos in more than one split",
        "label error": (
            "a photo with a wrong label; a likely one is found where out-of-fold predictions are confident of another "
            "class (confident learning), and listed by `petmood data issues`"
        ),
        "label quality": "agreement of a label with out-of-fold predictions, from 0 to 1 (`label_score`)",
        "out-of-fold prediction": "the prediction for a photo by a model of a fold that was not trained on its group",
        "backbone": "the network without its last layer",
        "head": "the last layer or layers, from features to one logit per class",
        "linear probe": "a linear head fitted to the features of a frozen backbone",
        "variant": "a smaller network beside the one of a bundle, with the same inputs and outputs (`model.int8.onnx`)",
        "run": "one training, in a folder with settings, weights, curves, predictions and report",
        "predictions": "logits of one split with labels and groups",
        "shard": "consecutive photos of a list, predicted by one process into one file (`petmood predict --output`)",
        "drift": "photos that a service gets are no longer like those that the model was evaluated on",
        "window": "consecutive rows of the prediction log that are tested for drift together; windows share no row",
        "image statistics": "brightness, contrast, saturation and sharpness of the image that the network gets",
        "embedding": "the numbers before the last layer of the network, in which similar photos are close together",
        "residual norm": (
            "length of the part of an embedding that a projection to its main directions leaves out: large for photos "
            "with something that the training photos did not show"
        ),
        "baseline": "a simple method beside which a score is shown: most frequent class, HOG + SVM, permuted labels",
        "permutation test": (
            "a test against chance: labels are exchanged between groups many times, and the p-value is the share of "
            "permutations with an accuracy at least as high, (1 + those) / (1 + permutations)"
        ),
        "interval": "95% confidence interval over groups: exact for a share, from a bootstrap for other measures",
        "calibration": "agreement of predicted probabilities with observed frequencies; here by one temperature",
        "confident": (
            'the probability reaches `confidence_threshold`; otherwise the model abstains ("not sure" on the page)'
        ),
        "out of domain": (
            "not of the kind that the model was trained on: no animal, or unlike the training photos; "
            "such a photo gets no label (`in_domain`, `domain_warning`)"
        ),
        "scene warning": (
            "a note that a photo may show two pets, or a face that is small, hidden or cropped; it doesn't change the "
            "prediction (`scene_warnings`)"
        ),
        "corruption": (
            "a distortion of a photo by which robustness is measured: blur, noise, brightness, contrast, JPEG or crop, "
            "at five levels as in ImageNet-C"
        ),
        "prediction set": "the classes that can't be ruled out, with stated coverage (split conformal prediction)",
        "novelty": "distance of a photo from the training photos, divided by the largest that is in the domain",
        "bundle": (
            "the folder that training writes and serving reads: network, manifest, golden photos, reference data, card"
        ),
        "predictor": "a bundle loaded in this process; a client is its counterpart for a service",
        "class map": (
            "for each class, how much each place of a photo raises or lowers its logit (HiResCAM, or occlusion); the "
            "heat map shows the positive part over the photo"
        ),
        "manifest": "`manifest.json` of a bundle: metadata and the SHA-256 of every other file",
        "golden photos": "prepared images with the outputs of the trained network; compared at every load",
        "parity": "agreement of ONNX and torch outputs within a tolerance",
        "registry": "numbered versions of bundles with aliases and a history",
        "alias": "a name that points to a version: `champion`, `challenger`",
        "promotion": "moving an alias to a version that passed the checks",
        "promotion checks": (
            "superiority (or non-inferiority), per-class recall, calibration, robustness, latency, size, domain"
        ),
        "lineage": "the way from a prediction back to the photos that its model was trained on",
        "drain": "answering what is in flight before the process ends, and refusing new work",
        "saturation point": (
            "in a load test, the number of users beyond which throughput no longer grows; `--until-saturation` "
            "looks for it"
        ),
        "sweep": "a search over settings, by validation photos alone",
    }
)
"""Each term with its meaning; a word between backticks is code."""


def glossary_markdown() -> str:
    """Return the text of ``docs/glossary.md``."""
    rows = "".join(f"| {term} | {meaning} |\n" for term, meaning in TERMS.items())
    return (
        f"# Glossary\n\nOne word for one thing, in code, files, HTTP and docs.\n\n| term | meaning |\n|---|---|\n{rows}"
    )
