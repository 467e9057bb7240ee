"""Commands with training settings: train, resume, multirun, crossval, profile and config; one-line errors for typos."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.configs.load import compose, dump
from petmood.pipelines.run_folder import RunFolder
from tests.support.small_sets import SMALL, write_small_set


def test_training_names_the_run_and_the_next_step(petmood: Callable[..., Any], small_set: Path, tmp_path: Path) -> None:
    done = petmood("train", *SMALL, f"data={small_set}", f"run.folder={tmp_path}", "name=one", "epochs=1")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"Run: {tmp_path}/one. Next: petmood evaluate {tmp_path}/one\n"


def test_a_word_more_shows_what_is_being_done_but_none_of_lightnings_tips(
    petmood: Callable[..., Any], small_set: Path, tmp_path: Path
) -> None:
    done = petmood("-v", "train", *SMALL, f"data={small_set}", f"run.folder={tmp_path}", "name=one", "epochs=1")
    assert "INFO petmood.pipelines.train: run one: data" in done.err
    for word in ("Tip", "litlogger", "GPU available", "`Trainer.fit` stopped", "many workers"):
        assert word not in done.err + done.out


def test_many_runs_are_made_from_one_line(petmood: Callable[..., Any], small_set: Path, tmp_path: Path) -> None:
    wanted = (*SMALL, f"data={small_set}", f"run.folder={tmp_path}", "epochs=1", "name=m", "seed=1,2")
    assert petmood("train", "-m", *wanted).code == 0
    seeds = [RunFolder(tmp_path / f"m-{number}").read_config().seed for number in (1, 2)]
    assert seeds == [1, 2]


def test_resuming_takes_no_settings(petmood: Callable[..., Any], small_run: RunFolder, tmp_path: Path) -> None:
    assert petmood("train", "--resume", small_run.path).out.startswith(f"Run: {small_run.path}.")
    done = petmood("train", "--resume", small_run.path, "seed=3")
    assert done.code == 2
    assert "keeps its settings" in done.err
    done = petmood("train", "--resume", tmp_path / "none")
    assert done.code == 2
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.max_epoch=3"], "Unknown setting 'trainer.max_epoch'. Did you mean trainer.max_epochs?"),
        (["seeed=3"], "Unknown setting 'seeed'. Did you mean seed?"),
        (["recipe=finetunee"], "Unknown recipe 'finetunee'. Did you mean finetune? Known: "),
        (["epochs=0"], "trainer.max_epochs: Expected a number of 1 or more, got 0."),
        (["seed=["], "The override can't be parsed"),
        (["backbone=resnet5"], "Unknown backbone 'resnet5'. Did you mean resnet50?"),
        (
            ["model=fixed_filters", "model.image_size=96"],
            "Expected model.image_size of 64 or 128 for fixed_filters, got 96.",
        ),
        (["weights=nowhere.safetensors"], "No weights file nowhere.safetensors. Allowed: none, imagenet"),
        (["data=nowhere"], "Expected a dataset with an index.csv in 'nowhere', got none."),
    ],
)
def test_bad_settings_are_one_line_and_code_2(
    petmood: Callable[..., Any], small_set: Path, tmp_path: Path, overrides: list[str], said: str
) -> None:
    done = petmood("train", *SMALL, f"data={small_set}", f"run.folder={tmp_path}", "name=x", *overrides)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_single_class_is_one_line_and_code_2(petmood: Callable[..., Any], tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", classes=("sad",))
    done = petmood("train", *SMALL, f"data={data}", f"run.folder={tmp_path}")
    assert done.code == 2
    assert "got: sad 32." in done.err
    assert done.err.count("\n") == 1


def test_a_photo_that_went_bad_is_one_line_that_names_it(petmood: Callable[..., Any], tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data")
    (data / "photos/train-003.png").unlink()
    done = petmood("train", *SMALL, f"data={data}", f"run.folder={tmp_path}", "name=gone")
    assert done.code == 2
    assert "train-003.png" in done.err
    assert done.err.count("\n") == 1


def test_cross_validation_prints_a_table_or_json(petmood: Callable[..., Any], small_set: Path, tmp_path: Path) -> None:
    probe = ("recipe=linear_probe", "weights=none", "recipe.l2_strengths=[0.01]", "folds=2", "crossval.leakage=false")
    wanted = (*SMALL, *probe, f"data={small_set}", f"run.folder={tmp_path}")
    table = petmood("crossval", *wanted, "name=table")
    assert table.code == 0
    assert table.out.startswith("The recipe is right in ")
    baselines = ("always the most frequent class", "HOG features + SVM", "Permutation test: 9,999 times with labels")
    for word in ("this recipe", *baselines, "macro F1", "n = 64 original photos"):
        assert word in table.out
    numbers = json.loads(petmood("crossval", *wanted, "name=json", "--json").out)
    assert numbers == {
        k: v for k, v in json.loads((tmp_path / "json/crossval.json").read_text()).items() if k in numbers
    }
    assert numbers["metrics"]["accuracy"]["n"] == 64


def test_a_profile_is_printed_and_left_behind(petmood: Callable[..., Any], small_set: Path, tmp_path: Path) -> None:
    done = petmood("profile", *SMALL, f"data={small_set}", "--output", tmp_path / "p", "--top", "4")
    assert done.code == 0
    assert "Self CPU" in done.out
    assert (tmp_path / "p/trace.json").stat().st_size > 1000


def test_the_settings_are_shown_composed_with_what_there_is_to_choose(petmood: Callable[..., Any]) -> None:
    done = petmood("config", "recipe=linear_probe", "seed=7")
    settings, _, choices = done.out.partition("# ")
    assert settings == dump(compose(["recipe=linear_probe", "seed=7"]))
    assert "finetune, linear_probe, one_cycle, scratch" in choices
