"""Tests of the promotion run: early refusal of bundles and data that can't be compared."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from petmood.core.bundle import DATA_NAME, DUPLICATES_NAME, Manifest, read, write
from petmood.core.errors import BundleError, DataError
from petmood.core.image import ImageSpec, load
from petmood.data.duplicates.feature_cache import features_of
from petmood.data.duplicates.feature_store import pack_features
from petmood.data.index import IndexRow, Split, data_hash, index_text, read_index, write_index
from petmood.inference.load import BundlePredictor, load_bundle
from petmood.promotion import run_checks
from petmood.promotion.compare import BundleInfo, Latency, bundle_info
from petmood.promotion.held_out import hash_test_set
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.loaded_bundle import load_for_comparison
from petmood.promotion.run_checks import run_promotion_checks
from tests.support.latency import equal_latencies
from tests.support.networks import tiny_bundle
from tests.support.small_sets import write_small_set


@pytest.fixture(autouse=True)
def equally_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model answer in the same time."""
    equal_latencies(monkeypatch)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> BundlePredictor:
    return load_bundle(tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle").folder)


def test_a_folder_that_is_no_bundle_is_refused_as_a_candidate_and_an_error_as_a_champion(
    predictor: BundlePredictor, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    report = run_promotion_checks(
        tmp_path / "empty", predictor.bundle.folder, data=tmp_path / "never-read", created="now"
    )
    assert [check.name for check in report.checks] == ["integrity"]
    with pytest.raises(BundleError) as reason:
        load_bundle(tmp_path / "empty")
    assert "manifest.json is missing" in str(reason.value)
    assert report.checks[0].to_json() == {
        "name": "integrity",
        "passed": False,
        "measured": "corrupted",
        "limit": "a bundle as it was exported",
        "sentence": str(reason.value),
        "numbers": {},
        "parts": [],
    }
    assert (report.held_out, report.notes, report.earlier_uses, report.confidence) == (None, (), 0, 0.95)
    assert (report.candidate, report.created) == (BundleInfo("empty", "", "", "", 0), "now")
    assert report.champion == bundle_info(predictor)
    assert report.limits == PromotionLimits().to_json()
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        run_promotion_checks(predictor.bundle.folder, tmp_path / "empty", data=tmp_path)


def test_a_candidate_whose_card_is_no_text_is_refused_in_a_line(predictor: BundlePredictor, tmp_path: Path) -> None:
    files = {name: (predictor.bundle.folder / name).read_bytes() for name in predictor.bundle.manifest.files}
    write(tmp_path / "odd", predictor.bundle.manifest, {**files, "card.md": b"\xff\xfe"})
    (line,) = run_promotion_checks(tmp_path / "odd", None, data=tmp_path).failed
    assert line.startswith("integrity: ")
    assert "can't be read: 'utf-8' codec" in line


def test_too_few_photos_groups_or_classes_are_no_proof(predictor: BundlePredictor, tmp_path: Path) -> None:
    sets = {
        "photos": write_small_set(tmp_path / "photos", train=4, valid=4, test=16),
        "classes": write_small_set(tmp_path / "classes", train=4, valid=4, test=24, classes=("sad",)),
        "groups": write_small_set(tmp_path / "groups", train=4, valid=4, test=24),
    }
    rows = [replace(row, group_id=f"f{int(row.path[-7:-4]) // 4}{row.split}") for row in read_index(sets["groups"])]
    write_index(sets["groups"], rows)
    for what, said in (("photos", "16 photos of 4 classes"), ("classes", "of 1 classes"), ("groups", "in 6 groups")):
        report = run_promotion_checks(predictor.bundle.folder, None, data=sets[what])
        assert [(check.name, check.passed) for check in report.checks] == [
            *(("integrity", True), ("same_classes", True), ("held_out", False))
        ], what
        assert said in report.failed[0]
    limits = PromotionLimits(min_photos=10)
    assert len(run_promotion_checks(predictor.bundle.folder, None, data=sets["photos"], limits=limits).checks) == 9


INTACT = {
    "name": "integrity",
    "passed": True,
    "measured": "intact",
    "limit": "a bundle as it was exported",
    "sentence": "Every file matches its hash, and golden photos give the outputs of the trained network.",
    "numbers": {},
    "parts": [],
}
SAME_CLASSES = {
    "name": "same_classes",
    "passed": True,
    "measured": "angry, happy, other, sad",
    "limit": "the classes of the champion and of the photos",
    "sentence": "The candidate, the champion and the photos have the same classes.",
    "numbers": {},
    "parts": [],
}


def changed(predictor: BundlePredictor, to: Path, files: dict[str, bytes] | None = None, **fields: Any) -> Path:  # noqa: ANN401 - any field of a manifest
    """Write the tiny bundle again with other fields of its manifest and further files, and return its folder."""
    folder, manifest = predictor.bundle.folder, predictor.bundle.manifest
    kept = {name: (folder / name).read_bytes() for name in manifest.files}
    return write(to, manifest.model_copy(update=fields), {**kept, **(files or {})}).folder


def trained_on(predictor: BundlePredictor, to: Path, rows: list[IndexRow], *, features: bytes | None = None) -> Path:
    """Return a bundle that holds an index of its photos, and their features."""
    files = {DATA_NAME: index_text(rows).encode()} | ({DUPLICATES_NAME: features} if features else {})
    return changed(predictor, to, files, data_hash=data_hash(rows))


def test_the_first_checks_and_the_facts_of_a_report_are_written_out(predictor: BundlePredictor, tmp_path: Path) -> None:
    """In the eighth comparison the error of 5% is divided by 8, which leaves a confidence of 99.375%."""
    data = write_small_set(tmp_path / "data", train=4, valid=4, test=24)
    report = run_promotion_checks(predictor.bundle.folder, None, data=data, earlier_uses=7)
    index = read_index(data)
    assert report.held_out is not None
    assert report.held_out.to_json() == {
        "data_hash": index.hash,
        "split": "test",
        "classes": {"angry": 6, "happy": 6, "other": 6, "sad": 6},
        "groups": 24,
        "excluded": 0,
        "excluded_by_content": 0,
        "by_bytes_only": (),
        "test_set": hash_test_set(index),
        "photos": 24,
        "excluded_by_bytes": 0,
    }
    assert (report.candidate, report.champion, report.created) == (bundle_info(predictor), None, "")
    assert [report.earlier_uses, report.confidence] == pytest.approx([7, 0.99375])
    version = predictor.bundle.manifest.version
    assert report.notes == (f"The training photos of demo {version} are unknown: it has no data.csv.",)
    assert [check.to_json() for check in report.checks[:3]] == [
        INTACT,
        SAME_CLASSES,
        {
            "name": "held_out",
            "passed": True,
            "measured": "24 photos of 4 classes in 24 groups",
            "limit": "20 photos of 2 classes in 10 groups, or more",
            "sentence": "There are 24 photos of 4 classes in 24 groups outside of the known training data of both "
            "bundles.",
            "numbers": {"photos": 24, "classes": 4, "groups": 24, "excluded": 0, "by_bytes": 0, "by_content": 0},
            "parts": [],
        },
    ]
    names = [check.name for check in report.checks[3:]]
    assert names == ["superiority", "calibration", "robustness", "latency", "size", "domain"]
    assert report.checks[3].limit.startswith("99.4% interval of accuracy above 25.0%")


def test_photos_that_were_left_out_are_in_the_record(predictor: BundlePredictor, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=4, test=28)
    test = [row for row in read_index(data) if row.split == Split.TEST]
    folder = trained_on(predictor, tmp_path / "seen", [replace(row, split=Split.TRAIN) for row in test[:4]])
    check = run_promotion_checks(folder, predictor.bundle.folder, data=data).checks[2]
    version = read(folder).version
    assert check.sentence == (
        "There are 24 photos of 4 classes in 24 groups outside of the known training data of both bundles; "
        f"4 left out (4 by bytes, 0 by content). The photos that demo {version} saw were matched by bytes only: "
        "copies that were encoded again are not recognized. To compare by content, export the run again for a "
        "duplicates.npz of this version."
    )
    assert check.numbers == {
        "photos": 24,
        "classes": 4,
        "groups": 24,
        "excluded": 4,
        "by_bytes": 4,
        "by_content": 0,
    }


def test_as_many_photos_groups_and_classes_as_demanded_are_enough(predictor: BundlePredictor, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=4, test=12, classes=("happy", "sad"))
    for photos, groups, passed in ((12, 12, True), (13, 12, False), (12, 13, False)):
        limits = PromotionLimits(min_photos=photos, min_groups=groups)
        check = run_promotion_checks(predictor.bundle.folder, None, data=data, limits=limits).checks[2]
        assert (check.name, check.passed) == ("held_out", passed)
        assert check.measured == "12 photos of 2 classes in 12 groups"
        assert check.limit == f"{photos} photos of 2 classes in {groups} groups, or more"


def test_other_classes_of_the_champion_or_of_the_photos_are_refused(predictor: BundlePredictor, tmp_path: Path) -> None:
    own = predictor.bundle.folder
    turned = changed(predictor, tmp_path / "turned", classes=("sad", "happy", "angry", "other"))
    foreign = changed(predictor, tmp_path / "foreign", classes=("sad", "happy", "tired", "angry"))
    usual = write_small_set(tmp_path / "usual", train=4, valid=4, test=4)
    further = write_small_set(
        tmp_path / "further", train=6, valid=6, test=6, classes=("angry", "bored", "happy", "other", "sad", "tired")
    )
    expected: list[tuple[Path, Path | None, Path, str]] = [
        (own, turned, usual, "The candidate, the champion and the photos have the same classes."),
        (
            own,
            foreign,
            usual,
            (
                "The champion has the classes angry, happy, sad, tired, and no measure compares the two. "
                "Register the new model under a name of its own with --model NAME."
            ),
        ),
        (
            own,
            None,
            further,
            "The photos have the further classes bored, tired. Name other photos with --data.",
        ),
        (
            own,
            own,
            further,
            "The photos have the further classes bored, tired. Name other photos with --data.",
        ),
    ]
    for candidate, champion, data, sentence in expected:
        integrity, same, *rest = run_promotion_checks(candidate, champion, data=data).checks
        assert integrity.to_json() == INTACT
        assert same.to_json() == {**SAME_CLASSES, "passed": data == usual and champion == turned, "sentence": sentence}
        assert bool(rest) is same.passed, "nothing further is measured"


def test_a_damaged_candidate_is_named_by_its_manifest(predictor: BundlePredictor, tmp_path: Path) -> None:
    folder = changed(predictor, tmp_path / "made")
    network = folder / "model.onnx"
    network.write_bytes(b"other")
    stated = run_promotion_checks(folder, None, data=tmp_path).candidate
    assert stated == replace(bundle_info(predictor), model_bytes=5)
    network.unlink()
    (line,) = run_promotion_checks(folder, None, data=tmp_path).failed
    assert "model.onnx" in line
    assert run_promotion_checks(folder, None, data=tmp_path).candidate == replace(stated, model_bytes=0)


def test_a_network_that_can_not_take_the_photos_fails_as_a_candidate_and_is_an_error_as_a_champion(
    predictor: BundlePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=4, test=24)

    def loaded(folder: Path) -> Any:  # noqa: ANN401 - as the function it stands for
        """Load a bundle; one that is called "odd" says that it takes larger photos than it does."""
        opened = load_for_comparison(folder)
        if folder.name != "odd":
            return opened
        manifest: Manifest = opened.bundle.manifest.model_copy(update={"image": ImageSpec(side_px=48)})
        bundle = replace(opened.bundle, manifest=manifest)
        return replace(opened, predictor=replace(opened.predictor, bundle=bundle))

    monkeypatch.setattr(run_checks, "load_for_comparison", loaded)
    odd, good = changed(predictor, tmp_path / "odd"), predictor.bundle.folder
    report = run_promotion_checks(odd, good, data=data)
    assert [(check.name, check.passed) for check in report.checks] == [
        ("integrity", False),
        ("same_classes", True),
        ("held_out", True),
    ]
    said = "The network can't run on input of shape (7, 48, 48, 3)"
    assert report.checks[0].sentence.startswith(said)
    with pytest.raises(BundleError, match=re.escape(said)):
        run_promotion_checks(good, odd, data=data)


def test_both_networks_are_timed_on_their_own_images(
    predictor: BundlePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=4, test=24)
    champion = changed(predictor, tmp_path / "boxed", image=ImageSpec(side_px=32, resize="letterbox"))
    seen: list[tuple[Any, Any]] = []

    def measure(*models: tuple[Any, Any]) -> Latency:
        seen.extend(models)
        return Latency(3.0, 2.0, 12)

    monkeypatch.setattr(run_checks, "measure_latency", measure)
    report = run_promotion_checks(predictor.bundle.folder, champion, data=data)
    latency = next(check for check in report.checks if check.name == "latency")
    assert latency.sentence == "A photo takes 3.00 ms on one thread, with the champion 2.00 ms: 1.50 times as long."
    photos = [row.path for row in read_index(data) if row.split == Split.TEST][:8]
    for (predict, images), folder in zip(seen, (predictor.bundle.folder, champion), strict=True):
        spec = read(folder).image
        np.testing.assert_array_equal(images, np.stack([load(data / path, spec).pixels for path in photos]))
        assert predict(images).shape == (8, 4)


Item = TypeVar("Item")


def test_progress_is_shown_of_features_of_their_comparison_and_of_predictions(
    predictor: BundlePredictor, tmp_path: Path
) -> None:
    data = write_small_set(tmp_path / "data", train=1, valid=1, test=8)
    other = write_small_set(tmp_path / "other", train=1, valid=1, test=1, seed=9)
    index = read_index(other)
    packed = pack_features(features_of(other, index, [row for row in index if row.split != Split.TEST]))
    folder = trained_on(predictor, tmp_path / "seen", list(index), features=packed)
    told = list[str]()

    def progress(items: Iterable[Item], *, total: int | None = None, what: str = "") -> Iterator[Item]:  # noqa: ARG001 - the protocol names them
        told.append(what)
        yield from items

    limits = PromotionLimits(min_photos=2, min_groups=2)
    report = run_promotion_checks(folder, None, data=data, limits=limits, progress=progress)
    assert len(report.checks) == 9
    assert told == [
        "extracting keypoints",
        "searching candidate pairs",
        "comparing pairs of photos",
        "predicting photos",
    ]


def test_data_whose_groups_leak_evaluate_no_model(predictor: BundlePredictor, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=4, test=24)
    write_index(data, [replace(row, group_id="one") for row in read_index(data)])
    with pytest.raises(DataError, match="has photos in two splits"):
        run_promotion_checks(predictor.bundle.folder, None, data=data)
