"""Tests of the HOG module: response to edges and to nothing else."""

import torch

from petmood.models.hog import HOG


def stripes(angle_deg: float, *, side_px: int = 64) -> torch.Tensor:
    """Return a gray image [1, 3, S, S] of smooth stripes whose gradient points along an angle."""
    reach = torch.arange(side_px, dtype=torch.float32)
    down, across = torch.meshgrid(reach, reach, indexing="ij")
    angle = torch.deg2rad(torch.tensor(angle_deg))
    wave = 0.5 + 0.4 * torch.sin(0.4 * (across * angle.cos() + down * angle.sin()))
    return wave.expand(1, 3, side_px, side_px).contiguous()


def strongest_direction(angle_deg: float) -> int:
    found = HOG()(stripes(angle_deg)).view(31, 8, 8)
    return int(found[18:27].mean((1, 2)).argmax())


def test_stripes_vote_for_their_own_direction() -> None:
    assert [strongest_direction(20.0 * place) for place in range(9)] == list(range(9))


def test_a_flat_image_has_no_edges() -> None:
    assert HOG()(torch.full((2, 3, 64, 64), 0.4)).abs().max() < 1e-3


def test_there_are_31_channels_a_cell() -> None:
    assert HOG(cell=16)(torch.rand(3, 3, 64, 64)).shape == (3, 31 * 16)


def test_half_the_light_gives_nearly_the_same_histogram() -> None:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    apart = HOG()(image) - HOG()(image / 2)
    assert apart.abs().max() < 0.02


def test_the_strongest_colour_decides() -> None:
    image = torch.full((1, 3, 64, 64), 0.5)
    image[:, 2] = stripes(40.0)[:, 0]
    found = HOG()(image).view(31, 64)
    assert int(found[18:27].mean(1).argmax()) == 2


def test_nothing_is_learned_and_nothing_is_saved() -> None:
    layer = HOG()
    assert not list(layer.parameters())
    assert not layer.state_dict()
