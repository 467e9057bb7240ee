"""Baselines of a run: on which rows they are fitted, and the cache of their HOG features."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.data.index import Role, Split, read_index, write_index
from petmood.evaluation.baselines import hog_features
from petmood.pipelines import baselines as module
from petmood.pipelines.evaluate import evaluate_run, read_evaluation
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.read_only import deny_writes
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]


def test_hog_features_are_computed_once_for_a_version_of_the_data(
    evaluated: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, computed = evaluated.evaluation.read_text(), count_hog_features(monkeypatch)
    evaluate_run(evaluated)
    assert evaluated.evaluation.read_text() == before
    assert computed == [1], "only those of the generated photo that the cache's name depends on"


@pytest.mark.parametrize("changed", ["side", "decoding"])
def test_hog_features_that_other_code_computed_are_not_used(
    evaluated: RunFolder, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    if changed == "side":
        monkeypatch.setattr(module, "hog_features", partial(hog_features, side_px=96))
    else:
        monkeypatch.setattr(module, "ENOUGH_PX", 16)
    computed = count_hog_features(monkeypatch)
    evaluate_run(evaluated)
    assert computed == [1, len(read_index(evaluated.dataset()))]


def count_hog_features(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of photos of each computation of HOG features from now on."""
    counts: list[int] = []
    real = vars(module)["hog_features"]

    def counted(photos: Iterable[NDArray[np.uint8]], **options: Any) -> NDArray[np.float32]:  # noqa: ANN401 - as the function it stands for
        found: NDArray[np.float32] = real(photos, **options)
        counts.append(len(found))
        return found

    monkeypatch.setattr(module, "hog_features", counted)
    return counts


def test_on_other_photos_the_baselines_are_those_of_the_rows_that_the_model_learned_from(
    evaluated: RunFolder, tmp_path: Path
) -> None:
    # The training photos of the run are of four classes in equal numbers; those of the other dataset are all sad.
    other = write_small_set(tmp_path / "sad", seed=5)
    rows = [row for row in read_index(other) if row.split != Split.TRAIN or row.label == "sad"]
    write_index(other, rows)
    own = read_evaluation(evaluated)["baselines"]
    found = evaluate_run(evaluated, data=other).baselines
    assert set(found) == {"most_frequent", "hog_svm", "permuted_labels"}
    assert found["most_frequent"]["accuracy"].n == 16
    assert found["most_frequent"]["nll"].value == pytest.approx(own["most_frequent"]["nll"]["value"])
    assert found["hog_svm"]["accuracy"].value > 0.5
    judged_only = Path(shutil.copytree(other, tmp_path / "judged-only"))
    write_index(judged_only, [row for row in rows if row.split != Split.TRAIN])
    alone = evaluate_run(evaluated, data=judged_only)
    assert alone.splits["test"]["accuracy"].n == 16
    assert alone.baselines == found, "the other's training photos change nothing"


@pytest.mark.parametrize("gone", ["changed", "missing"])
def test_without_the_rows_that_the_model_learned_from_there_are_no_baselines(
    evaluated: RunFolder, small_set: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, gone: str
) -> None:
    data = Path(shutil.copytree(small_set, tmp_path / "stripes"))
    run = RunFolder(Path(shutil.copytree(evaluated.path, tmp_path / "run")))
    run.write_metadata(run.read_metadata(), update={"data_path": str(data)})
    if gone == "changed":
        write_index(data, read_index(data).rows[1:])
        found = evaluate_run(run)
    else:
        data.rename(tmp_path / "elsewhere")
        found = evaluate_run(run, data=tmp_path / "elsewhere")
    assert found.baselines == {}
    assert found.splits["test"]["accuracy"].n == 16
    assert found.comparison is not None
    assert "The photos that the model learned from are not there, so there are no baselines." in caplog.text


@pytest.mark.parametrize(("include_copies", "accuracy"), [(False, 4 / 13), (True, 1 / 13)])
def test_baselines_are_fitted_on_the_rows_that_the_model_learned_from(
    settings: Settings, tmp_path: Path, *, include_copies: bool, accuracy: float
) -> None:
    # Training photos: 6 angry and 6 copies of them, 8 happy, 6 other, 6 sad. Test photos: 1 angry, 4 of the others.
    folder = write_small_set(tmp_path / "uneven", copies=32)
    few = {"angry": 6, "happy": 8, "other": 6, "sad": 6}
    rows, seen = [], Counter[tuple[str, ...]]()
    for row in read_index(folder).rows:
        kind = (row.split, row.role, row.label)
        seen[kind] += 1
        limit = few[row.label] if row.split == Split.TRAIN else 1 if kind[::2] == (Split.TEST, "angry") else 99
        if seen[kind] <= limit and (row.role == Role.ORIGINAL or row.label == "angry"):
            rows.append(row)
    write_index(folder, rows)
    run = train(
        settings(f"data={folder}", f"name=uneven-{include_copies}", "epochs=1", f"data.include_copies={include_copies}")
    )
    found = evaluate_run(run).baselines["most_frequent"]["accuracy"]
    assert found.value == pytest.approx(accuracy)


@pytest.mark.parametrize("what", ["read-only", "full", "damaged"])
def test_photos_whose_cache_can_not_be_used_are_evaluated_all_the_same(
    evaluated: RunFolder, small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    data = tmp_path / "stripes"
    shutil.copytree(small_set, data, ignore=shutil.ignore_patterns(".cache"))
    run = RunFolder(Path(shutil.copytree(evaluated.path, tmp_path / "run")))
    run.write_metadata(run.read_metadata(), update={"data_path": str(data)})
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "user"))
    if what == "read-only":
        deny_writes(monkeypatch, data)
    elif what == "full":
        monkeypatch.setattr(module, "atomic_write_bytes", full)
    else:
        evaluate_run(run)
        (cached,) = (data / ".cache").glob("hog-*.npy")
        cached.write_bytes(b"")
    evaluate_run(run)
    assert read_evaluation(run) == read_evaluation(evaluated)
    assert [path.name[:4] for path in (tmp_path / "user").rglob("*.npy")] == (["hog-"] if what == "read-only" else [])
    assert (data / ".cache").exists() == (what == "damaged")
