"""DataLoaders over an image cache: batches by photo index, in an epoch order drawn from the seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from petmood.core.errors import DataError
from petmood.core.world import ALONE, World
from petmood.data.augment_spec import AugmentSpec
from petmood.data.augmentation import augment
from petmood.data.image_cache import ImageCache

__all__ = ["BatchDataset", "BatchIndices", "EpochBatchSampler", "eval_loader", "train_loader"]


@dataclass(frozen=True, slots=True)
class BatchIndices:
    """The photo indices of one batch, and its epoch.

    ``weight``: weight of its mean loss among those of all processes; None without others.
    """

    epoch: int
    numbers: tuple[int, ...]
    weight: float | None = None


class EpochBatchSampler(Sampler[BatchIndices]):
    """Divide ``count`` photos into batches, in a new order each epoch that depends only on the seed and the epoch.

    Batch sizes differ by at most one. No batch has a single photo, which batch normalization can't train on: three
    photos in batches of two make one batch of three. Raises DataError for fewer than two photos or a batch size below
    two. Of several processes each takes its part of every batch, at least two photos.
    """

    def __init__(self, count: int, batch_size: int, *, seed: int, epoch: int = 0, world: World = ALONE) -> None:
        if min(count, batch_size) < 2 * world.size:
            where = f" in {world.size} processes" if world.size > 1 else ""
            raise DataError(
                f"Expected at least {2 * world.size} photos a batch to train on{where}, got {min(count, batch_size)}."
            )
        self.count, self.batch_size, self.seed, self.epoch, self.world = count, batch_size, seed, epoch, world

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch that begins; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return min(-(-self.count // self.batch_size), self.count // (2 * self.world.size))

    def __iter__(self) -> Iterator[BatchIndices]:
        """Yield this epoch's batches; every photo occurs exactly once, in one of the processes."""
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        for numbers in np.array_split(order, len(self)):
            own = np.array_split(numbers, self.world.size)[self.world.rank]
            weight = len(own) * self.world.size / len(numbers) if self.world.size > 1 else None
            yield BatchIndices(self.epoch, tuple(own.tolist()), weight)


class BatchDataset(Dataset[dict[str, Tensor]]):
    """Batches of an image cache: images uint8 [B, 3, S, S] (channels last in memory) and labels int64 [B].

    Where several processes train together, a batch has the ``weight`` of its mean loss, float64 [].
    """

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
        batch = {"images": torch.from_numpy(images).permute(0, 3, 1, 2), "labels": torch.from_numpy(labels)}
        return (
            batch if request.weight is None else batch | {"weight": torch.tensor(request.weight, dtype=torch.float64)}
        )


def train_loader(
    cache: ImageCache,
    labels: NDArray[np.int64],
    *,
    batch_size: int,
    seed: int,
    spec: AugmentSpec | None,
    workers: int = 0,
    first_epoch: int = 0,
    world: World = ALONE,
) -> DataLoader[dict[str, Tensor]]:
    """Return training batches, shuffled and augmented differently in each epoch, from ``first_epoch`` on.

    ``batch_size`` is that of all processes together.

    It never draws from torch's global generator: starting it before or after an epoch's seeding gives the same results.

    Raises:
        DataError: fewer than two photos, or a batch size below two.
    """
    return DataLoader(
        BatchDataset(cache, labels, spec=spec, seed=seed),
        sampler=EpochBatchSampler(len(cache), batch_size, seed=seed, epoch=first_epoch, world=world),
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(seed),
    )


def eval_loader(
    cache: ImageCache, labels: NDArray[np.int64], *, batch_size: int, world: World = ALONE
) -> DataLoader[dict[str, Tensor]]:
    """Return batches in the cache's order, without augmentation.

    Several processes take the batches in turns, none twice; if there are fewer batches than processes, each takes all,
    which weighs the photos equally, too.
    """
    starts = range(0, len(cache), batch_size)
    requests = [BatchIndices(0, tuple(range(start, min(start + batch_size, len(cache))))) for start in starts]
    own = requests[world.rank :: world.size] if len(requests) >= world.size else requests
    return DataLoader(BatchDataset(cache, labels), sampler=own, batch_size=None)
