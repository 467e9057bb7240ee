"""Tests of bundle predictions on held-out photos: same images for all bundles, preprocessing as in serving, latency."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from PIL import Image

from petmood.core.errors import BundleError, DataError
from petmood.core.files import sha256_of
from petmood.core.image import ImageSpec, load, prepare
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.photo import decode
from petmood.core.prediction import Prediction
from petmood.data.index import IndexRow, read_index, write_index
from petmood.evaluation.corruptions import CORRUPTIONS, MIDDLE_LEVEL, corrupt
from petmood.inference.load import BundlePredictor, load_bundle
from petmood.inference.onnx import OnnxSession
from petmood.promotion.compare import (
    BundleInfo,
    BundlePredictions,
    Latency,
    bundle_info,
    images_to_time,
    measure_latency,
    predict_with_bundles,
)
from tests.support.images import jpeg, photo_like, png
from tests.support.networks import IMAGE, tiny_bundle
from tests.support.small_sets import write_small_set

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> BundlePredictor:
    return load_bundle(tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle").folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of striped images, including two large JPEGs and an image with transparency."""
    folder = write_small_set(tmp_path_factory.mktemp("sets") / "judged", train=4, valid=4, test=6)
    rows = list(read_index(folder))
    glass = np.dstack([photo_like(90, 70), np.tile(np.arange(90, dtype=np.uint8) * 2, (70, 1))])
    files = jpeg(photo_like(700, 500)), png(glass), jpeg(photo_like(300, 421, seed=1))
    for row, data in zip(rows, files, strict=False):
        (folder / row.path).write_bytes(data)
    changed = [replace(row, sha256=sha256_of(folder / row.path)) for row in rows]
    write_index(folder, changed)
    return folder


def seeing(predictor: BundlePredictor, image: ImageSpec) -> BundlePredictor:
    """Return a predictor with another preprocessing spec."""
    manifest = predictor.bundle.manifest.model_copy(update={"image": image})
    return replace(predictor, bundle=replace(predictor.bundle, manifest=manifest))


def predict_alone(predictor: BundlePredictor, data: Path, rows: list[IndexRow]) -> BundlePredictions:
    (found,) = predict_with_bundles([predictor], data=data, rows=rows)
    assert isinstance(found, BundlePredictions)
    return found


@pytest.mark.parametrize("resize", ["center_crop", "letterbox"])
def test_clean_photos_are_answered_as_in_service(predictor: BundlePredictor, data: Path, resize: str) -> None:
    rows = list(read_index(data))
    asked = seeing(predictor, ImageSpec(side_px=32, resize=resize, background=(10, 200, 30)))
    found = predict_alone(asked, data, rows)
    assert found.clean.paths == tuple(row.path for row in rows)
    assert found.bundle == bundle_info(predictor)
    served = asked.predict_batch([data / row.path for row in rows])
    for chances, answer in zip(found.clean.probabilities(), served, strict=True):
        assert isinstance(answer, Prediction)
        np.testing.assert_allclose(chances, list(answer.probabilities.values()), atol=1e-5)


def test_a_bundle_is_described_by_its_manifest_and_the_size_of_its_network(predictor: BundlePredictor) -> None:
    bundle = predictor.bundle
    info = bundle_info(predictor)
    assert info == BundleInfo(
        name="demo",
        version=bundle.manifest.version,
        sha256=sha256_of(bundle.folder / "manifest.json"),
        data_hash="d" * 64,
        model_bytes=len((bundle.folder / "model.onnx").read_bytes()),
    )
    assert BundleInfo("pets", "3", "a" * 64, "d" * 64, 7).to_json() == {
        "name": "pets",
        "version": "3",
        "sha256": "a" * 64,
        "data_hash": "d" * 64,
        "model_bytes": 7,
    }


def test_clean_and_corrupted_photos_keep_what_the_index_says_of_them(predictor: BundlePredictor, data: Path) -> None:
    rows = [replace(row, group_id=f"g{number}") for number, row in enumerate(list(read_index(data))[3:6])]
    found = predict_alone(predictor, data, rows)
    assert found.bundle == bundle_info(predictor)
    assert (found.clean.groups, found.clean.source, found.clean.classes) == (
        ("g0", "g1", "g2"),
        ("", "", ""),
        DEFAULT_CLASSES,
    )
    pairs = [(row, name) for row in rows for name in ("blur", "noise", "brightness", "contrast", "jpeg", "crop")]
    assert found.corrupted.paths == tuple(f"{row.path}#{name}" for row, name in pairs)
    assert found.corrupted.source == tuple(name for _, name in pairs)
    assert found.corrupted.groups == tuple(row.group_id for row, _ in pairs)
    assert found.corrupted.species == tuple(row.species for row, _ in pairs)
    assert [found.corrupted.classes[label] for label in found.corrupted.labels] == [row.label for row, _ in pairs]


Item = TypeVar("Item")


def test_the_progress_is_that_of_the_photos(predictor: BundlePredictor, data: Path) -> None:
    told, rows = list[object](), list(read_index(data))[4:6]

    def progress(items: Iterable[Item], *, total: int | None = None, what: str = "") -> Iterator[Item]:
        told.extend((total, what))
        yield from items

    (found,) = predict_with_bundles([predictor], data=data, rows=rows, progress=progress)
    assert isinstance(found, BundlePredictions)
    assert told == [2, "predicting photos"]


def test_every_photo_comes_once_a_corruption_and_keeps_its_group(predictor: BundlePredictor, data: Path) -> None:
    rows = list(read_index(data))
    found = predict_alone(predictor, data, rows).corrupted
    assert len(found) == len(rows) * len(CORRUPTIONS)
    assert {path.split("#")[0] for path in found.paths} == {row.path for row in rows}
    pixels = decode(data / rows[5].path).pixels
    for place in (place for place, path in enumerate(found.paths) if path.startswith(f"{rows[5].path}#")):
        assert found.groups[place] == rows[5].group_id
        assert DEFAULT_CLASSES[found.labels[place]] == rows[5].label
        image = prepare(corrupt(pixels, found.source[place], level=MIDDLE_LEVEL), IMAGE)
        np.testing.assert_allclose(found.logits[place], predictor.session.logits(image[None])[0], atol=1e-4)


def test_large_photos_are_brought_to_the_size_that_corruptions_are_meant_for(
    predictor: BundlePredictor, data: Path
) -> None:
    """Noise on an image of 500 pixels would be averaged out when it is reduced to 32 pixels."""
    rows = list(read_index(data))[:1]
    found = predict_alone(predictor, data, rows)
    clean = load(data / rows[0].path, IMAGE).pixels
    place = found.corrupted.source.index("noise")
    alike = predictor.session.logits(corrupt(clean, "noise", level=MIDDLE_LEVEL)[None])[0]
    far = np.abs(found.corrupted.logits[place] - found.clean.logits[0]).max()
    assert far > 0.3 * np.abs(alike - found.clean.logits[0]).max()


@pytest.mark.parametrize(("place", "size"), [(0, (45, 32)), (1, (41, 32)), (2, (32, 45))])
def test_corruptions_are_applied_to_a_copy_whose_shorter_side_is_the_networks(
    predictor: BundlePredictor, data: Path, place: int, size: tuple[int, int]
) -> None:
    """The photos have 700 x 500, 90 x 70 and 300 x 421 pixels, and the network takes 32 x 32."""
    row = list(read_index(data))[place]
    pixels = decode(data / row.path, at_least_px=64).pixels
    reduced = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    images = np.stack([prepare(corrupt(reduced, name, level=3), IMAGE) for name in CORRUPTIONS])
    found = predict_alone(predictor, data, [row]).corrupted
    np.testing.assert_allclose(found.logits, predictor.session.logits(images), atol=1e-4)


def test_every_bundle_gets_its_own_background_and_its_own_columns(predictor: BundlePredictor, data: Path) -> None:
    """The second photo is transparent. A bundle whose classes are listed in another order has its columns moved."""
    rows = list(read_index(data))[:2]
    green = seeing(predictor, ImageSpec(side_px=32, background=(10, 200, 30)))
    turned = predictor.bundle.manifest.model_copy(update={"classes": ("sad", "angry", "happy", "other")})
    other = replace(predictor, bundle=replace(predictor.bundle, manifest=turned))
    alone = predict_alone(predictor, data, rows), predict_alone(green, data, rows)
    first, second, third = predict_with_bundles([predictor, green, other], data=data, rows=rows)
    assert isinstance(first, BundlePredictions)
    assert isinstance(second, BundlePredictions)
    assert isinstance(third, BundlePredictions)
    for wanted, found in zip(alone, (first, second), strict=True):
        np.testing.assert_allclose(wanted.clean.logits, found.clean.logits, atol=1e-5)
        np.testing.assert_allclose(wanted.corrupted.logits, found.corrupted.logits, atol=1e-5)
    assert np.abs(first.clean.logits[1] - second.clean.logits[1]).max() > 0.01
    np.testing.assert_allclose(third.clean.logits, first.clean.logits[:, [1, 2, 3, 0]], atol=1e-5)
    assert third.clean.classes == third.corrupted.classes == DEFAULT_CLASSES


def test_a_small_network_beside_a_large_one_gets_the_scale_of_the_large_one(
    predictor: BundlePredictor, data: Path
) -> None:
    """Both are served by one decoding at 96 pixels or more: 421 x 300 at 1/2 scale, not 1/4."""
    row = list(read_index(data))[2]
    large = seeing(predictor, ImageSpec(side_px=48))
    refused, small = predict_with_bundles([large, predictor], data=data, rows=[row])
    assert isinstance(refused, BundleError)
    assert isinstance(small, BundlePredictions)
    image = prepare(decode(data / row.path, at_least_px=96).pixels, IMAGE)
    np.testing.assert_allclose(small.clean.logits, predictor.session.logits(image[None]), atol=1e-5)


def test_two_bundles_predict_the_same_images(predictor: BundlePredictor, data: Path) -> None:
    rows = list(read_index(data))
    padded = seeing(predictor, ImageSpec(side_px=32, resize="letterbox"))
    both = predict_with_bundles([predictor, padded], data=data, rows=rows)
    for alone, together in zip(
        (predict_alone(predictor, data, rows), predict_alone(padded, data, rows)), both, strict=True
    ):
        assert isinstance(together, BundlePredictions)
        np.testing.assert_allclose(alone.clean.logits, together.clean.logits, atol=1e-5)
        np.testing.assert_allclose(alone.corrupted.logits, together.corrupted.logits, atol=1e-5)


def test_a_bundle_that_can_not_answer_gets_its_error_and_affects_no_other(
    predictor: BundlePredictor, data: Path
) -> None:
    rows = list(read_index(data))
    refused, answered = predict_with_bundles(
        [seeing(predictor, ImageSpec(side_px=48)), predictor], data=data, rows=rows
    )
    assert isinstance(answered, BundlePredictions)
    assert isinstance(refused, BundleError)
    assert "can't run on input of shape" in str(refused)


def test_answers_that_are_no_numbers_are_refused(predictor: BundlePredictor, data: Path, tmp_path: Path) -> None:
    proto = onnx.load(str(predictor.bundle.folder / "model.onnx"))
    out = proto.graph.output[0]
    for node in proto.graph.node:
        node.output[:] = ["before" if name == out.name else name for name in node.output]
    proto.graph.initializer.append(numpy_helper.from_array(np.array(np.inf, np.float32), "inf"))
    proto.graph.node.append(helper.make_node("Mul", ["before", "inf"], [out.name], name="spoil"))
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    broken = replace(predictor, session=OnnxSession(tmp_path / "model.onnx"))
    (found,) = predict_with_bundles([broken], data=data, rows=list(read_index(data)))
    assert isinstance(found, BundleError)
    assert str(found) == "Expected 4 finite numbers for each of 7 images, got an array of 7 x 4."


def test_a_bundle_with_other_classes_or_another_number_of_outputs_is_refused(
    predictor: BundlePredictor, data: Path
) -> None:
    rows = list(read_index(data))[4:5]
    few = predictor.bundle.manifest.model_copy(update={"classes": ("sad", "angry", "happy")})
    three = replace(predictor, bundle=replace(predictor.bundle, manifest=few))
    _, found = predict_with_bundles([predictor, three], data=data, rows=rows)
    assert isinstance(found, BundleError)
    assert str(found) == ("Expected a model with the classes angry, happy, other, sad, got one with sad, angry, happy.")
    (found,) = predict_with_bundles([three], data=data, rows=rows)
    assert isinstance(found, BundleError)
    assert str(found) == "Expected 3 finite numbers for each of 7 images, got an array of 7 x 4."


def test_a_photo_that_is_gone_changed_or_no_photo_is_named(
    predictor: BundlePredictor, data: Path, tmp_path: Path
) -> None:
    row = next(iter(read_index(data)))
    (tmp_path / row.path).parent.mkdir()
    named = re.escape(f"'{row.path}' of {tmp_path} ")
    gone = re.escape("can't be read (No such file or directory). Fetch the dataset again.")
    with pytest.raises(DataError, match=f"^{named}{gone}$"):
        predict_with_bundles([predictor], data=tmp_path, rows=[row])
    (tmp_path / row.path).write_bytes(b"no photo")
    changed = re.escape("differs from the photo in the index. Fetch the dataset again.")
    with pytest.raises(DataError, match=f"^{named}{changed}$"):
        predict_with_bundles([predictor], data=tmp_path, rows=[row])
    with pytest.raises(DataError, match=f"^{named}can't be used: Expected JPEG, PNG, .* got an unknown format"):
        predict_with_bundles([predictor], data=tmp_path, rows=[replace(row, sha256=sha256_of(tmp_path / row.path))])


def test_images_to_time_are_some_of_the_photos(data: Path) -> None:
    rows = list(read_index(data))
    images = images_to_time(ImageSpec(side_px=20), data=data, rows=rows)
    assert images.shape == (8, 20, 20, 3)
    for image, row in zip(images, rows, strict=False):
        np.testing.assert_array_equal(image, load(data / row.path, ImageSpec(side_px=20)).pixels)


class Stopwatch:
    """A clock that advances only during predictions."""

    now = 0.0

    def read(self) -> float:
        return self.now

    def predicting(self, took_s: Callable[[], float], seen: list[Pixels]) -> Callable[[Pixels], NDArray[np.float32]]:
        def answer(images: Pixels) -> NDArray[np.float32]:
            seen.append(images)
            self.now += took_s()
            return np.zeros((len(images), 4), np.float32)

        return answer


IMAGES = np.zeros((3, 8, 8, 3), np.uint8)


def test_latency_is_the_median_of_turns_so_that_hiccups_and_warming_up_do_not_count() -> None:
    watch, seen = Stopwatch(), list[Pixels]()
    first = itertools.chain([9.0, 9.0, 9.0], itertools.cycle([0.02, 0.02, 0.02, 7.0]))
    found = measure_latency(
        (watch.predicting(lambda: next(first), seen), IMAGES),
        (watch.predicting(lambda: 0.01, seen), IMAGES),
        rounds=20,
        budget_s=1e9,
        clock=watch.read,
    )
    assert [found.candidate_ms, found.champion_ms, found.rounds] == pytest.approx([20, 10, 20])
    assert found.ratio == pytest.approx(2)
    assert {images.shape for images in seen} == {(1, 8, 8, 3)}


def test_the_two_take_turns_and_each_begins_half_of_the_rounds() -> None:
    watch, order = Stopwatch(), list[str]()

    def note(name: str) -> Callable[[Pixels], NDArray[np.float32]]:
        def answer(images: Pixels) -> NDArray[np.float32]:
            order.append(name)
            return np.zeros((len(images), 4), np.float32)

        return answer

    measure_latency((note("new"), IMAGES), (note("old"), IMAGES), rounds=4, clock=watch.read)
    assert order[:6] == ["new"] * 3 + ["old"] * 3, "warming up"
    assert order[6:] == ["old", "new", "new", "old"] * 2


def test_the_photos_are_taken_in_turn() -> None:
    watch, seen = Stopwatch(), list[Pixels]()
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    measure_latency((watch.predicting(lambda: 0.01, seen), images), rounds=5, clock=watch.read)
    assert [image.item() for image in seen[:3]] == [0, 1, 2], "warming up"
    assert [image.item() for image in seen[3:]] == [0, 1, 2, 0, 1]


def test_without_other_settings_there_are_sixty_rounds_or_twenty_seconds() -> None:
    for took_s, alone, together in ((0.001, 60, 60), (1.0, 21, 12)):
        watch = Stopwatch()
        answer = watch.predicting(itertools.repeat(took_s).__next__, [])
        assert measure_latency((answer, IMAGES), clock=watch.read).rounds == alone
        assert measure_latency((answer, IMAGES), (answer, IMAGES), clock=watch.read).rounds == together


def test_a_champion_that_takes_no_time_makes_no_ratio_infinite() -> None:
    assert Latency(2.0, 0.0, 12).ratio == pytest.approx(2e6)
    assert (Latency(3.0, 2.0, 12).ratio, Latency(3.0, None, 12).ratio) == (1.5, None)


def test_slow_networks_end_when_the_budget_is_spent_but_not_before_twelve_rounds() -> None:
    for took_s, rounds in ((100.0, 12), (0.9, 23)):
        watch = Stopwatch()
        answer = watch.predicting(itertools.repeat(took_s).__next__, [])
        found = measure_latency((answer, IMAGES), rounds=60, budget_s=20.0, clock=watch.read)
        assert (found.rounds, found.champion_ms, found.ratio) == (rounds, None, None)
