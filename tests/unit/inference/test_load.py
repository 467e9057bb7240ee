"""Tests of bundle loading, with damaged and malicious bundles."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from petmood.core.bundle import Bundle, Manifest, pack_arrays, read, verify, write
from petmood.core.bundle_files import read_card
from petmood.core.errors import BundleError, ConfigError, CorruptImage, EmptyFile, MissingDependency, PhotoError
from petmood.core.golden import read_golden
from petmood.core.image import Box, ImageSpec, load
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.photo import ImageLimits
from petmood.core.prediction import PRACTICE_MODEL, Prediction, decide
from petmood.inference import load as loading
from petmood.inference.load import BundlePredictor, check_golden, load_bundle
from petmood.inference.occlusion import occlusion_maps
from petmood.inference.onnx import OnnxSession
from tests.support.images import jpeg, photo_like, png
from tests.support.networks import RULE, color_network, repacked, with_domain

PHOTOS = [jpeg(photo_like(90, 60, seed=seed)) for seed in range(3)]

SERVED = """
import json, sys
from pathlib import Path
from petmood.inference.load import load_bundle
answer, = load_bundle(Path(sys.argv[1])).predict_batch([Path(sys.argv[2])])
print(json.dumps({"label": answer.label, "loaded": sorted(name for name in sys.modules if "." not in name)}))
"""


@pytest.fixture
def bundle(shared_bundle: Bundle, tmp_path: Path) -> Path:
    """Return a copy of the tiny bundle, to be spoilt."""
    return Path(shutil.copytree(shared_bundle.folder, tmp_path / "copy"))


def reseal(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - any field of the manifest
    """Write the manifest anew with changes, true hashes and a true seal, as someone would who knows how."""
    manifest = read(folder)
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest.files}
    forged = manifest.model_copy(update={**changes, "files": hashes}).with_digest()
    (folder / "manifest.json").write_text(forged.model_dump_json(), "utf-8")


def rewire(folder: Path, change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> None:
    """Change the tensors of the last layer, which have one row or value for each class."""
    network = onnx.load(folder / "model.onnx")
    heads = [tensor for tensor in network.graph.initializer if tensor.name.startswith("network.rest")]
    assert heads
    for tensor in heads:
        tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
    (folder / "model.onnx").write_bytes(network.SerializeToString())
    reseal(folder)


def refusal(folder: Path) -> str:
    """Return the one line with which a bundle is refused."""
    with pytest.raises(BundleError) as refused:
        load_bundle(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# --- a good bundle ----------------------------------------------------------------------------------------------------


def test_a_predictor_answers_by_its_network_and_its_manifest(bundle: Path) -> None:
    predictor = load_bundle(bundle)
    answers = predictor.predict_batch(PHOTOS)
    golden, manifest = read_golden(predictor.bundle), predictor.bundle.manifest
    logits = predictor.session.logits(golden.pixels)
    assert np.allclose(logits, golden.logits / manifest.temperature, rtol=1e-3, atol=1e-4)
    assert [
        set(answer.probabilities) == set(DEFAULT_CLASSES) for answer in answers if isinstance(answer, Prediction)
    ] == [True] * 3
    alone = [predictor.predict_batch([photo])[0] for photo in PHOTOS]
    for one, among in zip(alone, answers, strict=True):
        assert isinstance(one, Prediction)
        assert isinstance(among, Prediction)
        assert one.label == among.label
        assert one.probability == pytest.approx(among.probability, abs=1e-5)


def test_an_explanation_has_the_maps_of_the_network_for_the_box_that_it_gets(bundle: Path) -> None:
    predictor = load_bundle(bundle)
    explanation = predictor.explain(PHOTOS[0])
    assert explanation.method == "hirescam"
    assert explanation.prediction == predictor.predict(PHOTOS[0])
    prepared = load(PHOTOS[0], predictor.bundle.manifest.image)
    expected = predictor.session.run(prepared.pixels[np.newaxis])["maps"][0]
    assert list(explanation.maps) == list(DEFAULT_CLASSES)
    assert np.array_equal(np.stack([*explanation.maps.values()]), expected)
    assert np.abs(expected).max() > 0.01
    assert explanation.box == Box(15 / 90, 0.0, 75 / 90, 1.0)


def test_a_network_without_maps_is_explained_by_occlusion(bundle: Path) -> None:
    """Bundles of older versions, and of networks that maps can't be computed for, announce the logits alone."""
    golden = read_golden(load_bundle(bundle).bundle)
    (bundle / "golden.npz").write_bytes(pack_arrays(pixels=golden.pixels, logits=golden.logits))
    reseal(bundle, outputs=("logits",))
    predictor = load_bundle(bundle)
    explanation = predictor.explain(PHOTOS[0])
    assert explanation.method == "occlusion"
    assert explanation.prediction == predictor.predict(PHOTOS[0])
    prepared = load(PHOTOS[0], predictor.bundle.manifest.image)
    whole = predictor.session.logits(prepared.pixels[np.newaxis])[0]
    expected = occlusion_maps(predictor.session.logits, prepared.pixels, whole)
    assert np.array_equal(np.stack([*explanation.maps.values()]), expected)
    assert np.abs(expected).max() > 0.01


def test_a_photo_out_of_the_domain_has_maps_and_no_label(guarded: Path) -> None:
    explanation = load_bundle(guarded).explain(FAR)
    assert (explanation.prediction.label, explanation.prediction.domain_warning) == (None, "unfamiliar")
    assert explanation.method == "hirescam"


def test_a_photo_that_is_rejected_can_not_be_explained(bundle: Path, tmp_path: Path) -> None:
    predictor = load_bundle(bundle)
    with pytest.raises(CorruptImage):
        predictor.explain(PHOTOS[0][:300])
    with pytest.raises(PhotoError, match=r"missing\.jpg can't be read"):
        predictor.explain(tmp_path / "missing.jpg")
    assert isinstance(predictor.explain_photo(b""), EmptyFile)


def test_golden_maps_that_differ_for_more_than_a_quarter_of_the_photos_are_refused(bundle: Path) -> None:
    """A rounding difference at the kink of a ReLU changes the map of a photo, and no logit."""
    golden = read_golden(load_bundle(bundle).bundle)
    assert golden.maps is not None
    maps = golden.maps.copy()
    maps[:4, 2, 1, 1] += np.float32(0.01)
    (bundle / "golden.npz").write_bytes(repacked(golden, maps=maps))
    reseal(bundle)
    load_bundle(bundle)
    maps[4, 2, 1, 1] += np.float32(0.01)
    (bundle / "golden.npz").write_bytes(repacked(golden, maps=maps))
    reseal(bundle)
    assert "the outputs for 5 of 16 golden photos differ" in refusal(bundle)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_golden_maps_that_are_no_numbers_are_refused(bundle: Path, value: float) -> None:
    golden = read_golden(load_bundle(bundle).bundle)
    assert golden.maps is not None
    maps = golden.maps.copy()
    maps[:5, 2, 1, 1] = value
    (bundle / "golden.npz").write_bytes(repacked(golden, maps=maps))
    reseal(bundle)
    assert "the outputs for 5 of 16 golden photos differ" in refusal(bundle)


def test_maps_that_are_announced_must_be_in_the_network_and_in_the_golden_file(bundle: Path) -> None:
    golden = read_golden(load_bundle(bundle).bundle)
    (bundle / "golden.npz").write_bytes(pack_arrays(pixels=golden.pixels, logits=golden.logits))
    reseal(bundle)
    assert "maps" in refusal(bundle)
    network = onnx.load(bundle / "model.onnx")
    del network.graph.output[1]
    (bundle / "model.onnx").write_bytes(network.SerializeToString())
    (bundle / "golden.npz").write_bytes(repacked(golden))
    reseal(bundle)
    assert "as outputs logits tensor(float), maps tensor(float)" in refusal(bundle)


def test_sure_and_the_prediction_set_are_decided_by_the_manifest(bundle: Path) -> None:
    reseal(bundle, confidence_threshold=1.01, conformal_quantile=1.0)
    for answer in load_bundle(bundle).predict_batch(PHOTOS):
        assert isinstance(answer, Prediction)
        assert not answer.confident
        assert set(answer.prediction_set) == set(DEFAULT_CLASSES)


def test_the_model_is_named_by_its_manifest_s_hash(bundle: Path) -> None:
    model = load_bundle(bundle).model
    assert (model.name, model.version) == ("demo", read(bundle).version)
    assert model.sha256 == hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()


@pytest.mark.parametrize("threads", [0, -1])
def test_a_network_without_threads_is_refused(bundle: Path, threads: int) -> None:
    with pytest.raises(ConfigError, match=f"Expected threads of 1 or more, got {threads}"):
        load_bundle(bundle, threads=threads)


def test_limits_on_photos_hold(bundle: Path) -> None:
    (answer,) = load_bundle(bundle, limits=ImageLimits(pixels=100)).predict_batch(PHOTOS[:1])
    assert "at most 100 pixels" in str(answer)


@pytest.mark.spawns
def test_answering_loads_neither_torch_nor_anything_of_the_training_half(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTOS[0])
    command = [sys.executable, "-c", SERVED, str(bundle), str(tmp_path / "a.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert done.stderr == ""
    assert found["label"] in DEFAULT_CLASSES
    heavy = {"torch", "torchvision", "lightning", "hydra", "cv2", "sklearn", "scipy", "onnx", "matplotlib"}
    assert heavy & set(found["loaded"]) == set()


def test_without_onnxruntime_the_command_that_installs_it_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependency, match=r"pip install 'petmood\[serve\]'"):
        load_bundle(bundle)


# --- 26 damage that hashes and seals don't show -----------------------------------------------------------------------


def test_another_temperature_is_refused_even_with_a_true_seal(bundle: Path) -> None:
    reseal(bundle, temperature=1.8)
    assert "golden photos differ from those of the trained network" in refusal(bundle)


def test_swapped_columns_of_the_weights_are_refused(bundle: Path) -> None:
    rewire(bundle, lambda rows: rows[[1, 0, 2, 3]] if rows.shape[0] == 4 else rows[:, [1, 0, 2, 3]])
    text = refusal(bundle)
    assert "golden photos differ from those of the trained network" in text
    assert "Export the run again" in text


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_logits_that_are_no_numbers_or_all_alike_are_refused(bundle: Path, value: float) -> None:
    rewire(bundle, lambda rows: np.full_like(rows, value))
    assert "16 of 16 golden photos" in refusal(bundle)


def test_golden_logits_that_are_no_numbers_are_refused(bundle: Path) -> None:
    golden = read_golden(load_bundle(bundle).bundle)
    for value in (np.nan, np.inf):
        logits = np.full_like(golden.logits, value)
        (bundle / "golden.npz").write_bytes(repacked(golden, logits=logits))
        reseal(bundle)
        assert "golden photos differ from those of the trained network" in refusal(bundle)


@dataclass(frozen=True)
class GivenLogits:
    """Session that answers photos one by one with given logits [N, K]; a photo's pixels are its number."""

    rows: np.ndarray[Any, Any]

    def run(self, pixels: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Return the row of each photo."""
        return {"logits": np.asarray(self.rows[pixels[:, 0, 0, 0]])}


def test_a_golden_photo_of_another_class_is_refused_even_within_the_tolerance(tmp_path: Path) -> None:
    """0.00005 is less than the tolerance, and yet the other class is the most probable."""
    pixels = np.repeat(np.arange(3, dtype=np.uint8), 16 * 16 * 3).reshape(3, 16, 16, 3)
    expected = np.array([[1, 0, 0, 0], [0.00005, 0, -1, -1], [0, 1, 0, 0]], np.float32)
    golden = pack_arrays(pixels=pixels, logits=expected)
    facts = Manifest(
        name="demo",
        version="1",
        classes=DEFAULT_CLASSES,
        image=ImageSpec(side_px=16),
        temperature=1.0,
        confidence_threshold=0.5,
        conformal_quantile=0.9,
        backbone="tiny",
        data_hash="d" * 64,
        code_version="0",
        created="2026-01-01T00:00:00Z",
        files={},
    )
    rest = {"model.onnx": b"", "reference.npz": b"", "card.md": b""}
    made = write(tmp_path / "b", facts, {"golden.npz": golden, **rest})
    check_golden(made, cast("OnnxSession", GivenLogits(expected)))
    other = expected.copy()
    other[1, :2] = 0, 0.00005
    with pytest.raises(BundleError, match="outputs for 1 of 3 golden photos differ"):
        check_golden(made, cast("OnnxSession", GivenLogits(other)))


def test_weights_that_are_slightly_off_are_refused(bundle: Path) -> None:
    rewire(bundle, lambda rows: (rows * 1.01).astype(rows.dtype))
    assert "largest difference" in refusal(bundle)


def test_a_network_for_fewer_classes_is_refused(bundle: Path) -> None:
    golden = read_golden(load_bundle(bundle).bundle)
    assert golden.maps is not None
    logits = golden.logits[:, :3].copy()
    (bundle / "golden.npz").write_bytes(repacked(golden, logits=logits, maps=golden.maps[:, :3].copy()))
    reseal(bundle, classes=DEFAULT_CLASSES[:3])
    assert "expected logits of shape (16, 3), got (16, 4)" in refusal(bundle)


def test_golden_photos_of_another_size_are_refused(bundle: Path) -> None:
    golden = read_golden(load_bundle(bundle).bundle)
    small = np.ascontiguousarray(golden.pixels[:, :16, :16])
    (bundle / "golden.npz").write_bytes(repacked(golden, pixels=small))
    reseal(bundle, image=read(bundle).image.model_copy(update={"side_px": 16}))
    assert "can't run on input of shape (1, 16, 16, 3)" in refusal(bundle)


@pytest.mark.parametrize("data", [b"", b"\x08\x0a", pickle.dumps({"a": 1})], ids=["empty", "truncated", "pickle"])
def test_a_model_that_is_none_is_refused_though_its_hash_and_seal_are_true(bundle: Path, data: bytes) -> None:
    (bundle / "model.onnx").write_bytes(data)
    reseal(bundle)
    assert "not a valid ONNX network" in refusal(bundle)


def test_half_a_model_is_refused_though_its_hash_and_seal_are_true(bundle: Path) -> None:
    data = (bundle / "model.onnx").read_bytes()
    (bundle / "model.onnx").write_bytes(data[: len(data) // 2])
    reseal(bundle)
    assert "not a valid ONNX network" in refusal(bundle)


# --- 27 attacks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["../weights.bin", "golden.npz", "{folder}/golden.npz"])
def test_external_data_is_refused_though_hash_and_seal_are_true(bundle: Path, location: str) -> None:
    network = onnx.load(bundle / "model.onnx")
    tensor = max(network.graph.initializer, key=lambda one: one.ByteSize())
    (bundle.parent / "weights.bin").write_bytes(tensor.raw_data)
    onnx.external_data_helper.set_external_data(tensor, location.format(folder=bundle))
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    (bundle / "model.onnx").write_bytes(network.SerializeToString())
    reseal(bundle)
    assert "stores weights in an external file" in refusal(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "manifest.json"])
def test_a_link_in_place_of_a_file_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).rename(bundle.parent / "elsewhere")
    (bundle / name).symlink_to(bundle.parent / "elsewhere")
    assert "link" in refusal(bundle)


def test_a_bundle_is_found_through_a_link_to_its_folder(bundle: Path) -> None:
    (bundle.parent / "champion").symlink_to(bundle, target_is_directory=True)
    assert load_bundle(bundle.parent / "champion").model.name == "demo"


# --- the old model goes on --------------------------------------------------------------------------------------------


def test_a_refused_bundle_leaves_the_old_predictor_as_it_was(bundle: Path, shared_bundle: Bundle) -> None:
    old = load_bundle(shared_bundle.folder)
    before = old.predict_batch(PHOTOS)
    reseal(bundle, temperature=9.0)
    refusal(bundle)
    assert old.predict_batch(PHOTOS) == before


def test_a_predictor_needs_its_folder_no_longer(bundle: Path) -> None:
    predictor = load_bundle(bundle)
    before, card = predictor.predict_batch(PHOTOS), predictor.card()
    shutil.rmtree(bundle)
    assert not os.path.exists(bundle)  # noqa: PTH110 - a second opinion
    assert predictor.predict_batch(PHOTOS) == before
    assert predictor.card() == card


def test_a_card_gives_the_manifest_and_the_text_of_the_bundle(bundle: Path) -> None:
    card = load_bundle(bundle).card()
    assert card.card == read_card(bundle)
    assert (card.classes, card.model) == (list(DEFAULT_CLASSES), load_bundle(bundle).model)
    assert card.manifest == json.loads(read(bundle).model_dump_json())


def test_a_predictor_is_made_of_a_bundle_and_a_session(bundle: Path) -> None:
    opened = load_bundle(bundle)
    made = BundlePredictor(opened.bundle, OnnxSession(bundle / "model.onnx"))
    (answer,) = made.predict_batch(PHOTOS[:1])
    assert isinstance(answer, Prediction)
    assert answer == opened.predict_batch(PHOTOS[:1])[0]
    logits = np.array([5.0, 0.0, 0.0, 0.0])
    assert decide(logits, opened.bundle.manifest.decision, model=opened.model).label == DEFAULT_CLASSES[0]


@pytest.mark.parametrize(("kind", "said"), [("drawings", True), ("photographs", False), (None, False)])
def test_every_prediction_of_a_model_of_drawings_has_its_warning(bundle: Path, kind: str | None, said: bool) -> None:
    reseal(bundle, data_kind=kind)
    found = [answer for answer in load_bundle(bundle).predict_batch(PHOTOS) if isinstance(answer, Prediction)]
    assert [PRACTICE_MODEL in answer.warnings for answer in found] == [said] * 3
    assert [answer.to_dict()["warnings"][:1] == [PRACTICE_MODEL] for answer in found] == [said] * 3


# --- photos out of the domain -----------------------------------------------------------------------------------------


def plain(red: int, blue: int) -> bytes:
    """Return a photo of one color: its novelty is blue / 100, its animal score is red / 255."""
    return png(np.full((40, 40, 3), (red, 90, blue), np.uint8))


INSIDE, FAR, NO_PET = plain(200, 50), plain(200, 150), plain(51, 50)


@pytest.fixture
def guarded(shared_bundle: Bundle, tmp_path: Path) -> Path:
    """Return a bundle with a network of domain scores that depend on the mean color."""
    return with_domain(shared_bundle, tmp_path / "guarded").folder


def test_photos_of_the_domain_get_a_class_and_others_say_why_not(guarded: Path, shared_bundle: Bundle) -> None:
    inside, far, no_pet = load_bundle(guarded).predict_batch([INSIDE, FAR, NO_PET])
    without = [load_bundle(shared_bundle.folder).predict_batch([photo])[0] for photo in (INSIDE, FAR, NO_PET)]
    found = []
    for answer, same in zip((inside, far, no_pet), without, strict=True):
        assert isinstance(answer, Prediction)
        assert isinstance(same, Prediction)
        assert answer.probabilities == pytest.approx(same.probabilities, abs=1e-5)
        assert (same.domain, same.domain_warning, same.in_domain) == (None, None, None)
        assert answer.domain is not None
        scores = round(answer.domain.novelty, 4), round(answer.domain.animal_score or 0, 4)
        found.append((answer.in_domain, answer.domain_warning, answer.label == same.label, *scores))
    assert found == [
        (True, None, True, 0.5, 0.7843),
        (False, "unfamiliar", False, 1.5, 0.7843),
        (False, "no_animal", False, 0.5, 0.2),
    ]
    assert isinstance(far, Prediction)
    assert (far.label, far.confident, far.prediction_set) == (None, False, ())


def test_a_photo_of_two_pets_keeps_its_class_and_gets_a_warning(shared_bundle: Bundle, tmp_path: Path) -> None:
    """Green above 100 means two pets; blue above 100 unfamiliar; red below 102 no animal."""
    greens = [(200, 99, 50), (200, 110, 50), (200, 110, 150), (51, 110, 50)]
    photos = [png(np.full((40, 40, 3), color, np.uint8)) for color in greens]
    rule = RULE.model_copy(update={"scene_warnings": ("two_pets",)})
    folder = with_domain(shared_bundle, tmp_path / "b", rule=rule).folder
    plain, warned = (load_bundle(one).predict_batch(photos) for one in (shared_bundle.folder, folder))
    sentence = "There may be two pets in this photo: crop it to one of them."
    found = []
    for before, answer in zip(plain, warned, strict=True):
        assert isinstance(before, Prediction)
        assert isinstance(answer, Prediction)
        assert before.scene_warnings == ()
        assert (sentence in answer.warnings) is bool(answer.scene_warnings)
        assert [one for one in answer.warnings if one != sentence] == list(before.warnings)
        assert answer.to_dict().get("scene_warnings", []) == list(answer.scene_warnings)
        found.append((answer.scene_warnings, answer.label == before.label, answer.confident == before.confident))
    assert found[:2] == [((), True, True), (("two_pets",), True, True)]
    assert [one[:2] for one in found[2:]] == [(("two_pets",), False), ((), False)]


def test_golden_scores_of_scene_warnings_are_checked(shared_bundle: Bundle, tmp_path: Path) -> None:
    rule = RULE.model_copy(update={"scene_warnings": ("two_pets",)})
    folder = with_domain(shared_bundle, tmp_path / "b", rule=rule).folder
    golden = read_golden(load_bundle(folder).bundle)
    assert list(golden.scores) == ["novelty", "animal", "two_pets"]
    scores = {**golden.scores, "two_pets": golden.scores["two_pets"] + np.float32(0.01)}
    (folder / "golden.npz").write_bytes(repacked(golden, **scores))
    reseal(folder)
    assert "the outputs for 16 of 16 golden photos differ" in refusal(folder)


def test_a_batch_keeps_the_order_with_refused_photos_between(guarded: Path) -> None:
    broken = b"no photo"
    answers = load_bundle(guarded).predict_batch([FAR, broken, INSIDE, broken, NO_PET, INSIDE])
    found = [answer.domain_warning if isinstance(answer, Prediction) else type(answer).__name__ for answer in answers]
    refused = type(answers[1]).__name__
    assert isinstance(answers[1], PhotoError)
    assert found == ["unfamiliar", refused, None, refused, "no_animal", None]
    assert all(isinstance(answer, PhotoError) for answer in load_bundle(guarded).predict_batch([broken, broken]))


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_count_for_both_networks(guarded: Path, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    class Recording(OnnxSession):
        """Session that records the number of its threads."""

        def __init__(self, path: Path, *, threads: int = 1, outputs: Sequence[str] = ("logits",)) -> None:
            asked.append((path.name, threads))
            super().__init__(path, threads=threads, outputs=outputs)

    monkeypatch.setattr(loading, "OnnxSession", Recording)
    load_bundle(guarded, threads=threads)
    assert asked == [("model.onnx", threads), ("domain.onnx", threads)]


def test_many_threads_at_once_get_the_answers_of_their_photos(guarded: Path) -> None:
    predictor = load_bundle(guarded)
    photos = [plain(200, blue) for blue in range(0, 250, 10)]
    with ThreadPoolExecutor(max_workers=8) as threads:
        answers = list(threads.map(lambda photo: predictor.predict_batch([photo])[0], photos))
    found = [answer.domain.novelty if isinstance(answer, Prediction) and answer.domain else None for answer in answers]
    assert found == pytest.approx([blue / 100 for blue in range(0, 250, 10)])


@pytest.mark.parametrize("name", ["novelty", "animal"])
@pytest.mark.parametrize("value", [0.01, np.nan, np.inf])
def test_golden_scores_that_differ_are_refused(guarded: Path, name: str, value: float) -> None:
    golden = read_golden(load_bundle(guarded).bundle)
    scores = {key: array.copy() for key, array in golden.scores.items()}
    scores[name][5] += np.float32(value)
    (guarded / "golden.npz").write_bytes(repacked(golden, **scores))
    reseal(guarded)
    worst = "0.01" if value == 0.01 else "inf"
    assert refusal(guarded) == (
        f"{guarded}: the outputs for 1 of 16 golden photos differ from those of the trained network "
        f"(largest difference {worst}). Export the run again."
    )


def test_a_score_that_is_infinite_on_both_sides_is_refused_in_one_line(guarded: Path) -> None:
    network = onnx.load(guarded / "domain.onnx")
    (weights,) = (tensor for tensor in network.graph.initializer if tensor.name == "weights")
    weights.CopyFrom(numpy_helper.from_array(np.full((3, 3), np.inf, np.float32), "weights"))
    golden = read_golden(verify(guarded))
    (guarded / "domain.onnx").write_bytes(network.SerializeToString())
    endless = np.full(16, np.inf, np.float32)
    arrays = {"novelty": endless, "animal": endless}
    (guarded / "golden.npz").write_bytes(repacked(golden, **arrays))
    reseal(guarded)
    assert "the outputs for 16 of 16 golden photos differ" in refusal(guarded)


def test_a_network_of_domain_scores_with_other_outputs_is_refused(shared_bundle: Bundle, tmp_path: Path) -> None:
    folder = with_domain(shared_bundle, tmp_path / "b", network=color_network(novelty="distance")).folder
    assert refusal(folder) == (
        f"{folder / 'domain.onnx'}: expected one input tensor(uint8) and as outputs novelty tensor(float), "
        "animal tensor(float); got inputs tensor(uint8); outputs distance tensor(float), animal tensor(float), "
        "two_pets tensor(float). Export the run again."
    )


def test_a_domain_network_beside_a_manifest_without_a_rule_is_not_run(guarded: Path) -> None:
    reseal(guarded, domain=None)
    predictor = load_bundle(guarded)
    assert predictor.domain is None
    (answer,) = predictor.predict_batch([FAR])
    assert isinstance(answer, Prediction)
    assert (answer.label is not None, answer.domain, answer.in_domain) == (True, None, None)


def test_without_an_animal_threshold_only_the_novelty_counts(shared_bundle: Bundle, tmp_path: Path) -> None:
    rule = RULE.model_copy(update={"animal_threshold": None})
    folder = with_domain(shared_bundle, tmp_path / "b", rule=rule).folder
    answers = load_bundle(folder).predict_batch([INSIDE, FAR, NO_PET])
    assert [answer.domain_warning for answer in answers if isinstance(answer, Prediction)] == [None, "unfamiliar", None]
