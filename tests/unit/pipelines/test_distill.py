"""Tests of distillation: the training pipeline with another backbone, resumed, and measured beside the teacher."""

import shutil
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError, DataError, RunError
from petmood.pipelines.distill import distill, student_settings
from petmood.pipelines.optimize import optimize_run
from petmood.pipelines.run_folder import RunFolder

STUDENT = "mobilenet_v3_small"


@pytest.fixture(scope="module")
def teacher(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a copy of the shared run."""
    return RunFolder(Path(shutil.copytree(small_run.path, tmp_path_factory.mktemp("distilled") / "large")))


@pytest.fixture(scope="module")
def student(teacher: RunFolder) -> RunFolder:
    """Return its student."""
    return distill(teacher, STUDENT)


def test_a_student_has_the_settings_of_its_teacher_but_another_backbone(teacher: RunFolder, student: RunFolder) -> None:
    own, theirs = student.read_config(), teacher.read_config()
    assert student.path == teacher.path.parent / f"large-{STUDENT}"
    assert student.read_metadata().backbone == STUDENT
    assert own.recipe.teacher == str(teacher.path)
    assert own.recipe.model_copy(update={"teacher": None}) == theirs.recipe
    assert (own.trainer, own.optimizer, own.seed) == (theirs.trainer, theirs.optimizer, theirs.seed)
    assert student.read_metadata().data_hash == teacher.read_metadata().data_hash


def test_the_same_command_again_takes_the_student_that_is_there(teacher: RunFolder, student: RunFolder) -> None:
    before = student.weights.stat().st_mtime_ns
    assert distill(teacher, STUDENT).path == student.path
    assert student.weights.stat().st_mtime_ns == before


@pytest.mark.proof
def test_a_student_is_a_row_of_the_table_without_limits_of_its_outputs(teacher: RunFolder, student: RunFolder) -> None:
    found = optimize_run(teacher, calibration_photos=24, rounds=2, students=[student])
    assert [row.name for row in found.rows] == ["fp32", "int8", f"large-{STUDENT}"]
    row = found.rows[2]
    assert row.what.startswith(STUDENT)
    assert row.paired is not None
    assert (row.shift, row.paired.groups) == (None, 16)
    assert row.paired.second == found.rows[0].accuracy.value


def test_a_student_on_another_data_version_is_not_compared(
    teacher: RunFolder, student: RunFolder, tmp_path: Path
) -> None:
    other = RunFolder(Path(shutil.copytree(student.path, tmp_path / "other")))
    other.write_metadata(other.read_metadata(), update={"data_hash": "f" * 64})
    with pytest.raises(DataError, match="it may have learned from the photos that they are compared on"):
        optimize_run(teacher, calibration_photos=24, students=[other])


def test_a_backbone_without_imagenet_weights_begins_with_random_ones(teacher: RunFolder) -> None:
    assert student_settings(teacher, "tiny").model.weights == "none"
    assert student_settings(teacher, STUDENT).model.weights == "auto"


@pytest.mark.parametrize(
    ("backbone", "told"), [("tiny", "Expected another backbone than tiny"), ("mobilnet", "Unknown backbone 'mobilnet'")]
)
def test_a_backbone_that_gives_no_student_is_refused(teacher: RunFolder, backbone: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        distill(teacher, backbone)


def test_a_folder_with_another_run_is_not_taken_for_the_student(small_run: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(small_run.path, tmp_path / "large")
    shutil.copytree(small_run.path, tmp_path / f"large-{STUDENT}")
    with pytest.raises(RunError, match="holds a run without the teacher"):
        distill(RunFolder(tmp_path / "large"), STUDENT)
