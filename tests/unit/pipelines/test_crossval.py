"""Grouped cross-validation, with permuted labels at chance level and an optimistic random split."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from petmood.configs.load import dump
from petmood.configs.schema import Config
from petmood.core.errors import DataError, OutputError, OutputLocked, RunError
from petmood.data.index import Role, read_index, write_index
from petmood.evaluation.fold_files import read_origin
from petmood.evaluation.permutation import Permuted, permutation_test
from petmood.evaluation.predictions import Predictions
from petmood.pipelines import crossval as crossval_module
from petmood.pipelines.crossval import CrossvalReport, crossval
from petmood.pipelines.recipe_fit import PERMUTATIONS
from petmood.pipelines.run_folder import RunFolder
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]
PROBE = ("recipe=linear_probe", "weights=none", "recipe.l2_strengths=[0.01]", "folds=3")


@pytest.fixture(scope="module")
def noisy_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set whose classes are drawn by lot, each training photo with a copy: nothing but copies can help."""
    folder = write_small_set(tmp_path_factory.mktemp("sets") / "lots", train=48, valid=0, test=0, copies=48, noise=60)
    rng = np.random.default_rng(3)
    lots = {row.group_id: str(rng.choice(["angry", "happy", "other", "sad"])) for row in read_index(folder)}
    write_index(folder, [replace(row, label=lots[row.group_id]) for row in read_index(folder)])
    return folder


@pytest.fixture(scope="module")
def report(settings: Settings, noisy_set: Path) -> CrossvalReport:
    """Return a cross-validation where labels mean nothing, copies kept."""
    return crossval(settings(*PROBE, f"data={noisy_set}", "data.include_copies=true", "name=lots"))


def test_a_leak_through_copies_flatters_and_whole_groups_do_not(report: CrossvalReport) -> None:
    honest, leaky = report.recipe.metrics["accuracy"], report.baselines["random_split"].metrics["accuracy"]
    assert honest.value < 0.5
    assert leaky.value > honest.value + 0.2


def test_copies_are_never_tested_on_but_in_the_leak(report: CrossvalReport, noisy_set: Path) -> None:
    of = {role: {row.path for row in read_index(noisy_set) if row.role == role} for role in Role}
    assert len(of[Role.ORIGINAL]) == len(of[Role.NEAR_DUPLICATE]) == 48
    for name in ("most_frequent", "hog_svm"):
        assert set(report.baselines[name].pooled[0].paths) == of[Role.ORIGINAL]
    assert set(report.recipe.pooled[0].paths) == of[Role.ORIGINAL]
    assert set(report.baselines["random_split"].pooled[0].paths) == of[Role.ORIGINAL] | of[Role.NEAR_DUPLICATE]


def test_every_number_is_written_down(report: CrossvalReport) -> None:
    written = json.loads((report.folder / "crossval.json").read_text())
    assert {"metrics", "baselines", "comparison", "verdict", "folds", "code_version"} <= set(written)
    assert written["data_hash"] == read_origin(report.folder)["data"]  # type: ignore[index] # there is one
    assert set(written["baselines"]) == {"most_frequent", "hog_svm", "random_split"}
    assert set(written["comparison"]["baselines"]) == {"most_frequent", "hog_svm"}
    assert written["verdict"] == report.verdict
    assert len(written["folds"]) == 3
    assert (report.folder / "config.yaml").is_file()
    kept = Predictions.load(report.folder / "out_of_fold-0.npz")
    assert kept.paths == report.recipe.pooled[0].paths
    assert np.array_equal(kept.logits, report.recipe.pooled[0].logits)


def test_the_report_shows_the_recipe_beside_its_baselines_with_photos(report: CrossvalReport) -> None:
    page = (report.folder / "crossval.html").read_text("utf-8")
    for words in ("lots: tiny on lots, cross-validated", "48 original photos", "HOG", "permutation test", "leaks"):
        assert words in page
    assert page.count("data:image/") >= 24


def test_a_group_is_never_on_both_sides_of_a_fold(
    settings: Settings, noisy_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(read_index(noisy_set))
    seen = []

    def watched(*_: object, **__: object) -> object:
        def fit(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
            del seed
            seen.append(({rows[n].group_id for n in train}, {rows[n].group_id for n in test}))
            return np.zeros((len(test), 4))

        return fit

    monkeypatch.setattr(crossval_module, "recipe_fit", watched)
    wanted = ("crossval.permuted_labels=false", "crossval.leakage=false", "data.include_copies=true")
    found = crossval(settings(*PROBE, *wanted, f"data={noisy_set}", "name=watched"))
    assert len(seen) == 3
    assert all(not (train & test) for train, test in seen)
    assert set(found.baselines) == {"most_frequent", "hog_svm"}


def test_real_signal_is_found_and_permuted_labels_stay_near_chance(settings: Settings, small_set: Path) -> None:
    wanted = ("recipe.patience=4", "epochs=8", "folds=2", "crossval.leakage=false", "optimizer.lr=0.01")
    found = crossval(settings(*wanted, f"data={small_set}", "name=signal"))
    assert found.recipe.metrics["accuracy"].value > 0.6
    chance = found.comparison.chance
    assert chance == permutation_test(found.recipe.pooled)
    assert (chance.permuted, chance.permutations) == (Permuted.PREDICTIONS, 9999)
    assert (chance.mean < 0.3, chance.p_value) == (True, 0.0001)
    assert found.verdict.startswith("The recipe is right in ")
    assert "each predicted by a model that learned from no photo of its group (95% interval" in found.verdict
    assert "It is better than chance (p < 0.001)" in found.verdict


def test_where_labels_mean_nothing_the_recipe_is_not_shown_to_be_better_than_chance(report: CrossvalReport) -> None:
    assert report.comparison.chance.p_value > 0.05
    assert " It is not shown to be better than chance (p = " in report.verdict


RIDGE = ("recipe=linear_probe", "weights=none", "recipe.solver=ridge", "recipe.l2_strengths=[0.1]", "folds=3")


def test_a_recipe_in_closed_form_is_fitted_again_to_permuted_labels(settings: Settings, small_set: Path) -> None:
    wanted = (*RIDGE, "crossval.leakage=false", f"data={small_set}")
    found = crossval(settings(*wanted, "name=refits")).comparison.chance
    assert (found.permuted, found.permutations) == (Permuted.REFITS, PERMUTATIONS)
    assert 0.1 < found.mean < 0.4
    assert found.low < found.mean < found.high
    assert found.p_value == pytest.approx(1 / (1 + PERMUTATIONS))
    without = crossval(settings(*wanted, "name=no-refits", "crossval.permuted_labels=false")).comparison.chance
    assert without.permuted == Permuted.PREDICTIONS


def test_a_result_is_not_overwritten_and_too_few_groups_are_refused(
    settings: Settings, noisy_set: Path, report: CrossvalReport
) -> None:
    assert report.folder.name == "lots"
    with pytest.raises(RunError, match=r"holds a cross-validation already\. Give another run\.name"):
        crossval(settings(*PROBE, f"data={noisy_set}", "name=lots"))
    with pytest.raises(DataError, match="folds"):
        crossval(settings(*PROBE, f"data={noisy_set}", "name=many", "folds=60"))


# --- interruptions ----------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from petmood.configs.load import from_file
from petmood.evaluation.fold_files import FoldFiles
from petmood.pipelines.crossval import crossval
written = []
def write(self, *args, real=FoldFiles.write):
    real(self, *args)
    written.append(1)
    if len(written) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
FoldFiles.write = write
crossval(from_file(Path(sys.argv[1])))
"""
BRIEF = ("crossval.permuted_labels=false", "crossval.leakage=false")


def full(*_: object) -> None:
    """Stand for a write to a full disk."""
    raise OSError(28, "No space left on device")


def fitted_folds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the seed of each fold of the recipe that is fitted from now on."""
    seeds: list[int] = []
    real = vars(crossval_module)["recipe_fit"]

    def counted(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the function it stands for
        fit = real(*args, **options)

        def fit_counted(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
            seeds.append(seed)
            return np.asarray(fit(train, test, seed))

        return fit_counted

    monkeypatch.setattr(crossval_module, "recipe_fit", counted)
    return seeds


@pytest.mark.posix
@pytest.mark.spawns
def test_killed_it_continues_with_the_folds_that_are_left_and_ends_with_equal_numbers(
    settings: Settings, noisy_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = (*PROBE, "crossval.leakage=false", f"data={noisy_set}", f"run.folder={tmp_path}")
    whole = crossval(settings(*wanted, "name=whole"))
    (tmp_path / "settings.yaml").write_text(dump(settings(*wanted, "name=killed")))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "settings.yaml"), "2"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    folds = sorted(path.name for path in (tmp_path / "killed/folds").iterdir())
    assert folds == ["origin.json", "recipe-0-0.npz", "recipe-0-1.npz"]
    seeds = fitted_folds(monkeypatch)
    again = crossval(settings(*wanted, "name=killed"))
    assert len(seeds) == 1, "the fold of the recipe that was not stored"
    assert again.to_json() == whole.to_json()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "settings.yaml", "whole"]


def test_a_damaged_fold_is_fitted_again(
    settings: Settings, noisy_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(*PROBE, *BRIEF, f"data={noisy_set}", f"run.folder={tmp_path}", "name=one")
    before = crossval(config).to_json()
    (tmp_path / "one/crossval.json").unlink()
    (tmp_path / "one/folds/recipe-0-1.npz").write_bytes(b"PK half")
    seeds = fitted_folds(monkeypatch)
    assert crossval(config).to_json() == before
    assert len(seeds) == 1


@pytest.mark.parametrize("other", ["settings", "data"])
def test_folds_of_other_settings_or_data_are_neither_used_nor_replaced(
    settings: Settings, noisy_set: Path, tmp_path: Path, other: str
) -> None:
    wanted = [*PROBE, *BRIEF, f"run.folder={tmp_path}", "name=one"]
    crossval(settings(*wanted, f"data={noisy_set}"))
    (tmp_path / "one/crossval.json").unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "one/folds").iterdir()}
    data = noisy_set
    if other == "data":
        data = Path(shutil.copytree(noisy_set, tmp_path / "data" / noisy_set.name))
        write_index(data, read_index(data).rows[1:])
    changed = settings(*wanted, f"data={data}", *(["seed=7"] if other == "settings" else []))
    with pytest.raises(
        RunError, match=rf"one holds folds of a cross-validation with other {other}\b.*another run\.name"
    ):
        crossval(changed)
    assert {path.name: path.read_bytes() for path in (tmp_path / "one/folds").iterdir()} == before


@pytest.mark.parametrize(
    "changed",
    [
        "evaluation.target_error=0.2",
        "evaluation.baselines=false",
        "data.memory_mb=77",
        "crossval.leakage=true",
        "trainer.workers=1",
        "optimizer.lr=0.5",
        "repeats=2",
    ],
)
def test_folds_are_used_again_after_a_change_that_does_not_affect_their_networks(
    settings: Settings, noisy_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    wanted = [*PROBE, *BRIEF, f"data={noisy_set}", f"run.folder={tmp_path}", "name=one"]
    before = crossval(settings(*wanted))
    (tmp_path / "one/crossval.json").unlink()
    seeds = fitted_folds(monkeypatch)
    again = crossval(settings(*wanted, changed))
    fitted_now = {"crossval.leakage=true": 3, "repeats=2": 3}.get(changed, 0)
    assert len(seeds) == fitted_now, "only the folds of what was added"
    np.testing.assert_array_equal(again.recipe.pooled[0].logits, before.recipe.pooled[0].logits)


def test_folds_of_a_dataset_that_was_moved_are_used_again(
    settings: Settings, noisy_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [*PROBE, *BRIEF, f"run.folder={tmp_path}", "name=one"]
    crossval(settings(*wanted, f"data={noisy_set}"))
    (tmp_path / "one/crossval.json").unlink()
    moved = shutil.copytree(noisy_set, tmp_path / "data/moved")
    seeds = fitted_folds(monkeypatch)
    crossval(settings(*wanted, f"data={moved}"))
    assert seeds == []


@pytest.mark.parametrize(
    ("kept", "changes"),
    [
        (
            PROBE,
            [
                "folds=4",
                "data.include_copies=true",
                "recipe.l2_strengths=[0.1]",
                "model.image_size=48",
                "model.resize=squash",
            ],
        ),
        (("epochs=1", "folds=2"), ["optimizer.lr=0.5", "recipe.patience=3", "augment.hflip=0.25", "epochs=2"]),
    ],
    ids=["probe", "gradient"],
)
def test_folds_are_refused_after_a_change_that_affects_their_networks(
    settings: Settings, noisy_set: Path, tmp_path: Path, kept: tuple[str, ...], changes: list[str]
) -> None:
    wanted = [*BRIEF, *kept, f"data={noisy_set}", f"run.folder={tmp_path}", "name=one"]
    crossval(settings(*wanted))
    (tmp_path / "one/crossval.json").unlink()
    for changed in changes:
        with pytest.raises(RunError, match="holds folds of a cross-validation with other settings"):
            crossval(settings(*wanted, changed))


def test_folds_are_refused_after_the_file_of_the_first_weights_changed(
    settings: Settings, noisy_set: Path, small_run: RunFolder, tmp_path: Path
) -> None:
    weights = Path(shutil.copy(small_run.weights, tmp_path / "first.safetensors"))
    config = settings(
        *PROBE, *BRIEF, f"data={noisy_set}", f"run.folder={tmp_path}", "name=one", f"model.weights={weights}"
    )
    crossval(config)
    (tmp_path / "one/crossval.json").unlink()
    save_file({name: value + 1 for name, value in load_file(weights).items()}, weights)
    with pytest.raises(RunError, match="holds folds of a cross-validation with other settings"):
        crossval(config)


def test_on_a_full_disk_the_numbers_are_handed_over_before_they_are_written(
    settings: Settings,
    noisy_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = settings(*PROBE, *BRIEF, f"data={noisy_set}", f"run.folder={tmp_path}", "name=full")
    shown: list[CrossvalReport] = []
    monkeypatch.setattr("petmood.evaluation.fold_files.atomic_write_json", full)
    monkeypatch.setattr(crossval_module, "atomic_write_text", full)
    with pytest.raises(OSError, match="No space left"):
        crossval(config, on_result=shown.append)
    assert shown[0].recipe.metrics["accuracy"].n == 48
    assert "recipe-0-0.npz: No space left on device. The cross-validation continues without this file." in caplog.text
    assert not (tmp_path / "full/crossval.json").exists()


def test_a_training_run_and_a_folder_under_way_are_not_touched(
    settings: Settings, noisy_set: Path, small_run: RunFolder, tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(small_run.path, tmp_path / "run")))
    before = run.config.read_bytes()
    config = settings(*PROBE, *BRIEF, f"data={noisy_set}", f"run.folder={tmp_path}", "name=run")
    with pytest.raises(RunError, match=r"run holds other files: .*Give another run\.name"):
        crossval(config)
    assert run.config.read_bytes() == before
    free = config.model_copy(update={"run": config.run.model_copy(update={"name": "free"})})
    with (
        RunFolder(tmp_path / "free").lock(),
        pytest.raises(OutputLocked, match=rf"free is being written by process {os.getpid()}\."),
    ):
        crossval(free)
    (tmp_path / "file").touch()
    below = config.model_copy(update={"run": config.run.model_copy(update={"folder": str(tmp_path / "file")})})
    with pytest.raises(OutputError, match="file is not a writable folder"):
        crossval(below)


def test_a_cross_validation_that_could_not_begin_leaves_no_folder(
    settings: Settings, noisy_set: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="folds"):
        crossval(settings(*PROBE, f"data={noisy_set}", f"run.folder={tmp_path}", "name=many", "folds=60"))
    assert list(tmp_path.iterdir()) == []
