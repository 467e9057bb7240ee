"""Tests of the accuracy of a run under corruptions: what is corrupted, drawn, stored, and left out."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import Split
from petmood.evaluation.corruptions import CORRUPTIONS, LEVELS, corrupt
from petmood.models.network import ExpressionNet
from petmood.pipelines import robustness as robustness_module
from petmood.pipelines.evaluate import evaluate_run, needs_evaluation, read_evaluation, scores_of
from petmood.pipelines.export import export_run
from petmood.pipelines.robustness import measure_robustness
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from petmood.training.dataset import evaluation_rows, open_index, open_photo_set
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]


@pytest.fixture(scope="module")
def run(settings: Settings) -> RunFolder:
    """Return a run on stripes that is measured on 12 of its 16 test photos."""
    return train(settings("name=corrupted", "epochs=6", "evaluation.robustness=12", "evaluation.baselines=false"))


def test_a_network_that_works_on_clean_photos_alone_loses_all_its_accuracy(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = run.read_metadata()
    rows = evaluation_rows(open_index(run.dataset()).rows, Split.TEST)
    photos = open_photo_set(run.dataset(), rows, classes=facts.classes, image=facts.image)
    clean = {image.tobytes(): int(label) for image, label in zip(photos.cache.pixels, photos.labels, strict=True)}
    given: list[bytes] = []

    def of_clean_alone(network: ExpressionNet, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        assert isinstance(network, ExpressionNet)
        given.extend(image.tobytes() for image in pixels)
        found = [clean.get(image.tobytes(), -1) for image in pixels]
        return np.eye(len(facts.classes) + 1)[found][:, :-1]

    monkeypatch.setattr(robustness_module, "logits_of", of_clean_alone)
    monkeypatch.setattr(robustness_module, "PHOTOS_AT_ONCE", 5)
    scored = {split: replace(one, labels=one.predicted()) for split, one in scores_of(run).items()}
    found = measure_robustness(run, scored)
    assert found is not None
    assert found.clean.value == 1
    assert list(found.corruptions) == list(CORRUPTIONS)
    first = scored[Split.TEST].labels == 0
    assert first.any(), "zeros for all classes are the first class"
    for name, levels in found.corruptions.items():
        assert [one.level for one in levels] == list(LEVELS)
        for one in levels:
            assert one.drop.value == pytest.approx(1 - one.accuracy.value)
            assert one.accuracy.value <= 0.5 or name == "blur", "of a tenth of a pixel at this size"
    assert (found.split, found.available, found.clean.n) == ("test", 16, 12)
    assert len(given) == 12 * len(CORRUPTIONS) * len(LEVELS)
    expected = {
        corrupt(image, name, level=level).tobytes()
        for image in photos.cache.pixels
        for name in CORRUPTIONS
        for level in LEVELS
    }
    assert set(given) <= expected


def test_results_are_stored_under_their_own_key_and_change_no_other(run: RunFolder, tmp_path: Path) -> None:
    found = evaluate_run(run)
    stored = read_evaluation(run)
    assert found.robustness is not None
    assert stored["robustness"] == found.robustness.to_json()
    assert found.robustness.sentence in run.report.read_text("utf-8")
    assert measure_robustness(run, scores_of(run)) == found.robustness, "the same seed gives the same figures"

    off = RunFolder(Path(shutil.copytree(run.path, tmp_path / "off")))
    off.write_metadata(run.read_metadata(), update={"data_path": str(run.dataset().resolve())})
    off.config.write_text(off.config.read_text().replace("robustness: 12", "robustness: 0"))
    assert evaluate_run(off).robustness is None
    others = json.loads(off.evaluation.read_bytes())
    assert others == {name: value for name, value in stored.items() if name != "robustness"}
    assert not needs_evaluation(off), "as one of an earlier version"
    assert "<code>petmood evaluate RUN</code> measures it" in off.report.read_text("utf-8")
    older = export_run(off, to=tmp_path / "older")
    assert "robustness" not in older.manifest.metrics
    assert "corruption" not in (older.folder / "card.md").read_text("utf-8")

    bundle = export_run(run, to=tmp_path / "bundle")
    kept = {name: value for name, value in stored["robustness"].items() if name != "corruptions"}
    assert bundle.manifest.metrics["robustness"] == kept
    assert f"\n\n{found.robustness.sentence}\n\n" in (bundle.folder / "card.md").read_text("utf-8")


def test_without_test_photos_validation_photos_are_corrupted_and_named_so(settings: Settings, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "no-test", test=0, classes=DEFAULT_CLASSES[:2])
    run = train(settings(f"data={data}", "name=no-test-corrupted", "epochs=1", "evaluation.robustness=50"))
    found = measure_robustness(run, scores_of(run))
    assert found is not None
    assert (found.split, found.available, found.clean.n) == ("valid", 16, 16)
    assert "on 16 validation photos. These photos calibrated the model" in found.sentence


def test_a_dataset_that_has_changed_is_not_measured_and_that_is_said(
    run: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changed = RunFolder(Path(shutil.copytree(run.path, tmp_path / "changed")))
    changed.write_metadata(
        run.read_metadata(), update={"data_hash": "0" * 64, "data_path": str(run.dataset().resolve())}
    )
    with caplog.at_level(logging.WARNING):
        assert measure_robustness(changed, scores_of(changed)) is None
    assert "The accuracy under corruptions is not measured. Expected data version 000000000000" in caplog.text
