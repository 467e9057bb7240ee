"""`petmood sweep`: table of trials, best run, next commands and one-line errors."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from petmood.cli import sweep as verb
from petmood.configs.load import compose
from petmood.pipelines.run_folder import open_run
from petmood.tuning import sweep as tuning_sweep
from petmood.tuning.sweep import sweep
from tests.support.small_sets import SMALL


@pytest.fixture
def wanted(small_set: Path, tmp_path: Path) -> list[str]:
    """Return overrides of a sweep of two trials."""
    return [*SMALL, f"data={small_set}", f"search.folder={tmp_path}", "epochs=1", "search=first", "n_trials=2"]


def test_it_ends_with_the_best_trials_what_they_are_worth_and_what_to_do_next(
    petmood: Callable[..., Any], wanted: list[str], tmp_path: Path
) -> None:
    done = petmood("sweep", *wanted)
    assert (done.code, done.err) == (0, "")
    head, first = done.out.splitlines()[:2]
    assert head.split()[:4] == ["trial", "val/loss", "epochs", "seconds"]
    assert "optimizer.lr" in head
    assert len({len(line) for line in done.out.splitlines()[:3]}) == 1
    best = tmp_path / f"first/trials/{int(first.split()[0]):03d}"
    for text in (
        "2 trials: 2 finished, 0 pruned, 0 failed.",
        "the best of 2 by these 8 photos, so its val/loss is optimistic. No trial opened the test photos.",
        f"Next: petmood evaluate {best}\n",
        f"petmood export {best} --output bundles/first\n",
        str(tmp_path / "first/sweep.html"),
    ):
        assert text in done.out
    again = shlex.split(done.out.splitlines()[-1].removeprefix("Again: "))
    assert again[:2] == ["petmood", "train"]
    assert compose(again[2:]).optimizer == open_run(best).read_config().optimizer
    assert petmood("evaluate", best).code == 0


def test_a_best_run_elsewhere_is_reported_with_its_place(wanted: list[str]) -> None:
    found = replace(sweep([*wanted, "n_trials=1"]), best_run=None)
    printed = verb.sweep_text(replace(found, best=replace(found.best, run="far:/runs/000")))
    assert "The best run was trained elsewhere, at far:/runs/000." in printed
    assert "Next:" not in printed


def test_the_file_for_wandb_is_printed_and_nothing_is_searched(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = petmood("sweep", "search=first", "--wandb")
    assert done.code == 0
    assert yaml.safe_load(done.out)["command"][3] == "experiment=demo"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "added"), [([], ["experiment=demo"]), (["data=x"], []), (["experiment=few_photos"], [])]
)
def test_the_demo_is_searched_on_where_nothing_else_is_named(
    petmood: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, given: list[str], added: list[str]
) -> None:
    seen = []

    def watch(overrides: list[str], **_: object) -> None:
        seen.append(overrides)
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning_sweep, "sweep", watch)
    assert petmood("sweep", "search=first", *given).code == 130
    assert seen == [[*added, "search=first", *given]]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["search=none"], "There is nothing to search."),
        (["search=frist"], "Unknown search 'frist'. Did you mean first? Known: closed_form, first, none."),
        (["n_trials=0"], "search.n_trials: Expected a number of 1 or more, got 0."),
        (
            ["search.metric=test_loss"],
            "search.metric: Expected 'val/loss' or 'val/accuracy', got 'test_loss'.",
        ),
        (["search.storage=mysql://h/d"], "search.storage: Expected null, sqlite:///FILE or postgresql://"),
        (["data=nowhere"], "Expected a dataset with an index.csv in 'nowhere', got none."),
        (["weights=nowhere.safetensors"], "No weights file nowhere.safetensors."),
    ],
)
def test_what_can_t_be_searched_is_one_line_and_code_2(
    petmood: Callable[..., Any], wanted: list[str], overrides: list[str], said: str
) -> None:
    done = petmood("sweep", *wanted, *overrides)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"petmood: {said}")
    assert done.err.count("\n") == 1
