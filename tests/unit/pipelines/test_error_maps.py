"""Tests of the heat maps of a run's errors: those that its bundle would show."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from petmood.core.errors import CorruptImage
from petmood.core.photo import decode
from petmood.inference.load import load_bundle
from petmood.pipelines import error_maps
from petmood.pipelines.error_maps import heat_maps_of
from petmood.pipelines.run_folder import RunFolder
from petmood.presentation.heat_map import heat_map
from tests.support.images import jpeg, photo_like
from tests.support.networks import IMAGE, tiny_bundle, tiny_network


@pytest.fixture
def tiny_run(monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Return a stand-in for the run of the tiny network, of which a folder has no more than a description."""
    monkeypatch.setattr(error_maps, "load_network", lambda _: tiny_network())
    return cast("RunFolder", SimpleNamespace(read_metadata=lambda: SimpleNamespace(image=IMAGE)))


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (2000, 1500)])
def test_a_map_is_that_of_the_bundle_for_the_predicted_class(
    tiny_run: RunFolder, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int]
) -> None:
    bundle = tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle")
    (tmp_path / "a.jpg").write_bytes(jpeg(photo_like(*size)))
    drawn = heat_maps_of(tiny_run, tmp_path, at_least_px=64)("a.jpg")
    pixels = decode(tmp_path / "a.jpg", at_least_px=64).pixels
    explanation = load_bundle(bundle.folder).explain(tmp_path / "a.jpg")
    values = explanation.maps[explanation.prediction.best_guess]
    expected = heat_map(pixels, values, explanation.box)
    assert drawn is not None
    assert drawn.shape == expected.shape
    assert np.abs(drawn.astype(int) - expected).mean() < 1


def test_a_photo_that_can_not_be_read_is_an_error(tiny_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(photo_like(90, 60))[:300])
    with pytest.raises(CorruptImage):
        heat_maps_of(tiny_run, tmp_path, at_least_px=64)("a.jpg")


def test_a_network_without_class_maps_has_no_heat_maps(small_run: RunFolder) -> None:
    """The feature map of ``tiny`` at 24 pixels has 3 x 3 places, which its pooling to 2 x 2 doesn't divide."""
    assert heat_maps_of(small_run, Path("nowhere"), at_least_px=64)("a.jpg") is None
