"""`petmood run`: table of metrics, three predictions, output paths and the next command."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.configs.schema import Config
from petmood.core.errors import DataError, PhotoError
from petmood.data.sources import Source
from petmood.pipelines import end_to_end
from petmood.pipelines.run_folder import RunFolder
from petmood.presentation.display_names import HEADLINE_SHARES
from tests.support.small_sets import SMALL, write_small_set

TWO = ("recipe", "network")


def test_the_pipeline_ends_with_a_table_answers_places_and_the_next_command(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_set(tmp_path / "data/stripes")
    wanted = (*SMALL, "data=data/stripes", "epochs=2")
    done = petmood("run", *wanted)
    assert (done.code, done.err) == (0, "")
    assert "Done now: check, train, evaluate, export." in done.out
    for word in (
        "The model is right in ",
        "this network, test photos",
        "most frequent",
        "balanced accuracy",
        "3 unseen photos:",
        "report.html",
    ):
        assert word in done.out
    assert done.out.partition("Next: ")[0].count("photos/test-") == 3
    predict, serve = done.out.partition("Next: ")[2].splitlines()
    assert serve.strip() == "petmood serve bundles/stripes"
    program, *words = shlex.split(predict)
    assert (program, words[:2]) == ("petmood", ["predict", "bundles/stripes"])
    assert Path(words[2]).is_file()
    assert petmood(*words).code == 0
    assert "Done now: nothing, everything is up to date." in petmood("run", *wanted).out
    (tmp_path / "mine/stripes").mkdir(parents=True)
    (tmp_path / "mine/stripes/NOTES.md").write_text("mine")
    refused = petmood("run", *wanted, "--bundles", "mine")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "mine/stripes is not a bundle, and replacing it would delete NOTES.md. Nothing was changed." in refused.err
    assert "Done now: export." in petmood("run", *wanted, "--bundles", "other").out


def test_without_test_photos_none_are_called_unseen(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_set(tmp_path / "data/stripes", test=0)
    done = petmood("run", *SMALL, "data=data/stripes", "epochs=3")
    assert (done.code, done.err) == (0, "")
    assert "of 16 validation photos (95%" in done.out
    assert "it may be less accurate on others." in done.out
    assert "this network, validation photos" in done.out
    assert "unseen" not in done.out


@pytest.mark.parametrize(
    ("photos", "heading", "asked"),
    [
        (("a.png", "b.png"), "\n2 unseen photos:\n", "a.png"),
        (("a.png",), "\n1 unseen photo:\n", "a.png"),
        ((), "", "PHOTO"),
    ],
)
def test_as_many_photos_are_counted_as_are_shown(
    petmood: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    photos: tuple[str, ...],
    heading: str,
    asked: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_set(tmp_path / "data/stripes")
    shown = tuple(end_to_end.PhotoResult(Path(photo), PhotoError("no photo")) for photo in photos)
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    numbers = {name: {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9} for name in HEADLINE_SHARES}
    found = {"main": "test", "splits": {"test": numbers}, "baselines": {}, "verdict": "The model is right."}
    run.evaluation.write_text(json.dumps(found))
    result = end_to_end.PipelineResult(Path("data/stripes"), run, Path("bundles/stripes"), (), shown)
    monkeypatch.setattr(end_to_end, "run_pipeline", lambda *_, **__: result)
    done = petmood("run", *SMALL, "data=data/stripes")
    assert (done.code, done.err) == (0, "")
    assert heading in done.out
    assert ("unseen" in done.out) == bool(photos)
    assert f"Next: petmood predict bundles/stripes {asked}\n" in done.out


def test_a_network_that_learned_too_little_is_refused_with_the_setting_that_trains_it_longer(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_set(tmp_path / "data/two", train=32, valid=8, test=0)
    done = petmood("run", *SMALL, "data=data/two", "epochs=1", "optimizer.lr=1e-9", "evaluation.baselines=false")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("petmood: The network has learned too little: its logits vary by ")
    assert done.err.endswith("Train it longer, such as with trainer.max_epochs=20.\n")
    assert done.err.count("\n") == 1


def test_without_a_word_it_runs_on_the_demo(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = []

    def watch(source: Source, *, to: Path, **_: object) -> None:
        seen.append((source.name, to))

    monkeypatch.setattr(end_to_end, "import_photos", watch)
    assert petmood("run").code == 2
    assert seen == [("demo", Path("data/demo"))]


def test_the_recipe_of_real_photos_is_chosen_by_their_number_and_said(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_set(tmp_path / "data/stripes")
    wanted: list[Config] = []

    def watch(config: Config, **_: object) -> None:
        wanted.append(config)
        raise DataError("Seen enough.")

    monkeypatch.setattr(end_to_end, "run_pipeline", watch)
    said = petmood("run", "data=data/stripes")
    assert said.code == 2
    assert said.out.startswith("experiment=few_photos: ")
    assert "original photos, fewer than 1,000: a closed-form head on hand-crafted features" in said.out
    assert petmood("run", "data=data/stripes", "recipe=scratch").out == ""
    assert [one.recipe.name for one in wanted] == ["closed_form", "scratch"]


def test_without_test_photos_the_cross_validation_comes_first_or_its_command_is_given(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_set(tmp_path / "data/two", train=32, valid=8, test=0)
    wanted = (*SMALL, "data=data/two", "epochs=2", "evaluation.baselines=false")
    lines = petmood("run", *wanted, "recipe=closed_form", "weights=none").out.splitlines()
    first, second = (next(n for n, line in enumerate(lines) if line.startswith(f"this {of}, ")) for of in TWO)
    assert lines[first].startswith("this recipe, 40 photos in cross-validation ")
    assert lines[second].startswith("this network, 8 validation photos ")
    assert second == first + 1
    assert "3 validation photos:" in lines
    assert not any("petmood crossval" in line for line in lines)
    done = petmood("run", *wanted)
    assert (done.code, done.err) == (0, "")
    long = done.out
    assert "There are no test photos: these numbers are of validation photos." in long
    offered = [line.strip() for line in long.splitlines() if line.startswith("  petmood ")]
    assert offered[0].startswith("petmood crossval model=tiny")
    assert offered[0].endswith("crossval.leakage=false crossval.permuted_labels=false")
    assert offered[1].endswith("evaluation.crossval=runs/crossval-tiny-seed0")
    assert petmood(*shlex.split(offered[0])[1:], "folds=2").code == 0
    done = petmood(*shlex.split(offered[1])[1:])
    assert "Done now: evaluate, export." in done.out
    assert "\nthis recipe, 40 photos in cross-validation " in done.out
    assert done.out.count("% of 40 photos in cross-validation (95% interval ") == 1
