"""Learning checks of the network: true and shuffled labels, saved weights, batch independence and dropout."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from petmood.core.image import ImageSpec
from petmood.data.image_cache import ImageCache
from petmood.data.loaders import train_loader
from petmood.models.classifier import ExpressionClassifier, OptimizationConfig, parameter_groups
from petmood.models.network import ExpressionNet, NetworkSpec, build_network
from tests.support.images import faces

SIDE = 24
IMAGE = ImageSpec(side_px=SIDE)


def fresh(*, dropout: float = 0.0) -> ExpressionNet:
    """Return the tiny network with random weights, always the same."""
    torch.manual_seed(0)
    return build_network(NetworkSpec("tiny", dropout=dropout), image=IMAGE, classes=4)


def simple_images(count: int, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw noise with one bright bar whose place, one of four, is the label."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 140, (count, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.arange(count) % 4
    for image, label in zip(pixels, labels, strict=True):
        image[3 + 6 * label : 6 + 6 * label, 4:20] = rng.integers(190, 255)
    return pixels, labels.astype(np.int64)


def learn(network: ExpressionNet, pixels: NDArray[np.uint8], labels: NDArray[np.int64], *, epochs: int) -> None:
    """Train by the module's own loss and groups in a plain loop."""
    learning = OptimizationConfig(epochs, lr=3e-3)
    module = ExpressionClassifier(network, learning)
    optimizer = torch.optim.AdamW(parameter_groups(network, learning))
    cache = ImageCache(pixels, tuple(map(str, range(len(pixels)))))
    loader = train_loader(cache, labels, batch_size=32, seed=0, spec=None)
    network.train()
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]  # our own sampler
        for batch in loader:
            loss = module._loss(module(batch["images"]), module._targets(batch["labels"]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
    network.eval()


def as_batch(pixels: NDArray[np.uint8]) -> Tensor:
    """Return pixels as a network takes them."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def accuracy(network: ExpressionNet, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Return the share of right answers."""
    with torch.inference_mode():
        return float((network(as_batch(pixels)).argmax(1).numpy() == labels).mean())


def test_one_batch_is_learned_by_heart() -> None:
    network, pixels = fresh(), faces(8, side_px=SIDE)
    labels = np.arange(8, dtype=np.int64) % 4
    learn(network, pixels, labels, epochs=40)
    with torch.inference_mode():
        loss = functional.cross_entropy(network(as_batch(pixels)), torch.from_numpy(labels))
    assert loss < 0.1


def test_true_labels_are_learned_and_shuffled_ones_stay_at_chance() -> None:
    pixels, labels = simple_images(160, seed=1)
    unseen, truth = simple_images(200, seed=2)
    shuffled = np.random.default_rng(0).permutation(labels)
    honest, control = fresh(), fresh()
    learn(honest, pixels, labels, epochs=6)
    learn(control, pixels, shuffled, epochs=6)
    assert accuracy(honest, unseen, truth) > 0.9
    assert accuracy(control, unseen, truth) < 0.5


def test_a_network_that_is_saved_and_loaded_answers_equally(tmp_path: Path) -> None:
    network, pixels = fresh(), faces(8, side_px=SIDE)
    learn(network, pixels, np.arange(8, dtype=np.int64) % 4, epochs=2)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    torch.manual_seed(9)
    again = build_network(NetworkSpec("tiny"), image=IMAGE, classes=4).eval()
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(network(as_batch(pixels)), again(as_batch(pixels)))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_photo_s_answer_does_not_depend_on_the_others_in_its_batch(count: int) -> None:
    network, pixels = fresh(), faces(8, side_px=SIDE)
    learn(network, pixels, np.arange(8, dtype=np.int64) % 4, epochs=2)
    together, alone = network(as_batch(pixels)), network(as_batch(pixels[:count]))
    assert torch.allclose(together[:count], alone, atol=1e-5)


def test_dropout_is_off_when_answering() -> None:
    network, pixels = fresh(dropout=0.5).eval(), as_batch(faces(4, side_px=SIDE))
    assert torch.equal(network(pixels), network(pixels))
