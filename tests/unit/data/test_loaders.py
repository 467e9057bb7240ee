"""Tests of the loaders: every photo once per epoch, with augmentation that depends on seed, epoch and photo."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from petmood.core.errors import DataError
from petmood.core.world import World
from petmood.data.augment_spec import AugmentSpec
from petmood.data.augmentation import augment
from petmood.data.image_cache import ImageCache
from petmood.data.loaders import BatchDataset, BatchIndices, EpochBatchSampler, eval_loader, train_loader
from tests.support.images import faces

SPEC = AugmentSpec(hflip=0.5, rotate_deg=20, min_crop_scale=0.7, brightness=0.3, saturation=0.3, random_erasing_p=0.2)
PIXELS = faces(11, side_px=32)
CACHE = ImageCache(PIXELS, tuple(f"{number}.jpg" for number in range(11)))
LABELS = np.arange(11, dtype=np.int64) % 4


def epoch_of(loader: DataLoader[dict[str, Tensor]], epoch: int) -> list[dict[str, Tensor]]:
    """Return one epoch's batches."""
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]  # our own sampler
    return list(loader)


def equal(first: list[dict[str, Tensor]], second: list[dict[str, Tensor]]) -> bool:
    """Return whether two epochs are equal, batch by batch."""
    pairs = zip(first, second, strict=True)
    return all(torch.equal(one[name], other[name]) for one, other in pairs for name in ("images", "labels"))


# --- which photos make a batch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 5, 7, 8, 33, 64, 65, 97])
@pytest.mark.parametrize("batch_size", [2, 3, 4, 32])
def test_every_photo_comes_exactly_once_an_epoch_and_no_batch_is_a_single_photo(count: int, batch_size: int) -> None:
    batches = EpochBatchSampler(count, batch_size, seed=0)
    requests = list(batches)
    sizes = [len(request.numbers) for request in requests]
    assert Counter(n for request in requests for n in request.numbers) == Counter(range(count))
    assert len(requests) == len(batches)
    assert min(sizes) >= 2
    assert max(sizes) <= batch_size + (batch_size == 2)
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("count", "batch_size", "size"), [(33, 22, 2), (8, 4, 2), (97, 32, 3), (13, 8, 4), (64, 8, 4)])
def test_several_processes_take_parts_of_the_batches_of_one(count: int, batch_size: int, size: int) -> None:
    alone = list(EpochBatchSampler(count, batch_size, seed=1, epoch=2))
    worlds = [World(rank, size, size) for rank in range(size)]
    parts = [list(EpochBatchSampler(count, batch_size, seed=1, epoch=2, world=world)) for world in worlds]
    together = [[n for part in batch for n in part.numbers] for batch in zip(*parts, strict=True)]
    assert sorted(n for batch in together for n in batch) == list(range(count))
    assert [n for batch in together for n in batch] == [n for request in alone for n in request.numbers]
    for batch in zip(*parts, strict=True):
        sizes = [len(part.numbers) for part in batch]
        assert min(sizes) >= 2
        assert max(sizes) - min(sizes) <= 1
        weights = [part.weight for part in batch]
        assert weights == pytest.approx([one * size / sum(sizes) for one in sizes])
    if len(together) == len(alone):
        assert together == [list(request.numbers) for request in alone]


def test_a_step_needs_two_photos_for_each_process() -> None:
    with pytest.raises(DataError) as caught:
        EpochBatchSampler(40, 7, seed=0, world=World(1, 4, 2))
    assert str(caught.value) == "Expected at least 8 photos a batch to train on in 4 processes, got 7."


def test_a_batch_of_several_processes_has_the_weight_of_its_loss() -> None:
    loader = train_loader(CACHE, LABELS, batch_size=6, seed=3, spec=SPEC, world=World(1, 2, 2))
    assert [round(float(batch["weight"]), 4) for batch in loader] == [1.0, 0.8]
    assert [batch["weight"].dtype for batch in loader] == [torch.float64, torch.float64]
    assert "weight" not in next(iter(train_loader(CACHE, LABELS, batch_size=6, seed=3, spec=SPEC)))


@pytest.mark.parametrize(("size", "counts"), [(2, [[4, 3], [4]]), (3, [[4], [4], [3]]), (4, [[4, 4, 3]] * 4)])
def test_processes_evaluate_each_photo_once_or_all_of_them(size: int, counts: list[list[int]]) -> None:
    loaders = [eval_loader(CACHE, LABELS, batch_size=4, world=World(rank, size, size)) for rank in range(size)]
    assert [[len(batch["labels"]) for batch in loader] for loader in loaders] == counts
    seen = [Counter(number for request in loader.sampler for number in request.numbers) for loader in loaders]
    assert all(set(one.values()) == {1} for one in seen)
    assert sum(seen, Counter()) == Counter(dict.fromkeys(range(11), size if size == 4 else 1))


def test_the_order_depends_on_the_seed_and_the_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[BatchIndices]:
        batches = EpochBatchSampler(40, 8, seed=seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)
    assert {request.epoch for request in order(1, 2)} == {2}


@pytest.mark.parametrize(("count", "batch_size"), [(0, 8), (1, 8), (8, 1), (8, 0)])
def test_single_photos_can_t_be_trained_on(count: int, batch_size: int) -> None:
    with pytest.raises(DataError, match="at least 2 photos a batch"):
        EpochBatchSampler(count, batch_size, seed=0)


# --- what a batch holds -----------------------------------------------------------------------------------------------


def test_a_batch_holds_images_as_the_network_takes_them_with_their_labels() -> None:
    batch = BatchDataset(CACHE, LABELS)[BatchIndices(0, (5, 2))]
    assert (batch["images"].dtype, batch["images"].shape) == (torch.uint8, (2, 3, 32, 32))
    assert batch["images"].is_contiguous(memory_format=torch.channels_last)
    assert batch["labels"].tolist() == [1, 2]
    assert np.array_equal(batch["images"].permute(0, 2, 3, 1).numpy(), PIXELS[[5, 2]])


def test_two_photos_of_one_batch_are_varied_by_different_draws() -> None:
    twins = ImageCache(np.stack([PIXELS[0]] * 8), CACHE.paths[:8])
    images = BatchDataset(twins, LABELS, spec=SPEC)[BatchIndices(0, tuple(range(8)))]["images"]
    assert len({image.numpy().tobytes() for image in images}) == 8


def test_a_photo_s_draw_depends_on_seed_epoch_and_photo_not_on_its_batch() -> None:
    def image(number: int, others: tuple[int, ...], *, seed: int = 0, epoch: int = 0) -> Tensor:
        return BatchDataset(CACHE, LABELS, spec=SPEC, seed=seed)[BatchIndices(epoch, (*others, number))]["images"][-1]

    alone = image(4, ())
    assert torch.equal(alone, image(4, (1, 2, 3)))
    assert not torch.equal(alone, image(4, (), seed=1))
    assert not torch.equal(alone, image(4, (), epoch=1))
    expected = augment(PIXELS[4], SPEC, np.random.default_rng((0, 0, 4)))
    assert np.array_equal(alone.permute(1, 2, 0).numpy(), expected)


def test_varying_a_batch_leaves_the_cache_as_it_was() -> None:
    before = PIXELS.copy()
    epoch_of(train_loader(CACHE, LABELS, batch_size=4, seed=0, spec=SPEC), 0)
    assert np.array_equal(CACHE.pixels, before)


# --- loaders ----------------------------------------------------------------------------------------------------------


@pytest.mark.spawns
def test_worker_processes_give_the_same_batches_as_none() -> None:
    def loader(workers: int) -> DataLoader[dict[str, Tensor]]:
        return train_loader(CACHE, LABELS, batch_size=4, seed=3, spec=SPEC, workers=workers)

    here, there = loader(0), loader(2)
    for epoch in (0, 1, 5):
        assert equal(epoch_of(here, epoch), epoch_of(there, epoch))


def test_an_epoch_can_be_repeated_and_epochs_differ() -> None:
    loader = train_loader(CACHE, LABELS, batch_size=4, seed=3, spec=SPEC)
    assert equal(epoch_of(loader, 7), epoch_of(loader, 7))
    assert not equal(epoch_of(loader, 7), epoch_of(loader, 8))


def test_labels_follow_their_photos_through_every_shuffle() -> None:
    for batch in epoch_of(train_loader(CACHE, LABELS, batch_size=4, seed=0, spec=None), 3):
        for image, label in zip(batch["images"].permute(0, 2, 3, 1).numpy(), batch["labels"], strict=True):
            (place,) = [n for n in range(11) if np.array_equal(PIXELS[n], image)]
            assert LABELS[place] == label


def test_evaluation_goes_in_the_cache_s_order_and_varies_nothing() -> None:
    batches = list(eval_loader(CACHE, LABELS, batch_size=4))
    assert [len(batch["labels"]) for batch in batches] == [4, 4, 3]
    pixels = torch.cat([batch["images"] for batch in batches]).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(pixels, PIXELS)
    assert torch.cat([batch["labels"] for batch in batches]).tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"), [(2, 2, [2]), (3, 2, [3]), (5, 3, [3, 2]), (9, 4, [3, 3, 3])]
)
def test_batches_are_as_few_and_as_equal_as_can_be(count: int, batch_size: int, sizes: list[int]) -> None:
    batches = EpochBatchSampler(count, batch_size, seed=4)
    assert [len(request.numbers) for request in batches] == sizes
    assert len(batches) == len(sizes)
    assert {request.epoch for request in batches} == {0}
    order = np.random.default_rng((4, 0)).permutation(count).tolist()
    assert [number for request in batches for number in request.numbers] == order


@pytest.mark.parametrize(("count", "batch_size", "got"), [(1, 8, 1), (8, 0, 0)])
def test_too_few_photos_are_one_whole_line(count: int, batch_size: int, got: int) -> None:
    with pytest.raises(DataError) as caught:
        EpochBatchSampler(count, batch_size, seed=0)
    assert str(caught.value) == f"Expected at least 2 photos a batch to train on, got {got}."


def test_a_training_loader_is_set_up_as_asked_for() -> None:
    loader = train_loader(CACHE, LABELS, batch_size=4, seed=3, spec=SPEC, first_epoch=2)
    assert (loader.num_workers, loader.persistent_workers, loader.batch_size) == (0, False, None)
    assert loader.generator.initial_seed() == 3
    batches = list(EpochBatchSampler(11, 4, seed=3, epoch=2))
    assert list(loader.sampler) == batches
    expected = [BatchDataset(CACHE, LABELS, spec=SPEC, seed=3)[request] for request in batches]
    assert equal(list(loader), expected)
    assert next(iter(train_loader(CACHE, LABELS, batch_size=4, seed=3, spec=SPEC).sampler)).epoch == 0
    workers = train_loader(CACHE, LABELS, batch_size=4, seed=3, spec=SPEC, workers=1)
    assert (workers.num_workers, workers.persistent_workers) == (1, True)


def test_without_a_seed_augmentation_is_that_of_seed_0() -> None:
    request = BatchIndices(1, (2, 3))
    first, second = (BatchDataset(CACHE, LABELS, spec=SPEC, **seed)[request] for seed in ({}, {"seed": 0}))
    assert torch.equal(first["images"], second["images"])


def test_an_evaluation_loader_asks_for_batches_in_order() -> None:
    loader = eval_loader(CACHE, LABELS, batch_size=5)
    assert loader.batch_size is None
    assert list(loader.sampler) == [
        BatchIndices(0, tuple(numbers)) for numbers in (range(5), range(5, 10), range(10, 11))
    ]
