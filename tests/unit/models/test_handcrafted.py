"""Tests of the handcrafted features: mirror invariance and exact ties on every machine."""

import torch
from torch.nn import functional

from petmood.models.handcrafted import STEPS, HandcraftedFeatures, LocalBinaryPatterns


def images(count: int = 2, *, side_px: int = 64) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side_px, side_px), generator=drawn) / 255


def test_an_image_and_its_mirror_image_have_equal_features() -> None:
    filters, found = HandcraftedFeatures(), images()
    assert torch.allclose(filters(found), filters(found.flip(-1)), atol=1e-5)


def test_blocks_are_the_widths_of_the_three_kinds() -> None:
    filters = HandcraftedFeatures()
    assert len(filters.block_widths) == 3
    assert filters(images()).shape == (2, sum(filters.block_widths))


def test_an_image_of_twice_the_side_is_halved_first() -> None:
    filters, large = HandcraftedFeatures(), images(side_px=128)
    assert torch.allclose(filters(large), filters(functional.avg_pool2d(large, 2)), atol=1e-5)


def test_pattern_shares_of_each_cell_sum_to_one() -> None:
    found = LocalBinaryPatterns(grids=(1,))(images())
    assert torch.allclose(found.square().sum(1), torch.ones(2), atol=1e-3)


def test_a_flat_image_has_one_pattern_alone() -> None:
    found = LocalBinaryPatterns(grids=(1,))(torch.full((1, 3, 64, 64), 0.3))
    assert int((found.square() > 0.5).sum()) == 1


def test_rounding_errors_do_not_decide_ties() -> None:
    flat, layer = torch.full((1, 3, 64, 64), 100 / 255), LocalBinaryPatterns()
    noise = 1e-6 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(flat), layer(flat + noise))
    assert STEPS * 1e-6 < 0.5


def test_there_is_nothing_to_train_and_nothing_to_save() -> None:
    filters = HandcraftedFeatures()
    assert not list(filters.parameters())
    assert not filters.state_dict()
