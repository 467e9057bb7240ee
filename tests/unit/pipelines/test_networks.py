"""Tests of a run's network and of its teacher: the written logits, and teachers that don't fit."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from petmood.configs.schema import Config
from petmood.core.errors import BundleError, ConfigError, RunError
from petmood.data.index import Split
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.crossval import crossval
from petmood.pipelines.export import export_run
from petmood.pipelines.networks import find_teacher, load_network, load_teacher
from petmood.pipelines.predict_logits import logits_of
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import resume, train
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]


def test_a_loaded_network_gives_the_logits_that_the_run_wrote_down(small_run: RunFolder, photo_sets: object) -> None:
    assert isinstance(photo_sets, tuple)
    written = Predictions.load(small_run.predictions(Split.VALID)).logits
    np.testing.assert_allclose(logits_of(load_network(small_run), photo_sets[1].cache.pixels), written, atol=1e-6)


def test_damaged_weights_are_one_clear_error(small_run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "near_duplicate")
    shutil.copytree(small_run.path, copy.path)
    copy.weights.write_bytes(b"\xff" * 64)
    with pytest.raises(RunError, match=r"can't be read as weights of tiny\. An earlier .* Train the run again"):
        load_network(copy)


@pytest.fixture(scope="module")
def student(settings: Settings, small_run: RunFolder) -> RunFolder:
    """Return a run that learned from the shared one."""
    return train(settings("name=student", "epochs=3", f"recipe.teacher={small_run.path}"))


def test_a_student_learns_otherwise_than_without_its_teacher(
    settings: Settings, small_run: RunFolder, student: RunFolder
) -> None:
    plain = train(settings("epochs=3"))
    learned, alone = (load_file(run.weights)["head.1.weight"] for run in (student, plain))
    assert not torch.equal(learned, alone)
    teacher = find_teacher(student.read_config(), run=student)
    assert teacher is not None
    assert teacher.path == small_run.path
    assert set(load_file(student.weights)) == set(load_file(plain.weights))


def test_a_stopped_student_resumes_with_its_teacher(student: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(student.path, tmp_path / "student")))
    copy.write_metadata(copy.read_metadata(), update={"status": "training"})
    resume(copy.path)
    before, after = (load_file(run.weights) for run in (student, copy))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_without_a_teacher_has_none(small_run: RunFolder) -> None:
    config, facts = small_run.read_config(), small_run.read_metadata()
    assert load_teacher(config, facts, run=small_run) is None


def test_a_teacher_that_is_no_run_is_refused_before_anything_is_written(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere isn't a run"):
        train(settings("name=never", f"recipe.teacher={tmp_path / 'nowhere'}", f"run.folder={tmp_path}"))
    assert not (tmp_path / "never").exists()


def test_a_teacher_of_another_data_version_is_refused_since_it_may_know_the_test_photos(
    settings: Settings, small_run: RunFolder, tmp_path: Path
) -> None:
    other = write_small_set(tmp_path / "data", seed=5)
    with pytest.raises(ConfigError, match=r"recipe.teacher=.*: expected data version \w{12}, got \w{12}\."):
        train(settings(f"data={other}", f"recipe.teacher={small_run.path}", f"run.folder={tmp_path}"))


def test_a_teacher_that_prepares_photos_otherwise_is_refused(
    settings: Settings, small_run: RunFolder, tmp_path: Path
) -> None:
    changed = ("model.resize=letterbox", f"recipe.teacher={small_run.path}", f"run.folder={tmp_path}")
    with pytest.raises(ConfigError, match=r"expected model\.resize letterbox, got center_crop"):
        train(settings(*changed))


def test_a_recipe_without_gradient_steps_has_no_teacher(
    settings: Settings, small_run: RunFolder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"can't learn from a teacher. Choose one with gradient steps"):
        train(settings("recipe=linear_probe", f"recipe.teacher={small_run.path}", f"run.folder={tmp_path}"))


def test_folds_have_no_teacher_since_it_knows_their_test_photos(settings: Settings, small_run: RunFolder) -> None:
    with pytest.raises(ConfigError, match="has learned from the photos that folds are tested on"):
        crossval(settings(f"recipe.teacher={small_run.path}"))


def test_a_student_that_is_much_worse_than_its_teacher_is_not_exported(student: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(student.path, tmp_path / "student")))
    scored = Predictions.load(copy.predictions(Split.TEST))
    wrong = (scored.labels + 1) % len(scored.classes)
    logits = np.eye(len(scored.classes))[wrong]
    scored.__class__(
        **{name: getattr(scored, name) for name in Predictions.__slots__ if name != "logits"}, logits=logits
    ).save(copy.predictions(Split.TEST))
    with pytest.raises(BundleError, match=r"is refused beside its teacher .*its accuracy changes by -"):
        export_run(copy, to=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
