"""Duration of a training epoch against a bare loop on tensors. Target: within 1.15x (the usual loop: 1.64x).

mobilenet_v3_small and efficientnet_lite0 at 224 px. Ours: image cache, random augmentation of each photo, and
Lightning's module and trainer. Bare: the same network and optimizer in channels_last, on images that are already
decoded and normalized, without augmentation. The usual loop decodes each photo in every epoch in two worker processes
and augments it with torchvision's v2 transforms.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from benchmarks.common import best_of, report
from petmood.configs.schema import Config
from petmood.data.index import IndexRow
from petmood.models.network import ExpressionNet
from petmood.pipelines.fit_settings import fit_settings
from petmood.training.dataset import PhotoSet
from petmood.training.fit import fit_network, make_network
from tests.support.photo_sets import BATCH, learning_set, photo_set_of, settings

__all__ = ["main"]

BACKBONES: Final = ("mobilenet_v3_small", "efficientnet_lite0")
PHOTOS: Final = 1_000
FEWER_PHOTOS: Final = 320
TOO_LONG_S: Final = 40.0
ROUNDS: Final = 2
TARGET: Final = 1.15


class FilesDecodedEachEpoch(Dataset[tuple[Tensor, int]]):
    """Dataset of most projects: one file per photo, decoded and augmented on each access."""

    def __init__(self, folder: Path, rows: tuple[IndexRow, ...], labels: list[int]) -> None:
        self.folder, self.rows, self.labels = folder, rows, labels
        self.vary = v2.Compose(
            [
                v2.ToImage(),
                v2.RandomResizedCrop(224, scale=(0.5, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(0.25, 0.25, 0.3),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        """Return one photo and its label."""
        with Image.open(self.folder / self.rows[number].path) as image:
            return self.vary(image.convert("RGB")), self.labels[number]


def main() -> None:
    """Measure and report."""
    with learning_set(PHOTOS) as folder:
        for backbone in BACKBONES:
            config = settings(folder, "recipe=scratch", "augment=standard", f"model.backbone={backbone}")
            _measure(config, photo_set_of(folder, config), folder)


def _measure(config: Config, photo_set: PhotoSet, folder: Path) -> None:
    seconds, photos = _epoch_s(config, photo_set.take(range(BATCH * 2))) * PHOTOS / (BATCH * 2), PHOTOS
    if seconds > TOO_LONG_S:
        photos = FEWER_PHOTOS
        sys.stderr.write(f"an epoch would take about {seconds:.0f} s; measuring on {photos} photos\n")
    part = photo_set.take(range(photos))
    found = best_of(ROUNDS, ours=lambda: fit_network(fit_settings(config), part, None), bare=bare_epoch(config, part))
    usual = _once(usual_epoch(config, part, folder))
    report(
        f"epoch: {config.model.backbone} at 224 px against a bare loop on tensors",
        ratio=found["ours"] / found["bare"],
        target=TARGET,
        details={
            "ours_s": round(found["ours"], 2),
            "bare_s": round(found["bare"], 2),
            "usual_s": round(usual, 2),
            "usual_ratio": round(usual / found["bare"], 3),
            "photos": photos,
            "batch": BATCH,
            "threads": torch.get_num_threads(),
        },
    )


def bare_epoch(config: Config, photo_set: PhotoSet) -> Callable[[], None]:
    """Return one epoch over normalized float tensors in channels_last: forward, backward, optimizer."""
    network = (
        make_network(fit_settings(config), classes=len(photo_set.classes)).train().to(memory_format=torch.channels_last)
    )
    pixels = torch.from_numpy(photo_set.cache.pixels).permute(0, 3, 1, 2)
    images = ((pixels.float() - network.mean) / network.std).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(photo_set.labels)

    def epoch() -> None:
        starts = range(0, len(images), BATCH)
        train_on(network, ((images[n : n + BATCH], labels[n : n + BATCH]) for n in starts), config)

    return epoch


def usual_epoch(config: Config, photo_set: PhotoSet, folder: Path) -> Callable[[], None]:
    """Return one epoch of the loop that most projects use."""
    network = make_network(fit_settings(config), classes=len(photo_set.classes)).train()
    photos = FilesDecodedEachEpoch(folder, photo_set.rows, photo_set.labels.tolist())

    def epoch() -> None:
        loader = DataLoader(photos, batch_size=BATCH, shuffle=True, num_workers=2)
        train_on(network, loader, config)

    return epoch


def train_on(network: ExpressionNet, batches: Any, config: Config) -> None:  # noqa: ANN401 - a loader or a generator
    """Take one step per batch; the batches are already normalized."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.optimizer.lr)
    for images, labels in batches:
        loss = functional.cross_entropy(network.head(network.backbone(images)), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own method has no annotations
        optimizer.step()


def _epoch_s(config: Config, photo_set: PhotoSet) -> float:
    fit_network(fit_settings(config), photo_set, None)
    return _once(lambda: fit_network(fit_settings(config), photo_set, None))


def _once(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
