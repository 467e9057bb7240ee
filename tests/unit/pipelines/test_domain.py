"""Tests of the domain of a run, with the frozen network: what is measured, kept, and left out."""

import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from petmood.configs.schema import Config
from petmood.core.errors import DataError, MissingDependency, RunError
from petmood.core.image import load
from petmood.data.index import Role, read_index
from petmood.evaluation import scenes as scenes_module
from petmood.evaluation.scenes import ScenePhotos
from petmood.export.domain import domain_outputs
from petmood.inference.load import load_bundle
from petmood.pipelines import domain as domain_module
from petmood.pipelines.domain import measure_domain, read_domain
from petmood.pipelines.evaluate import evaluate_run, needs_evaluation, read_evaluation
from petmood.pipelines.export import export_run
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train

Settings = Callable[..., Config]


@pytest.fixture(scope="module")
def run(settings: Settings) -> RunFolder:
    """Return a run on stripes whose photos may be refused."""
    return train(settings("name=with-domain", "epochs=6", "evaluation.false_alarms=0.1", "evaluation.baselines=false"))


def test_images_without_stripes_are_out_of_the_domain_of_stripes(run: RunFolder, tmp_path: Path) -> None:
    result = evaluate_run(run).domain
    assert result is not None
    refused, images = result.total
    assert refused / images > 0.95
    assert result.auroc > 0.99
    assert result.false_alarms is not None
    assert result.false_alarms.n == 16, "the original test photos"
    assert result.false_alarms.low <= 0.1
    assert result.rule.features == "efficientnet_lite0"
    stored = read_evaluation(run)["domain"]
    assert stored == result.to_json()
    text = run.report.read_text("utf-8")
    assert f"refused. Of {images} images without a pet, {refused} are refused." in text
    assert "demo drawings" in text

    bundle = export_run(run, to=tmp_path / "bundle")
    assert bundle.manifest.domain == result.rule
    predictor = load_bundle(bundle.folder)
    photo = next(row.path for row in read_index(run.dataset()) if row.role == Role.ORIGINAL)
    assert predictor.predict(run.dataset() / photo).in_domain
    Image.new("RGB", (80, 60), "teal").save(tmp_path / "flat.png")
    answer = predictor.predict(tmp_path / "flat.png")
    assert (answer.label, answer.in_domain, answer.confident) == (None, False, False)


def test_scene_warnings_of_a_run_come_into_its_bundle_and_its_answers(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few groups and composites, and probes that are kept however little they find."""
    for name, value in (("MIN_GROUPS", 20), ("EACH", 4), ("MIN_FOUND", 0.0)):
        monkeypatch.setattr(scenes_module, name, value)
    copy = replace(run, path=shutil.copytree(run.path, tmp_path / "run"))
    facts = copy.read_metadata()
    copy.write_metadata(facts, update={"data_path": str(run.dataset().resolve())})
    result = evaluate_run(copy).domain
    assert result is not None
    assert result.scenes is not None
    assert result.rule.scene_warnings == ("two_pets", "face_unclear")
    assert [one["kept"] for one in result.scenes.values()] == [True, True]
    assert read_evaluation(copy)["domain"]["scenes"] == result.scenes
    text = copy.report.read_text("utf-8")
    assert '<th scope="row">two pets</th><td>side by side ' in text
    assert '<th scope="row">face unclear</th><td>far ' in text

    fitted = read_domain(copy, read_evaluation(copy)["domain"])
    bundle = export_run(copy, to=tmp_path / "bundle")
    assert bundle.manifest.domain == result.rule
    predictor = load_bundle(bundle.folder)
    rows = [row for row in read_index(run.dataset()) if row.role == Role.ORIGINAL][:8]
    answers = [predictor.predict(run.dataset() / row.path) for row in rows]
    spec = bundle.manifest.image
    pixels = np.stack([load(run.dataset() / row.path, spec).pixels for row in rows])
    expected = domain_outputs(fitted, pixels, side_px=spec.side_px)
    for at, answer in enumerate(answers):
        assert answer.domain is not None
        assert answer.domain.scenes == {
            name: pytest.approx(float(expected[name][at]), abs=1e-3) for name in ("two_pets", "face_unclear")
        }


def test_probes_learn_from_a_bounded_number_of_photos(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_module, "MOST_SCENE_PHOTOS", 12)
    given: list[ScenePhotos] = []

    def fit(photos: ScenePhotos, *_: object, **__: object) -> None:
        given.append(photos)

    monkeypatch.setattr(domain_module, "fit_scenes", fit)
    assert measure_domain(run) is not None
    (photos,) = given
    assert [len(part) for part in (photos.pixels, photos.features, photos.groups, photos.labels)] == [12] * 4
    monkeypatch.setattr(domain_module, "MOST_SCENE_PHOTOS", 100_000)
    assert measure_domain(run) is not None
    every = given[1]
    rows = [every.groups.index(group) for group in photos.groups]
    assert rows == sorted(rows)
    assert len({*rows}) == 12
    assert np.array_equal(photos.pixels, every.pixels[rows])
    assert np.array_equal(photos.features, every.features[rows])
    assert np.array_equal(photos.labels, every.labels[rows])


def test_drawings_and_few_groups_get_no_scene_warnings(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    few = measure_domain(run)
    monkeypatch.setattr(scenes_module, "MIN_GROUPS", 20)
    monkeypatch.setattr(domain_module, "data_kind", lambda _: "drawings")
    drawn = measure_domain(run)
    for measured in (few, drawn):
        assert measured is not None
        assert measured.result.scenes is None
        assert measured.result.rule.scene_warnings == ()
        assert "scenes" not in measured.result.to_json()


def test_a_run_whose_domain_was_removed_needs_another_evaluation(run: RunFolder) -> None:
    evaluate_run(run)
    assert not needs_evaluation(run)
    run.domain.unlink()
    assert needs_evaluation(run)


def test_the_same_photos_give_the_same_domain(run: RunFolder) -> None:
    first = measure_domain(run)
    assert first is not None
    assert measure_domain(run) == first


def test_a_stored_domain_is_read_with_its_rule_and_another_or_a_damaged_one_is_refused(
    run: RunFolder, tmp_path: Path
) -> None:
    evaluate_run(run)
    result = read_evaluation(run)["domain"]
    found = read_domain(run, result)
    assert found.rule.model_dump() == result["rule"]
    assert found.mean.shape == (1280,)
    assert found.components.shape == (1280, len(found.precisions))
    assert found.limit > 0
    assert np.allclose(found.components.T @ found.components, np.eye(len(found.precisions)), atol=1e-5)
    damaged = replace(run, path=tmp_path)
    with pytest.raises(RunError, match=r"npz is missing or belongs to another evaluation\. Evaluate the run"):
        read_domain(damaged, result)
    half = run.domain.read_bytes()[:500]
    damaged.domain.write_bytes(half)
    with pytest.raises(RunError, match="belongs to another evaluation"):
        read_domain(damaged, result)
    with pytest.raises(DataError, match=r"domain\.npz is damaged"):
        read_domain(damaged, {**result, "fitted": hashlib.sha256(half).hexdigest()})


def test_metrics_are_given_before_the_domain_is_written(run: RunFolder) -> None:
    asked: list[tuple[bool, bool]] = []
    evaluate_run(run)
    run.domain.unlink()
    evaluate_run(run, on_result=lambda result: asked.append((result.domain is not None, run.domain.exists())))
    assert asked == [(True, False)]
    assert run.domain.is_file()


def test_a_report_on_other_photos_does_not_claim_that_every_photo_gets_a_class(run: RunFolder, small_set: Path) -> None:
    evaluate_run(run, data=small_set)
    text = (run.path / f"report-{small_set.name}.html").read_text("utf-8")
    assert "or these photos are not those of its own dataset" in text
    assert "images without a pet" not in text


def test_a_dataset_that_has_changed_since_the_training_gives_no_domain(
    run: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changed = replace(run, path=shutil.copytree(run.path, tmp_path / "changed"))
    facts = changed.read_metadata()
    changed.write_metadata(facts, update={"data_hash": "0" * 64, "data_path": str(run.dataset().resolve())})
    with caplog.at_level(logging.WARNING):
        assert measure_domain(changed) is None
    assert "Photos without a pet will not be recognized. Expected data version 000000000000" in caplog.text


def test_without_weights_or_with_too_few_photos_no_photo_is_refused_and_that_is_said(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def too_few(*_: object, **__: object) -> None:
        raise DataError("Expected at least 20 groups of photos for a domain rule, got 3.")

    def missing(**_: object) -> None:
        raise MissingDependency("timm is not installed.")

    for name, replacement in (("fit_domain", too_few), ("FeatureNetwork", missing)):
        caplog.clear()
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(domain_module, name, replacement)
            assert measure_domain(run) is None
        assert "Photos without a pet will not be recognized" in caplog.text


def test_a_share_of_zero_measures_nothing(small_run: RunFolder) -> None:
    assert small_run.read_config().evaluation.false_alarms == 0
    assert measure_domain(small_run) is None
    assert not small_run.domain.exists()
