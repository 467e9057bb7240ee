"""Out-of-fold predictions of a run: when they are used, of which photos, made once, or of a cross-validation."""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from petmood.configs.load import compose
from petmood.configs.schema import OUT_OF_FOLD_BELOW, Config
from petmood.core.errors import ConfigError, DataError, RunError
from petmood.data.index import IndexRow, Role, Split, read_index, write_index
from petmood.evaluation.calibration import fit_temperature
from petmood.evaluation.predictions import Predictions
from petmood.pipelines import out_of_fold as module
from petmood.pipelines.crossval import crossval
from petmood.pipelines.evaluate import evaluate_run, needs_evaluation, read_evaluation
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.out_of_fold import OutOfFoldPlan, is_as_planned, out_of_fold, plan_out_of_fold
from petmood.pipelines.recipe_fit import recipe_fit
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.small_sets import SMALL, write_small_set

Settings = Callable[..., Config]
CLOSED_FORM = ("recipe=closed_form", "weights=none")
MADE, UNUSED = (True, True, None), (False, False, None)


def rows(train_count: int, valid: int, test: int = 0) -> list[IndexRow]:
    """Return original photos that are groups of their own, with so many to the split."""
    splits = [Split.TRAIN] * train_count + [Split.VALID] * valid + [Split.TEST] * test
    return [
        IndexRow(str(n), "", "ab"[n % 2], split, str(n), Role.ORIGINAL, 9, 9, "PNG") for n, split in enumerate(splits)
    ]


@pytest.fixture(scope="module")
def no_test(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset without test photos, a fifth of it for validation."""
    return write_small_set(tmp_path_factory.mktemp("sets") / "two", train=32, valid=8, test=0, copies=4)


@pytest.fixture
def small(no_test: Path, tmp_path: Path) -> Settings:
    """Return a function that composes settings of a closed-form run without test photos."""

    def composed(*overrides: str) -> Config:
        base = (*SMALL, *CLOSED_FORM, f"data={no_test}", f"run.folder={tmp_path}", "evaluation.baselines=false")
        return compose([*base, *overrides])

    return composed


@pytest.mark.parametrize(
    ("overrides", "photos", "expected"),
    [
        (CLOSED_FORM, (293, 36), MADE),
        (CLOSED_FORM, (293, 36, 40), (True, False, None)),
        (CLOSED_FORM, (2000, OUT_OF_FOLD_BELOW), (False, True, None)),
        (CLOSED_FORM, (2000, OUT_OF_FOLD_BELOW - 1), MADE),
        (CLOSED_FORM, (20, 36), (False, True, None)),
        (CLOSED_FORM, (40, 0), MADE),
        ((*CLOSED_FORM, "evaluation.calibrate_on=valid"), (293, 36), (False, True, None)),
        ((*CLOSED_FORM, "evaluation.calibrate_on=out_of_fold"), (2000, 500, 9), (True, False, None)),
        (("recipe=finetune",), (293, 36), UNUSED),
        (("recipe=linear_probe",), (293, 36), UNUSED),
        ((*CLOSED_FORM, "recipe.num_views=2"), (293, 36), UNUSED),
        (("recipe=finetune", "evaluation.crossval=runs/cv"), (293, 36), (True, True, "runs/cv")),
        (("recipe=finetune", "evaluation.crossval=runs/cv"), (2000, 400), (False, True, "runs/cv")),
    ],
)
def test_a_closed_form_recipe_or_a_named_cross_validation_predicts_out_of_fold(
    overrides: tuple[str, ...], photos: tuple[int, ...], expected: tuple[bool, bool, str | None]
) -> None:
    plan = plan_out_of_fold(compose(overrides), rows(*photos))
    assert (plan.calibrates, plan.is_headline, plan.crossval) == expected
    assert plan.is_needed == any(expected)


@pytest.mark.parametrize(
    ("photos", "folds"), [((293, 36), 5), ((60, 20), 4), ((40, 20), 3), ((20, 36), 2), ((9, 0), 5)]
)
def test_no_fold_leaves_its_model_more_groups_than_the_delivered_one_has(photos: tuple[int, int], folds: int) -> None:
    plan = plan_out_of_fold(compose(CLOSED_FORM), rows(*photos))
    assert plan.folds == folds
    assert not plan.calibrates or sum(photos) * (folds - 1) <= photos[0] * folds


def test_training_and_validation_photos_calibrate_and_are_the_headline(small: Settings) -> None:
    run = train(small("name=run"))
    assert needs_evaluation(run)
    evaluate_run(run)
    found, index = read_evaluation(run), read_index(run.dataset())
    pooled = Predictions.load(run.out_of_fold(0))
    assert set(pooled.paths) == {row.path for row in index if row.role == Role.ORIGINAL}
    assert found["main"] == "crossval"
    assert "% of 40 photos in cross-validation (95% interval " in found["verdict"]
    assert found["splits"]["valid"]["accuracy"]["n"] == 8
    assert found["calibration"]["temperature"] == pytest.approx(fit_temperature(pooled))
    assert found["calibration"]["fitted_on"] == found["abstention"]["n"] == 40
    assert found["verdict"] in html.unescape(run.report.read_text())
    assert "On 8 validation photos the model itself has" in run.report.read_text()
    assert not needs_evaluation(run)


@pytest.mark.parametrize("gone", ["changed", "missing"])
def test_without_the_photos_of_the_run_the_predictions_are_those_of_its_last_evaluation(
    small: Settings, no_test: Path, tmp_path: Path, gone: str
) -> None:
    data = Path(shutil.copytree(no_test, tmp_path / "data"))
    run = train(small("name=run", f"data={data}"))
    before = evaluate_run(run)
    if gone == "changed":
        write_index(data, read_index(data).rows[1:])
        found = evaluate_run(run)
        assert (found.main, found.verdict, found.baselines) == ("crossval", before.verdict, {})
    else:
        other = data.rename(tmp_path / "elsewhere")
        found = evaluate_run(run, data=other)
        assert found.main == "validation photos of elsewhere"
    assert found.calibration.temperature == before.calibration.temperature
    assert found.calibration.fitted_on == 40
    assert found.out_of_fold is not None
    assert before.out_of_fold is not None
    assert found.out_of_fold.to_json(coverage=0.9) == before.out_of_fold.to_json(coverage=0.9)
    run.evaluation.unlink()
    with pytest.raises(DataError):
        evaluate_run(run)


def test_no_test_photo_is_learned_from_or_predicted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run, opened = train(settings("name=oof-test", *CLOSED_FORM)), []
    real = configured_photos

    def watch(config: Config, folder: Path, rows: list[IndexRow], **options: object) -> object:
        opened.extend(rows)
        return real(config, folder, rows, **options)  # type: ignore[arg-type] # those of the caller

    monkeypatch.setattr(module, "configured_photos", watch)
    found = out_of_fold(run)
    assert found is not None
    assert (found.calibrates, found.is_headline, len(found.first)) == (True, False, 48)
    assert {row.split for row in opened} == {Split.TRAIN, Split.VALID}
    evaluate_run(run)
    evaluation = read_evaluation(run)
    assert evaluation["main"] == "test"
    assert evaluation["abstention"]["n"] == 48
    assert evaluation["conformal"]["coverage"]["n"] == 16


def test_copies_are_learned_from_as_configured_and_never_predicted(small: Settings) -> None:
    learned: dict[str, list[int]] = {}
    for name, given in (("without", "false"), ("with", "true")):
        run = train(small(f"name={name}", f"data.include_copies={given}"))
        found = out_of_fold(run)
        assert found is not None
        assert len(found.first) == 40
        learned[name] = found.first.logits.tolist()
    assert learned["without"] != learned["with"]


def test_folds_are_fitted_once_and_after_an_interruption_only_the_missing_ones(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, fitted = train(small("name=run")), []
    real = recipe_fit

    def watch(*given: object, **options: object) -> object:
        fit = real(*given, **options)  # type: ignore[arg-type] # those of the caller

        def counted(learn: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
            fitted.append(len(test))
            return fit(learn, test, seed)

        return counted

    monkeypatch.setattr(module, "recipe_fit", watch)
    first = out_of_fold(run)
    assert first is not None
    assert len(fitted) == 5
    assert out_of_fold(run) is not None
    assert len(fitted) == 5
    run.out_of_fold(0).unlink()
    (run.path / "folds/recipe-0-3.npz").unlink()
    again = out_of_fold(run)
    assert len(fitted) == 6
    assert again is not None
    assert again.first.logits.tolist() == first.first.logits.tolist()


def test_an_evaluation_by_other_settings_is_out_of_date(small: Settings) -> None:
    run = train(small("name=run"))
    evaluate_run(run)
    found = read_evaluation(run)
    assert is_as_planned(run, found)
    assert not is_as_planned(run, {key: value for key, value in found.items() if key != "out_of_fold"})
    run.config.write_text(run.config.read_text().replace("calibrate_on: auto", "calibrate_on: valid"))
    assert needs_evaluation(run)
    evaluate_run(run)
    again = read_evaluation(run)
    assert (again["main"], again["calibration"]["fitted_on"]) == ("crossval", 8)
    assert not needs_evaluation(run)


def test_a_run_of_settings_from_before_is_read(small: Settings) -> None:
    run = train(small("name=run"))
    lines = run.config.read_text().splitlines(keepends=True)
    run.config.write_text("".join(line for line in lines if "calibrate_on" not in line and "  crossval:" not in line))
    assert run.read_config().evaluation.calibrate_on == "auto"
    assert out_of_fold(run) is not None


def test_photos_that_chose_the_recipe_do_not_calibrate_it(small: Settings) -> None:
    run = train(small("name=run", "evaluation.tried=30", "evaluation.calibration_min_groups=44"))
    evaluate_run(run)
    found = read_evaluation(run)
    assert found["calibration"]["fitted_on"] == 32
    assert (
        "The 8 validation photos that chose the best of 30 models tried are left out."
        in (found["selection"]["sentence"])
    )


def test_a_recipe_that_trains_long_takes_the_predictions_of_a_named_cross_validation(
    small: Settings, tmp_path: Path
) -> None:
    gradient = ("recipe=scratch", "epochs=1", "recipe.checkpoint=last")
    plain = train(small("name=plain", *gradient))
    assert out_of_fold(plain) is None
    made = crossval(small("name=cv", *gradient, "crossval.leakage=false", "crossval.permuted_labels=false", "folds=2"))
    named = train(small("name=named", *gradient, f"evaluation.crossval={made.folder}"))
    found = out_of_fold(named)
    assert found is not None
    assert (found.folds, found.calibrates, found.is_headline) == (2, True, True)
    assert found.crossval == str(made.folder)
    assert found.first.logits.tolist() == made.recipe.pooled[0].logits.tolist()
    evaluate_run(named)
    assert read_evaluation(named)["main"] == "crossval"
    assert not (named.path / "folds").exists()
    refused = "expected a cross-validation of this recipe, got one with other "
    with pytest.raises(ConfigError, match=refused):
        train(small("name=other", *gradient, "optimizer.lr=0.5", f"evaluation.crossval={made.folder}"))
    origin = made.folder / "folds/origin.json"
    origin.write_text(json.dumps({**json.loads(origin.read_text()), "data": "0" * 64}))
    with pytest.raises(ConfigError, match=r"of data version .*, got 000000000000"):
        train(small("name=other", *gradient, f"evaluation.crossval={made.folder}"))
    origin.write_text("damaged")
    with pytest.raises(RunError, match="can't be read"):
        train(small("name=other", *gradient, f"evaluation.crossval={made.folder}"))
    assert not (tmp_path / "other").exists()


def test_a_cross_validation_named_by_a_relative_path_is_found_from_another_folder(
    small: Settings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a dataset is: in the current folder, and then above the run's."""
    gradient = ("recipe=scratch", "epochs=1", "recipe.checkpoint=last", f"run.folder={tmp_path}/runs")
    crossval(small("name=cv", *gradient, "crossval.leakage=false", "crossval.permuted_labels=false", "folds=2"))
    monkeypatch.chdir(tmp_path)
    run = train(small("name=named", *gradient, "evaluation.crossval=runs/cv"))
    before = out_of_fold(run)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    found = out_of_fold(run)
    assert before is not None
    assert found is not None
    assert found.first.logits.tolist() == before.first.logits.tolist()
    assert found.crossval == "runs/cv"

    other = shutil.copytree(tmp_path / "runs/cv", elsewhere / "runs/cv")
    origin = other / "folds/origin.json"
    origin.write_text(json.dumps({**json.loads(origin.read_text()), "data": "0" * 64}))
    again = out_of_fold(run)
    assert again is not None, "the one of another dataset is passed over"
    shutil.rmtree(tmp_path / "runs/cv")
    with pytest.raises(ConfigError, match=r"of data version .*, got 000000000000"):
        out_of_fold(run)


def test_of_two_cross_validations_of_a_dataset_the_one_of_the_recipe_is_used_with_and_without_the_photos(
    small: Settings,
    no_test: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = Path(shutil.copytree(no_test, tmp_path / "data"))
    alone = ("crossval.leakage=false", "crossval.permuted_labels=false", "folds=2", f"data={data}", "name=cv")
    gradient = ("recipe=scratch", "epochs=1", "recipe.checkpoint=last")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    other = crossval(small(*gradient, *alone, "optimizer.lr=0.5", f"run.folder={elsewhere}/runs"))
    crossval(small(*gradient, *alone, f"run.folder={tmp_path}/runs"))
    monkeypatch.chdir(tmp_path)
    run = train(
        small("name=named", *gradient, f"data={data}", f"run.folder={tmp_path}/runs", "evaluation.crossval=runs/cv")
    )
    evaluate_run(run)
    expected = out_of_fold(run)
    assert expected is not None
    monkeypatch.chdir(elsewhere)
    assert Path("runs/cv").is_dir(), "comes before the one above the run"
    run.crossval(0).unlink()
    with_photos = out_of_fold(run)
    data.rename(tmp_path / "gone")
    run.crossval(0).unlink()
    without_photos = out_of_fold(run)
    for found in (with_photos, without_photos):
        assert found is not None
        assert found.first.logits.tolist() == expected.first.logits.tolist()
        assert found.first.logits.tolist() != other.recipe.pooled[0].logits.tolist()
    shutil.rmtree(tmp_path / "runs/cv")
    run.crossval(0).unlink()
    with pytest.raises(ConfigError, match="of this recipe, got one with other optimization"):
        out_of_fold(run)


def test_an_evaluation_is_repeated_with_the_same_predictions_after_a_move_of_all_folders_and_by_a_later_version(
    small: Settings, no_test: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(no_test, tmp_path / "data"))
    gradient = ("recipe=scratch", "epochs=1", "recipe.checkpoint=last", "folds=2", f"data={data}")
    made = crossval(small("name=cv", *gradient, "crossval.leakage=false", "crossval.permuted_labels=false"))
    run = train(small("name=named", *gradient, f"evaluation.crossval={made.folder}"))
    first = evaluate_run(run)
    assert first.out_of_fold is not None
    expected = first.out_of_fold.first.logits.tolist()

    origin = made.folder / "folds/origin.json"
    stored = json.loads(origin.read_text())
    del stored["settings"]["optimization"]["image_scales"]
    origin.write_text(json.dumps(stored))  # as a version wrote it that lacks this setting
    run.crossval(0).unlink()  # that version made no copy either
    before = out_of_fold(run)
    assert before is not None
    assert before.first.logits.tolist() == expected
    with pytest.raises(ConfigError, match="got one with other optimization"):
        train(small("name=another", *gradient, f"evaluation.crossval={made.folder}"))

    shutil.rmtree(made.folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = RunFolder(run.path.rename(elsewhere / "named"))
    with_photos = out_of_fold(moved)
    data.rename(elsewhere / "pets")
    again = evaluate_run(moved, data=elsewhere / "pets")
    for found in (with_photos, again.out_of_fold):
        assert found is not None
        assert found.first.logits.tolist() == expected
        assert (found.folds, found.crossval) == (2, str(made.folder))
    assert again.calibration.temperature == first.calibration.temperature


def test_what_can_t_be_predicted_out_of_fold_is_refused_before_training(
    small: Settings, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"would be trained for every fold\. Run petmood crossval with"):
        train(small("name=other", "recipe=scratch", "evaluation.calibrate_on=out_of_fold"))
    with pytest.raises(RunError, match="it holds no finished cross-validation"):
        train(small("name=other", f"evaluation.crossval={tmp_path / 'none'}"))
    with pytest.raises(ConfigError, match="learned from the test photos of"):
        train(settings("name=oof-other", *CLOSED_FORM, f"evaluation.crossval={tmp_path / 'none'}"))
    assert not RunFolder(tmp_path / "other").path.exists()


def test_a_plan_without_a_use_is_not_needed() -> None:
    assert not OutOfFoldPlan(calibrates=False, is_headline=False, folds=5).is_needed
