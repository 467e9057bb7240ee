"""End-to-end pipeline: all steps once, then only outdated ones, and a stop after failed validation."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.configs.load import dump
from petmood.configs.schema import Config
from petmood.core.bundle import REQUIRED, Manifest, read, verify, write
from petmood.core.errors import BundleError, DataError
from petmood.core.files import sha256_of
from petmood.core.prediction import Prediction
from petmood.data.index import read_index, write_index
from petmood.inference.fake import FakePredictor
from petmood.pipelines import end_to_end
from petmood.pipelines.end_to_end import DEMO_FOLDER, PipelineResult, run_pipeline
from petmood.pipelines.evaluate import read_evaluation
from petmood.pipelines.run_folder import RunFolder
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]


def draw(_: object, *, to: Path, **__: object) -> None:
    """Stand for the import of the demo: a small set, drawn quickly."""
    write_small_set(to)


def export(run: RunFolder, *, to: Path, **_: object) -> None:
    """Stand for the export: a bundle that says which run it is of, without a network."""
    facts = run.read_metadata()
    used = read_evaluation(run).get("out_of_fold") if run.evaluation.is_file() else None
    manifest = Manifest(
        name=to.name,
        version="1",
        classes=facts.classes,
        image=facts.image,
        temperature=1,
        confidence_threshold=0,
        conformal_quantile=1,
        metrics={"run": facts.name, "weights": sha256_of(run.weights), "out_of_fold": used},
        backbone=facts.backbone,
        data_hash=facts.data_hash,
        code_version=facts.code_version,
        created=facts.created,
        files={},
    )
    write(to, manifest, dict.fromkeys(REQUIRED, b""), replace=True)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without the steps that are slow and tested elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(end_to_end, "import_photos", draw)
    monkeypatch.setattr(end_to_end, "export_run", export)
    monkeypatch.setattr(end_to_end, "load_bundle", lambda _: FakePredictor())
    return tmp_path


def run_here(settings: Settings, *overrides: str, bundles: Path = Path("bundles")) -> PipelineResult:
    """Walk over the demo folder below the working folder."""
    wanted = (f"data={DEMO_FOLDER}", "run.folder=runs", "name=demo", "evaluation.baselines=false", *overrides)
    return run_pipeline(settings(*wanted), bundles=bundles)


def test_the_first_pipeline_does_everything_and_the_second_nothing(settings: Settings, here: Path) -> None:
    first = run_here(settings)
    assert first.done == ("import", "check", "train", "evaluate", "export")
    assert (here / DEMO_FOLDER / "check.html").is_file()
    assert first.run.report.is_file()
    assert read(first.bundle).metrics["run"] == first.run.path.name
    assert first.bundle == Path("bundles/demo")
    assert len(first.predictions) == 3
    assert all(isinstance(one.answer, Prediction) for one in first.predictions)
    again = run_here(settings)
    assert again.done == ()
    assert (again.run, again.bundle) == (first.run, first.bundle)


def test_a_changed_setting_trains_anew_but_imports_nothing(settings: Settings, here: Path) -> None:
    del here
    first, changed = run_here(settings), run_here(settings, "seed=1")
    assert changed.done == ("train", "evaluate", "export")
    assert changed.run != first.run
    assert read(changed.bundle).metrics["run"] == changed.run.path.name
    back = run_here(settings)
    assert back.done == ("export",)
    assert back.run == first.run


def test_changed_data_is_checked_and_trained_on_anew(settings: Settings, here: Path) -> None:
    first = run_here(settings)
    write_small_set(here / DEMO_FOLDER, seed=1)
    changed = run_here(settings)
    assert changed.done == ("check", "train", "evaluate", "export")
    assert changed.run != first.run


def test_a_pipeline_that_was_killed_while_training_goes_on(settings: Settings, here: Path) -> None:
    del here
    first = run_here(settings)
    first.run.write_metadata(first.run.read_metadata(), update={"status": "training"})
    weights = first.run.weights.read_bytes()
    first.run.weights.unlink()
    assert run_here(settings).done == ("train", "evaluate")
    assert first.run.weights.read_bytes() == weights


def test_a_pipeline_that_was_killed_while_evaluating_or_exporting_goes_on(settings: Settings, here: Path) -> None:
    first = run_here(settings)
    first.run.report.unlink()
    shutil.rmtree(here / first.bundle)
    assert run_here(settings).done == ("evaluate", "export")


def test_a_damaged_bundle_of_ours_is_replaced(settings: Settings, here: Path) -> None:
    first = run_here(settings)
    manifest = here / first.bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": "1"', '"version": "2"'))
    (here / first.bundle / "card.md").unlink()
    (here / first.bundle / ".DS_Store").touch()
    assert run_here(settings).done == ("export",)
    assert verify(first.bundle).manifest.version == "1"


def test_a_bundle_without_a_manifest_is_not_replaced(settings: Settings, here: Path) -> None:
    first = run_here(settings)
    (here / first.bundle / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"bundles/demo is not a bundle, and replacing it would delete card\.md, "):
        run_here(settings)
    assert sorted(path.name for path in first.bundle.iterdir()) == sorted(REQUIRED)


@pytest.mark.parametrize("name", ["thesis/chapter1.txt", "empty/folder/"])
def test_a_folder_that_is_no_bundle_is_refused_before_any_work(settings: Settings, here: Path, name: str) -> None:
    mine = here / "bundles/demo" / name
    mine.parent.mkdir(parents=True)
    mine.mkdir() if name.endswith("/") else mine.write_text("Once")
    with pytest.raises(
        BundleError, match=rf"bundles/demo is not a bundle, .* would delete {name}\. Nothing was changed\."
    ):
        run_here(settings)
    assert mine.exists()
    assert sorted(path.name for path in here.iterdir()) == ["bundles"]
    assert run_here(settings, bundles=Path("other")).bundle == Path("other/demo")


def test_a_bundle_with_a_person_s_notes_in_it_is_not_replaced(settings: Settings, here: Path) -> None:
    first = run_here(settings)
    manifest = here / first.bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": "1"', '"version": "2"'))
    (here / first.bundle / "NOTES.md").write_text("mine")
    with pytest.raises(
        BundleError, match=r"a bundle with other files in it, and replacing it would delete NOTES\.md\."
    ):
        run_here(settings)
    assert (here / first.bundle / "NOTES.md").read_text() == "mine"


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_bundle_of_a_run_that_was_trained_otherwise_is_refused_before_any_work(
    settings: Settings, here: Path, small_run: RunFolder, *, is_damaged: bool
) -> None:
    export(small_run, to=here / "bundles/demo")
    before = {path.name: path.read_bytes() for path in (here / "bundles/demo").iterdir()}
    if is_damaged:
        before["card.md"] = b"changed"
        (here / "bundles/demo/card.md").write_bytes(b"changed")
    with pytest.raises(
        BundleError, match=r"bundles/demo is a bundle of the run 'shared', which `petmood run` did not train.*--bundles"
    ):
        run_here(settings)
    assert {path.name: path.read_bytes() for path in (here / "bundles/demo").iterdir()} == before
    assert sorted(path.name for path in here.iterdir()) == ["bundles"]


def test_a_bundle_that_is_a_link_is_written_where_it_points(settings: Settings, here: Path) -> None:
    (here / "bundles").mkdir()
    (here / "large").mkdir()
    (here / "bundles/demo").symlink_to(here / "large/demo")
    for seed in (0, 1):
        assert run_here(settings, f"seed={seed}").done[-1] == "export"
    assert (here / "bundles/demo").is_symlink()
    assert [path.name for path in (here / "large").iterdir()] == ["demo"]


def test_data_that_has_blocking_issues_is_refused_every_time(settings: Settings, here: Path) -> None:
    data = write_small_set(here / "spoiled")
    rows = read_index(data).rows
    (data / rows[0].path).write_bytes(b"no picture any more")
    for _ in range(2):
        with pytest.raises(DataError, match="The dataset has blocking issues"):
            run_pipeline(settings(f"data={data}", "run.folder=runs"))
    assert (data / "check.html").is_file()
    assert not Path("runs").exists()
    write_index(data, rows[1:])
    (data / rows[0].path).unlink()
    assert run_pipeline(settings(f"data={data}", "run.folder=runs", "evaluation.baselines=false")).done[0] == "check"


def test_other_data_than_the_demo_has_to_be_there(settings: Settings, here: Path) -> None:
    with pytest.raises(
        DataError, match=r"No dataset at .*pets\. Import it with: petmood data import folder PHOTOS --output"
    ):
        run_pipeline(settings(f"data={here}/pets"))


def test_another_version_of_the_data_than_asked_for_is_refused(settings: Settings, here: Path) -> None:
    write_small_set(here / DEMO_FOLDER)
    with pytest.raises(DataError, match="Expected data version 000000000000"):
        run_here(settings, f"data.hash={'0' * 64}")
    assert not RunFolder(Path("runs")).path.exists()


def test_without_test_photos_the_cross_validation_is_made_once_and_new_settings_of_it_train_nothing(
    settings: Settings, here: Path
) -> None:
    data = write_small_set(here / "data/two", train=32, valid=8, test=0)
    wanted = (f"data={data}", "run.folder=runs", "recipe=closed_form", "weights=none", "evaluation.baselines=false")
    first = run_pipeline(settings(*wanted))
    assert first.done == ("check", "train", "evaluate", "export")
    assert read_evaluation(first.run)["verdict"].count("% of 40 photos in cross-validation (95% interval ") == 1
    assert not first.advises_crossval
    assert run_pipeline(settings(*wanted)).done == ()
    changed = run_pipeline(settings(*wanted, "evaluation.calibrate_on=valid"))
    assert (changed.run, changed.done) == (first.run, ("evaluate", "export"))
    assert read_evaluation(first.run)["calibration"]["fitted_on"] == 8
    assert run_pipeline(settings(*wanted)).done == ("evaluate", "export")
    assert run_pipeline(settings(*wanted)).done == ()


def test_a_recipe_that_trains_long_is_not_cross_validated_unasked(settings: Settings, here: Path) -> None:
    data = write_small_set(here / "data/two", train=32, valid=8, test=0)
    done = run_pipeline(settings(f"data={data}", "run.folder=runs", "evaluation.baselines=false"))
    assert read_evaluation(done.run)["main"] == "valid"
    assert done.advises_crossval
    assert not run_here(settings).advises_crossval, "it has test photos"


def test_a_run_keeps_its_name_whatever_is_set_for_its_evaluation_alone(settings: Settings, here: Path) -> None:
    del here
    first = run_here(settings)
    assert run_here(settings, "evaluation.calibrate_on=valid").run == first.run
    text = first.run.config.read_text()
    assert "calibrate_on: valid" in text
    again = run_here(settings, "evaluation.calibrate_on=valid", "evaluation.robustness=8")
    assert (again.run, again.done) == (first.run, ("evaluate", "export"))
    assert read_evaluation(first.run)["robustness"]["clean"]["n"] == 8
    before = dump(settings(), without=end_to_end.AFTER_TRAINING)
    assert "calibrate_on" not in before
    assert "robustness" not in before
    assert "target_error" in before
