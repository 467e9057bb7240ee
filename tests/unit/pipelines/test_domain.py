"""Tests of the domain of a run, with the frozen network: what is measured, kept, and left out."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from petmood.configs.schema import Config
from petmood.core.domain import DomainRule
from petmood.core.errors import DataError, MissingDependency
from petmood.data.index import Role, read_index
from petmood.inference.load import load_bundle
from petmood.pipelines import domain as domain_module
from petmood.pipelines.domain import measure_domain, read_domain
from petmood.pipelines.evaluate import evaluate_run, read_evaluation
from petmood.pipelines.export import export_run
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train

Settings = Callable[..., Config]
RULE = DomainRule(features="efficientnet_lite0", animal_threshold=0.5, target_false_alarms=0.1)


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
    assert f"Of {images} images without a pet, {refused} are refused." in text
    assert "demo drawings" in text

    bundle = export_run(run, to=tmp_path / "bundle")
    assert bundle.manifest.domain == result.rule
    predictor = load_bundle(bundle.folder)
    photo = next(row.path for row in read_index(run.dataset()) if row.role == Role.ORIGINAL)
    assert predictor.predict(run.dataset() / photo).in_domain
    Image.new("RGB", (80, 60), "teal").save(tmp_path / "flat.png")
    answer = predictor.predict(tmp_path / "flat.png")
    assert (answer.label, answer.in_domain, answer.confident) == (None, False, False)


def test_the_same_photos_give_the_same_domain(run: RunFolder) -> None:
    first = measure_domain(run)
    before = run.domain.read_bytes()
    assert measure_domain(run) == first
    assert run.domain.read_bytes() == before


def test_a_stored_domain_is_read_with_its_rule_and_a_damaged_one_is_refused(run: RunFolder, tmp_path: Path) -> None:
    measure_domain(run)
    found = read_domain(run, RULE)
    assert found.rule == RULE
    assert found.mean.shape == (1280,)
    assert found.components.shape == (1280, len(found.precisions))
    assert found.limit > 0
    assert np.allclose(found.components.T @ found.components, np.eye(len(found.precisions)), atol=1e-5)
    damaged = replace(run, path=tmp_path)
    damaged.domain.write_bytes(run.domain.read_bytes()[:500])
    with pytest.raises(DataError, match=r"domain\.npz is damaged"):
        read_domain(damaged, RULE)


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
