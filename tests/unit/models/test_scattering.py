"""Tests of the scattering module: response to texture by scale and direction."""

import pytest
import torch

from petmood.models.scattering import Scattering, gabor_bank, opponent_colours


def test_even_wavelets_ignore_a_flat_image() -> None:
    cache = gabor_bank(8)
    assert cache.shape == (16, 1, 7, 7)
    assert cache.sum((1, 2, 3)).abs().max() < 1e-6


@pytest.mark.parametrize("turn", range(4))
def test_a_wave_excites_the_wavelet_of_its_direction_most(turn: int) -> None:
    reach = torch.arange(64, dtype=torch.float32)
    down, across = torch.meshgrid(reach, reach, indexing="ij")
    angle = torch.tensor(torch.pi * turn / 4)
    wave = 0.5 + 0.3 * torch.cos(1.8 * (across * angle.cos() + down * angle.sin()))
    answers = torch.nn.functional.conv2d(wave[None, None], gabor_bank(4))[0]
    strength = (answers[:4].square() + answers[4:].square()).mean((1, 2))
    assert int(strength.argmax()) == turn


def test_grey_has_no_colour() -> None:
    grey = torch.rand(2, 1, 8, 8).expand(2, 3, 8, 8)
    found = opponent_colours(grey)
    assert torch.allclose(found[:, :1], grey[:, :1])
    assert found[:, 1:].abs().max() < 1e-6


def test_features_are_finite_and_as_many_for_every_image() -> None:
    images = torch.stack([torch.zeros(3, 64, 64), torch.ones(3, 64, 64), torch.rand(3, 64, 64)])
    found = Scattering()(images)
    assert found.shape[0] == 3
    assert found.isfinite().all()


def test_a_small_shift_moves_the_features_less_than_another_image_does() -> None:
    drawn = torch.Generator().manual_seed(0)
    image, other = (torch.rand(1, 3, 64, 64, generator=drawn) for _ in range(2))
    layer = Scattering()
    shifted = torch.roll(image, 1, dims=3)
    near, far = (layer(image) - layer(shifted)).norm(), (layer(image) - layer(other)).norm()
    assert near < 0.8 * far


def test_the_constant_that_keeps_the_modulus_off_zero_survives_the_export_to_onnx() -> None:
    """1e-8 did not: the exporter treats it as 0, and constant images then differ by 1e-2."""
    onnxruntime = pytest.importorskip("onnxruntime")
    layer, flat = Scattering().eval(), torch.full((2, 3, 64, 64), 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        model = torch.onnx.export(layer, (flat,), dynamo=True, verbose=False)
    assert model is not None
    session = onnxruntime.InferenceSession(model.model_proto.SerializeToString())
    (found,) = session.run(None, {session.get_inputs()[0].name: flat.numpy()})
    assert abs(found - layer(flat).numpy()).max() < 1e-4
