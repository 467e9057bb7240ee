"""Datasets with other classes than the default set: from class folders to the answer of the service."""

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from petmood.configs.load import compose
from petmood.core.errors import DataError, PromotionRejected
from petmood.core.prediction import Prediction
from petmood.core.schemas import PredictionResponse
from petmood.data.importer import import_photos
from petmood.data.index import read_index
from petmood.data.sources.folder import FolderSource
from petmood.data.validation.issues import validate_dataset
from petmood.frontend.view import result_view
from petmood.inference.load import load_bundle
from petmood.pipelines.evaluate import compare_runs, evaluate_run, read_evaluation
from petmood.pipelines.export import export_run
from petmood.pipelines.promote import promote
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from petmood.promotion.run_checks import run_promotion_checks
from petmood.registry.base import Author
from petmood.registry.uri import open_registry
from petmood.serving.app import create_app
from petmood.serving.settings import Settings
from tests.support.generous import GENEROUS
from tests.support.images import png
from tests.support.small_sets import SMALL, striped, write_small_set
from tests.support.trees import mirror_finder

TWO = ("happy", "unhappy")
THREE = ("fear", "happy", "relaxed")
SEVEN = ("angry", "disgusted", "fear", "happy", "neutral", "sad", "very surprised")


def trained(data: Path, folder: Path, *overrides: str) -> RunFolder:
    return train(compose([*SMALL, f"data={data}", f"run.folder={folder}", "epochs=6", *overrides]))


@pytest.mark.parametrize(
    ("classes", "recipe"),
    [(TWO, "recipe=linear_probe"), (THREE, "optimizer.lr=0.02"), (SEVEN, "recipe=linear_probe")],
    ids=["two", "three", "seven"],
)
def test_the_classes_of_the_folders_are_those_of_the_served_answer(
    classes: tuple[str, ...], recipe: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    for number in range(12 * len(classes)):
        photo = tmp_path / "in" / classes[number % len(classes)].title() / f"{number}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(png(striped(("angry", "happy", "other", "sad")[number % 4], rng, side_px=64)))
    report = import_photos(FolderSource(tmp_path / "in"), to=tmp_path / "pets", find_near_duplicates=mirror_finder)
    assert report.index.classes == classes == read_index(tmp_path / "pets").classes
    assert not validate_dataset(tmp_path / "pets").has_blocking_issues

    run = trained(tmp_path / "pets", tmp_path / "runs", recipe)
    assert run.read_metadata().classes == classes
    evaluate_run(run)
    assert tuple(read_evaluation(run)["classes"]["test"]) == classes
    bundle = export_run(run, to=tmp_path / "bundle")
    assert bundle.manifest.classes == classes
    assert all(label in (bundle.folder / "card.md").read_text() for label in classes)

    data = (tmp_path / "pets" / report.index.rows[0].path).read_bytes()
    app = create_app(load_bundle(bundle.folder), settings=Settings(threads=1, **GENEROUS))
    with TestClient(app) as client:
        assert client.get("/model").json()["classes"] == list(classes)
        answered = client.post("/predict", files={"photo": ("a.png", data)})
        assert answered.status_code == 200, answered.text
        body = PredictionResponse.model_validate(answered.json())
        assert tuple(body.probabilities) == classes
        assert body.label in classes
        assert any(f'"{body.label}"' in line for line in client.get("/metrics").text.splitlines())
    assert len(result_view(Prediction.from_response(body)).bars) == len(classes)


def test_models_of_different_classes_are_neither_compared_nor_promoted(tmp_path: Path) -> None:
    first = write_small_set(tmp_path / "first", train=24, valid=12, test=24)
    other = write_small_set(tmp_path / "other", train=24, valid=12, test=24, classes=THREE, seed=5)
    runs = [trained(data, tmp_path / "runs", f"name={data.name}") for data in (first, other)]
    with pytest.raises(DataError, match="Expected two runs with the same classes") as caught:
        compare_runs(*runs)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"The photos have 'fear', 'relaxed', but the classes of the run .*first are"):
        evaluate_run(runs[0], data=other)

    registry = open_registry(f"{tmp_path}/registry")
    bundles = [export_run(run, to=tmp_path / "bundles" / run.path.name).folder for run in runs]
    old, new = (registry.push(folder, by="me") for folder in bundles)
    registry.promote(old, alias="champion", by=Author("me"), seen=registry.state())
    with pytest.raises(PromotionRejected) as refused:
        promote(registry, new, alias="champion", by=Author("me"), data=other)
    (line,) = str(refused.value).splitlines()[1:]
    assert "The champion has the classes angry, happy, other, sad" in line
    assert "--model NAME" in line
    assert registry.state().aliases == {"champion": old.number}

    report = run_promotion_checks(bundles[0], None, data=other)
    assert [(check.name, check.passed) for check in report.checks] == [("integrity", True), ("same_classes", False)]
    assert "further classes fear, relaxed" in report.failed[0]
