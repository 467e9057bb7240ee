"""Export of a run: equal predictions of the bundle, and rejection of runs that can't be exported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from petmood.configs.load import compose
from petmood.configs.schema import Config
from petmood.core.bundle import DUPLICATES_NAME, Bundle, read, verify
from petmood.core.errors import BundleError, ConfigError, DataError, OutputError, OutputLocked
from petmood.core.files import sha256_of
from petmood.core.golden import read_golden
from petmood.core.image import load
from petmood.core.image_statistics import statistics_of
from petmood.core.locks import exclusive_lock
from petmood.core.prediction import Prediction
from petmood.data.duplicates.feature_store import unpack_features
from petmood.data.duplicates.relations import RELATIONS_NAME, RelationKind, RelationRow, relations_text
from petmood.data.index import DataIndex, Role, Split, read_index
from petmood.evaluation.predictions import Predictions
from petmood.inference.load import load_bundle
from petmood.monitoring.drift.bundle_reference import read_reference
from petmood.pipelines import export as exporting
from petmood.pipelines.evaluate import read_evaluation
from petmood.pipelines.export import (
    GOLDEN_PHOTOS,
    export_run,
    has_trained_embedding,
    reference_photos,
    rows_of_reference,
    rows_to_recognize,
)
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from petmood.training.dataset import training_rows
from tests.support.evaluation import MakeRows
from tests.support.small_sets import write_small_set


@pytest.fixture(scope="module")
def bundle(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the bundle of the shared run."""
    return export_run(small_run, to=tmp_path_factory.mktemp("bundles") / "First One")


def test_a_bundle_says_where_it_comes_from(bundle: Bundle, small_run: RunFolder, small_set: Path) -> None:
    manifest, numbers = verify(bundle.folder).manifest, read_evaluation(small_run)
    assert manifest.name == "first-one"
    assert manifest.data_hash == read_index(small_set).hash
    assert manifest.config["model"]["backbone"] == "tiny"
    assert manifest.temperature == numbers["calibration"]["temperature"]
    assert manifest.conformal_quantile == numbers["conformal"]["quantile"]
    assert manifest.metrics["splits"] == numbers["splits"]
    assert manifest.metrics["weights"] == sha256_of(small_run.weights)
    card = (bundle.folder / "card.md").read_text()
    assert "cat" in card
    assert "dog" in card


def test_the_bundle_answers_photos_as_the_run_did(bundle: Bundle, small_run: RunFolder, small_set: Path) -> None:
    scored = Predictions.load(small_run.predictions(Split.TEST))
    answers = load_bundle(bundle.folder).predict_batch([small_set / path for path in scored.paths])
    expected = scored.probabilities(temperature=bundle.manifest.temperature)
    for answer, chances in zip(answers, expected, strict=True):
        assert isinstance(answer, Prediction)
        np.testing.assert_allclose(list(answer.probabilities.values()), chances, atol=1e-3)


def test_golden_photos_are_of_every_label(bundle: Bundle) -> None:
    golden = read_golden(bundle)
    assert golden.pixels.shape == (GOLDEN_PHOTOS, 24, 24, 3)
    assert set(golden.logits.argmax(axis=1)) == {0, 1, 2, 3}


def test_near_duplicates_of_every_photo_that_the_model_saw_can_be_found_with_the_bundle(
    bundle: Bundle, small_set: Path
) -> None:
    index = read_index(small_set)
    found = unpack_features(bundle.folder / DUPLICATES_NAME, at_most=len(index))
    assert found is not None
    assert set(found) == {row.sha256 for row in index if row.split in {Split.TRAIN, Split.VALID}}
    assert DUPLICATES_NAME in bundle.manifest.files


def test_copies_that_an_original_stands_for_are_not_stored(make_rows: MakeRows, tmp_path: Path) -> None:
    """Group 0 has a copy related to its original, and a copy that is related to that copy only."""
    rows = make_rows(12, copies=2, classes=("sad",), splits=("train", "valid", "test"))
    rows = [replace(row, role=Role.EXCLUDED) if row.path == "photos/0001-1.png" else row for row in rows]
    near, related = RelationKind.NEAR_DUPLICATE, RelationKind.RELATED
    pairs = [("photos/0000-0.png", "photos/0000-1.png", near), ("photos/0000-1.png", "photos/0000-2.png", near)]
    pairs += [("photos/0003-0.png", "photos/0003-2.png", related)]
    relations = [RelationRow(*pair, "9 inliers") for pair in pairs]
    (tmp_path / RELATIONS_NAME).write_text(relations_text(relations))
    paths = [row.path for row in rows_to_recognize(tmp_path, DataIndex(tuple(rows)))]
    assert [path for path in paths if path.startswith("photos/0000")] == ["photos/0000-0.png", "photos/0000-2.png"]
    assert [path for path in paths if path.startswith("photos/0001")] == ["photos/0001-0.png", "photos/0001-2.png"]
    assert len([path for path in paths if path.startswith("photos/0003")]) == 3
    assert {row.split for row in rows if row.path in paths} == {Split.TRAIN, Split.VALID}


def test_a_bundle_is_never_changed_unless_asked_for(bundle: Bundle, small_run: RunFolder) -> None:
    with pytest.raises(BundleError, match="exists, and bundles are immutable"):
        export_run(small_run, to=bundle.folder)


def test_a_second_export_to_one_folder_is_refused_before_any_work(
    small_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("evaluate_run", "open_index", "load_network"):
        monkeypatch.setattr(exporting, step, None)
    with (
        exclusive_lock(tmp_path / "bundle"),
        pytest.raises(OutputLocked, match="bundle is being written by process"),
    ):
        export_run(small_run, to=tmp_path / "bundle", replace=True)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_bundle_may_have_is_refused(small_run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'Mr\. X' is not a valid model name\. Expected 1 to 64 of a-z"):
        export_run(small_run, to=tmp_path / "x", name="Mr. X")
    assert export_run(small_run, to=tmp_path / "Ünique", name="unique-1").manifest.name == "unique-1"


def test_without_validation_photos_nothing_is_promised(settings: Callable[..., Config], tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "no-valid", valid=0)
    run = train(settings(f"data={data}", "name=no-valid", "evaluation.baselines=false"))
    export_run(run, to=tmp_path / "bundle")
    manifest = read(tmp_path / "bundle")
    assert (manifest.temperature, manifest.conformal_quantile, manifest.decision.confidence_threshold > 1) == (
        1.0,
        1.0,
        True,
    )


def test_other_photos_than_the_run_was_trained_on_are_refused(settings: Callable[..., Config], tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data")
    run = train(settings(f"data={data}", "name=before", "evaluation.baselines=false", "epochs=1"))
    write_small_set(data, seed=1)
    with pytest.raises(DataError, match="Expected data version"):
        export_run(run, to=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_link_in_a_circle_is_refused_as_a_target(small_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OutputError, match="circle contains a broken link"):
        export_run(small_run, to=tmp_path / "circle")


def test_the_reference_has_photos_that_the_embedding_was_not_trained_on(small_set: Path) -> None:
    rows = read_index(small_set).rows
    learned = training_rows(rows, include_copies=True)
    source, reference, others = rows_of_reference(rows, learned, is_trained=True)
    assert (source, others) == ("held_out", learned)
    assert {row.split for row in reference} == {Split.VALID, Split.TEST}
    assert len({row.group_id for row in reference}) == len(reference) == 32
    source, reference, others = rows_of_reference(rows, learned, is_trained=False)
    assert source == "all"
    assert {row.group_id for row in reference}.isdisjoint({row.group_id for row in others})
    assert len({row.group_id for row in (*reference, *others)}) == len(reference) + len(others) == 64
    assert all(row.role == Role.ORIGINAL for row in (*reference, *others))


def test_the_photos_of_a_reference_are_found_in_its_dataset(bundle: Bundle, small_set: Path) -> None:
    paths = reference_photos(bundle.manifest, small_set)
    measured = [statistics_of(load(path, bundle.manifest.image).pixels) for path in paths]
    assert read_reference(bundle).statistics == pytest.approx(np.array(measured, np.float32))


def test_another_data_version_and_another_choice_of_photos_are_refused(
    bundle: Bundle, small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bundle.manifest.model_copy(update={"data_hash": "0" * 64})
    with pytest.raises(DataError, match=r"Expected data version 000000000000 in .* Give the folder of that version"):
        reference_photos(other, small_set)
    monkeypatch.setattr(exporting, "MOST_REFERENCE", 5)
    with pytest.raises(DataError, match="another version of petmood chose them"):
        reference_photos(bundle.manifest, small_set)


def test_a_long_reference_is_cut_evenly(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_REFERENCE", 5)
    rows = read_index(small_set).rows
    _, reference, others = rows_of_reference(rows, training_rows(rows, include_copies=False), is_trained=True)
    assert (len(reference), len(others)) == (5, 5)
    assert {row.split for row in reference} == {Split.VALID, Split.TEST}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["recipe=scratch"], True),
        (["recipe=closed_form", "model=fixed_filters"], False),
        (["recipe=linear_probe", "model=efficientnet_lite0"], False),
        (["recipe=linear_probe", "model=efficientnet_lite0", "model.weights=runs/x/model.safetensors"], True),
    ],
)
def test_weights_of_a_run_may_have_been_trained_on_the_dataset(overrides: list[str], expected: bool) -> None:
    assert has_trained_embedding(compose(overrides)) is expected
