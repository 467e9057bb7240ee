"""Tests of the parity check of ONNX and PyTorch."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from petmood.core.bundle import ATOL, Bundle
from petmood.core.errors import BundleError
from petmood.export.parity import BATCH_SIZES, check_parity
from petmood.inference.onnx import OnnxSession
from petmood.models.network import NetworkSpec, build_network
from tests.support.images import faces
from tests.support.networks import IMAGE, TEMPERATURE, tiny_network

PIXELS = faces(16, side_px=IMAGE.side_px)
Logits = NDArray[np.floating]


def by_number(logits: Logits) -> Callable[[NDArray[np.uint8]], Logits]:
    """Return what answers pictures that hold their own number with these logits."""
    return lambda pixels: logits[pixels[:, 0, 0, 0]]


def numbered(count: int) -> NDArray[np.uint8]:
    """Return pictures that hold their own number."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 2, 3))


LOGITS = np.random.default_rng(0).normal(size=(16, 4))


def refusal(expected: Logits, got: Logits) -> str:
    """Return the one line with which a difference is refused."""
    with pytest.raises(BundleError) as refused:
        check_parity(expected, by_number(got), numbered(len(expected)))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_trained_network_and_its_graph_agree_at_batches_of_1_2_and_7(shared_bundle: Bundle) -> None:
    with torch.inference_mode():
        raw = tiny_network()(torch.from_numpy(PIXELS).permute(0, 3, 1, 2)).numpy()
    session, sizes = OnnxSession(shared_bundle.folder / "model.onnx"), []

    def answer(pixels: NDArray[np.uint8]) -> Logits:
        sizes.append(len(pixels))
        return session.logits(pixels)

    parity = check_parity(raw / TEMPERATURE, answer, PIXELS)
    assert BATCH_SIZES == (1, 2, 7)
    assert sizes == [1] * 16 + [2] * 8 + [7, 7, 2]
    assert parity.largest_difference < ATOL
    assert parity.spread > 0.1
    assert parity.photos == 16


@pytest.mark.parametrize("backbone", ["tiny", "efficientnet_b0", "mobilenet_v3_small"])
def test_an_untrained_network_proves_nothing_and_is_refused(backbone: str) -> None:
    """Its logits hardly depend on the photo, so that even another photo's would agree within the tolerance."""
    torch.manual_seed(0)
    network = build_network(NetworkSpec(backbone), image=IMAGE, classes=4).eval()
    with torch.inference_mode():
        raw = network(torch.from_numpy(PIXELS).permute(0, 3, 1, 2)).numpy()
    assert np.allclose(raw, raw[::-1], rtol=1e-3, atol=1e-2)
    advice = r"logits vary by .* among photos.*Train it longer, such as with trainer\.max_epochs=20\.$"
    with pytest.raises(BundleError, match=advice):
        check_parity(raw, lambda pixels: raw[: len(pixels)], PIXELS)


def test_equal_logits_agree() -> None:
    assert check_parity(LOGITS, by_number(LOGITS), numbered(16)).largest_difference == 0


@pytest.mark.parametrize("place", [0, 6, 13, 15])
def test_one_logit_of_one_photo_that_is_off_is_enough(place: int) -> None:
    off = LOGITS.copy()
    off[place, 1] += 0.01
    assert "disagree on 1 of 16 golden photos at batch 1 (largest difference 0.01)" in refusal(LOGITS, off)


def test_differences_within_the_tolerance_agree() -> None:
    close = LOGITS * (1 + 5e-4) + 5e-5
    assert check_parity(LOGITS, by_number(close), numbered(16)).largest_difference > 0


def test_another_class_is_refused_even_within_the_tolerance() -> None:
    near = np.array([[1.0, 1.00001], [3.0, 1.0], [0.0, 2.0]])
    assert "disagree on 1 of 3" in refusal(near, near + np.array([[2e-5, 0.0], [0.0, 0.0], [0.0, 0.0]]))


def test_another_order_of_the_classes_is_refused() -> None:
    assert "disagree on 16 of 16" in refusal(LOGITS, LOGITS[:, [1, 0, 3, 2]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused_on_either_side(value: float) -> None:
    broken = LOGITS.copy()
    broken[3, 2] = value
    assert "disagree on 1 of 16" in refusal(LOGITS, broken)
    assert "Expected finite logits of the trained network, got NaN or infinity." in refusal(broken, broken)


def test_logits_of_another_shape_are_refused() -> None:
    assert "logits of shape (16, 4) as from torch at batch 1, got (16, 3) from ONNX" in refusal(LOGITS, LOGITS[:, :3])


def test_a_graph_that_is_right_one_by_one_and_wrong_in_batches_is_refused() -> None:
    def mixes_its_batch(pixels: NDArray[np.uint8]) -> Logits:
        return by_number(LOGITS)(pixels)[:: -1 if len(pixels) > 2 else 1]

    with pytest.raises(BundleError, match="at batch 7"):
        check_parity(LOGITS, mixes_its_batch, numbered(16))
