"""DataLoaders over an image cache: batches by photo index, in an epoch order drawn from the seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from petmood.core.errors import DataError
from petmood.data.augment_spec import AugmentSpec
from petmood.data.augmentation import augment
from petmood.data.image_cache import ImageCache

__all__ = ["BatchDataset", "BatchIndices", "EpochBatchSampler", "eval_loader", "train_loader"]


@dataclass(frozen=True, slots=True)
class BatchIndices:
    """The photo indices of one batch, and its epoch."""

    epoch: int
    numbers: tuple[int, ...]


class EpochBatchSampler(Sampler[BatchIndices]):
    """Divide ``count`` photos into batches, in a new order each epoch that depends only on the seed and the epoch.

    Batch sizes differ by at most one. No batch has a single photo, which batch normalization can't train on: three
    photos in batches of two make one batch of three. Raises DataError for fewer than two photos or a batch size below
    two.
    """

    def __init__(self, count: int, batch_size: int, *, seed: int, epoch: int = 0) -> None:
        if min(count, batch_size) < 2:
            raise DataError(f"Expected at least 2 photos a batch to train on, got {min(count, batch_size)}.")
        self.count, self.batch_size, self.seed, self.epoch = count, batch_size, seed, epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch that begins; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return min(-(-self.count // self.batch_size), self.count // 2)

    def __iter__(self) -> Iterator[BatchIndices]:
        """Yield this epoch's batches; every photo occurs exactly once."""
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        for numbers in np.array_split(order, len(self)):
            yield BatchIndices(self.epoch, tuple(numbers.tolist()))


class BatchDataset(Dataset[dict[str, Tensor]]):
    """Batches of an image cache: images uint8 [B, 3, S, S] (channels last in memory) and labels int64 [B]."""

    def __init__(
        self, cache: ImageCache, labels: NDArray[np.int64], *, spec: AugmentSpec | None = None, seed: int = 0
    ) -> None:
        self.cache, self.labels, self.spec, self.seed = cache, labels, spec, seed

    def __getitem__(self, request: BatchIndices) -> dict[str, Tensor]:
        """Return one batch; a photo's augmentation depends on the seed, the epoch and the photo alone."""
        images = self.cache.pixels[list(request.numbers)]
        if self.spec is not None:
            for position, number in enumerate(request.numbers):
                rng = np.random.default_rng((self.seed, request.epoch, number))
                images[position] = augment(images[position], self.spec, rng)
        labels = self.labels[list(request.numbers)]
        return {"images": torch.from_numpy(images).permute(0, 3, 1, 2), "labels": torch.from_numpy(labels)}


def train_loader(
    cache: ImageCache,
    labels: NDArray[np.int64],
    *,
    batch_size: int,
    seed: int,
    spec: AugmentSpec | None,
    workers: int = 0,
    first_epoch: int = 0,
) -> DataLoader[dict[str, Tensor]]:
    """Return training batches, shuffled and augmented differently in each epoch, from ``first_epoch`` on.

    It never draws from torch's global generator: starting it before or after an epoch's seeding gives the same results.

    Raises:
        DataError: fewer than two photos, or a batch size below two.
    """
    return DataLoader(
        BatchDataset(cache, labels, spec=spec, seed=seed),
        sampler=EpochBatchSampler(len(cache), batch_size, seed=seed, epoch=first_epoch),
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(seed),
    )


def eval_loader(cache: ImageCache, labels: NDArray[np.int64], *, batch_size: int) -> DataLoader[dict[str, Tensor]]:
    """Return batches in the cache's order, without augmentation."""
    starts = range(0, len(cache), batch_size)
    requests = [BatchIndices(0, tuple(range(start, min(start + batch_size, len(cache))))) for start in starts]
    return DataLoader(BatchDataset(cache, labels), sampler=requests, batch_size=None)
