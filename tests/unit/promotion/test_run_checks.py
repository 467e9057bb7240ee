"""Tests of the promotion run: early refusal of bundles and data that can't be compared."""

from dataclasses import replace
from pathlib import Path

import pytest

from petmood.core.bundle import write
from petmood.core.errors import BundleError, DataError
from petmood.data.index import read_index, write_index
from petmood.inference.load import BundlePredictor, load_bundle
from petmood.promotion.limits import PromotionLimits
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
    assert "manifest.json is missing" in report.failed[0]
    assert (report.candidate.name, report.candidate.sha256, report.created) == ("empty", "", "now")
    assert report.champion is not None
    assert report.champion.sha256 == predictor.bundle.sha256
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
    assert len(run_promotion_checks(predictor.bundle.folder, None, data=sets["photos"], limits=limits).checks) == 7


def test_data_whose_groups_leak_evaluate_no_model(predictor: BundlePredictor, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=4, test=24)
    write_index(data, [replace(row, group_id="one") for row in read_index(data)])
    with pytest.raises(DataError, match="has photos in two splits"):
        run_promotion_checks(predictor.bundle.folder, None, data=data)
