"""Tests of the choice of a variant at loading: the one asked for, the fastest, and none that computes otherwise."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from petmood.core.bundle import Bundle, pack_arrays
from petmood.core.errors import BundleError, ConfigError
from petmood.core.golden import read_golden, read_variant_golden
from petmood.core.prediction import Prediction
from petmood.core.variants import VariantName, relative_deviation
from petmood.inference import variants
from petmood.inference.load import load_bundle
from petmood.inference.onnx import OnnxSession
from petmood.inference.variants import choose_variant, over_photos
from tests.support.bundles import forge
from tests.support.images import png
from tests.support.networks import TEMPERATURE
from tests.support.variants import with_variant


@pytest.fixture(scope="module")
def both(shared_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the tiny bundle with a variant."""
    return with_variant(shared_bundle, tmp_path_factory.getbasetemp() / "tiny-bundle-int8")


def test_by_default_the_network_itself_is_run(both: Bundle, shared_bundle: Bundle) -> None:
    photo = png(read_golden(both).pixels[0])
    predictor, plain = load_bundle(both.folder), load_bundle(shared_bundle.folder)
    assert predictor.variant == "fp32"
    answers = [one.predict_batch([photo])[0] for one in (predictor, plain)]
    found = [answer.probabilities for answer in answers if isinstance(answer, Prediction)]
    assert found[0] == found[1]


def test_the_variant_that_is_asked_for_is_run_and_answers_nearly_the_same(both: Bundle) -> None:
    predictor, pixels = load_bundle(both.folder, variant="int8"), read_golden(both).pixels
    assert predictor.variant == "int8"
    small, own = predictor.session.logits(pixels), read_golden(both).logits / TEMPERATURE
    assert 0 < relative_deviation(own, small) < 0.2
    assert set(predictor.session.outputs) == {"logits", "maps", "embedding", "residual"}


def test_a_bundle_without_the_variant_says_which_it_has(shared_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"has no variant int8, only fp32\. Choose one of these, or export"):
        load_bundle(shared_bundle.folder, variant="int8")


def test_an_unknown_variant_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Expected the variant auto, fp32 or int8, got 'int4'"):
        load_bundle(tmp_path / "nowhere", variant="int4")  # type: ignore[arg-type] # what a caller may do


def test_auto_of_a_bundle_without_variants_is_the_network_itself(shared_bundle: Bundle) -> None:
    assert load_bundle(shared_bundle.folder, variant="auto").variant == "fp32"


@pytest.mark.parametrize(("small_s", "expected"), [(0.5, "int8"), (0.95, "fp32"), (2.0, "fp32")])
def test_auto_takes_the_variant_that_is_faster_by_a_tenth(
    both: Bundle, monkeypatch: pytest.MonkeyPatch, small_s: float, expected: VariantName
) -> None:
    monkeypatch.setattr(variants, "times_in_turns", lambda *_, **__: [[1.0, 1.0], [small_s, small_s]])
    assert load_bundle(both.folder, variant="auto").variant == expected


def test_auto_measures_on_this_machine_and_logs_it(both: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="petmood"):
        name = load_bundle(both.folder, variant="auto").variant
    assert f"variant {name} of {both.folder}, by the time of one photo: fp32 " in caplog.text


def _saturated(both: Bundle, to: Path) -> Bundle:
    """Return a copy whose golden outputs are those of a processor that computes otherwise."""
    shutil.copytree(both.folder, to)
    golden = read_variant_golden(both, both.manifest.variants[0], photos=len(read_golden(both).pixels))
    return forge(to, "golden.int8.npz", pack_arrays(**{**golden, "embedding": golden["embedding"] * 1.5}))


def test_a_variant_that_computes_otherwise_here_is_refused_and_auto_leaves_it_out(
    both: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = _saturated(both, tmp_path / "other")
    with pytest.raises(BundleError, match=r"the embedding of model.int8.onnx for the golden photos deviate by .*0.1"):
        load_bundle(other.folder, variant="int8")
    assert load_bundle(other.folder, variant="auto").variant == "fp32"
    assert "the variant int8 is left out" in caplog.text


def test_a_network_is_timed_with_another_photo_in_each_round() -> None:
    photos = np.arange(2, dtype=np.uint8).reshape(2, 1, 1, 1).repeat(3, axis=3)
    seen: list[tuple[tuple[int, ...], int]] = []
    work = over_photos(lambda photo: seen.append((photo.shape, int(photo.max()))), photos)
    for number in range(3):
        work(number)
    assert seen == [((1, 1, 1, 3), 0), ((1, 1, 1, 3), 1), ((1, 1, 1, 3), 0)]


def test_the_session_given_is_kept_for_fp32(both: Bundle) -> None:
    session = OnnxSession(both.folder / "model.onnx", outputs=both.manifest.outputs)
    assert choose_variant(both, session, threads=1) == (session, "fp32")
