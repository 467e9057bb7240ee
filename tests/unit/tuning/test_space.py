"""Search space: existing settings only, samples within their ranges, and overrides in command-line syntax."""

from pathlib import Path

import optuna
import pytest

from petmood.configs.load import compose
from petmood.core.errors import ConfigError
from petmood.tuning.space import Space, Value, grid, open_space, override, replay_overrides, suggest
from petmood.tuning.storage import connect, open_trial


def opened(*overrides: str) -> Space:
    """Open the space that overrides describe."""
    return open_space(overrides, compose(overrides).search)


def refusal(*overrides: str) -> str:
    """Return the one line with which a search is refused."""
    with pytest.raises(ConfigError) as refused:
        opened(*overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("{optimizer.rat:{low:1,high:2}}", "Unknown setting 'optimizer.rat'. Did you mean optimizer.lr?"),
        ("{optimizer.lr:{low:2,high:1}}", "search.space.optimizer.lr: Expected low and high with low < high"),
        ("{optimizer.lr:{low:1}}", "search.space.optimizer.lr: Expected low and high with low < high, or choices"),
        ("{optimizer.lr:{low:0,high:1,log:true}}", "search.space.optimizer.lr: Expected low > 0 and no step"),
        (
            "{optimizer.lr:{low:1,high:2,step:0.3}}",
            "search.space.optimizer.lr: Expected high - low to be a multiple of step",
        ),
        (
            "{trainer.batch_size:{low:1.5,high:8,integer:true}}",
            "search.space.trainer.batch_size: Expected integers for low, high and step",
        ),
        (
            "{optimizer.lr:{low:1,high:2,choices:[1,2]}}",
            "search.space.optimizer.lr: Expected two or more different choices",
        ),
        ("{augment:{choices:[none,none]}}", "search.space.augment: Expected two or more different choices"),
        (
            "{augment:{choices:[none,hevy]}}",
            "Unknown augment 'hevy'. Did you mean heavy? Known: heavy, light, none, standard.",
        ),
        ("{optimizer.lr:{low:-1,high:1}}", "optimizer.lr: Expected a number greater than 0, got -1.0."),
        ("{model.dropout:{low:0,high:1}}", "model.dropout: Expected a number less than 1, got 1.0."),
        ("{trainer.batch_size:{low:8,high:64}}", "trainer.batch_size: Expected an integer, got "),
        (
            "{seed:{low:0,high:9,integer:true}}",
            "search.space: seed can't be searched: the best seed would be best by chance.",
        ),
        (
            "{data.include_copies:{choices:[true,false]}}",
            "search.space: data.include_copies can't be searched: trials on different",
        ),
        ("{optimizer.lr:{lo:1,high:2}}", "Unknown setting 'search.space.optimizer.lr.lo'."),
    ],
)
def test_what_can_t_be_searched_is_one_line_before_any_trial(space: str, said: str) -> None:
    assert refusal(f"search.space={space}").startswith(said)


@pytest.mark.parametrize("metric", ["test_loss", "test_accuracy", "kept_test_loss"])
def test_no_metric_of_test_photos_can_be_named(metric: str) -> None:
    assert "Expected 'val/loss' or 'val/accuracy'" in refusal("search=first", f"search.metric={metric}")


def test_nothing_to_search_is_said_with_what_there_is() -> None:
    assert refusal().startswith("There is nothing to search. Choose a search space with: search=first")


@pytest.mark.parametrize("name", ["first", "closed_form"])
def test_every_search_that_comes_with_petmood_opens(name: str) -> None:
    assert opened(f"search={name}").dimensions.keys() == compose([f"search={name}"]).search.space.keys()


def test_a_setting_that_is_named_is_fixed_and_not_searched() -> None:
    space = opened("search=first", "augment=heavy", "optimizer.lr=0.5")
    assert space.dimensions.keys() == {"optimizer.weight_decay", "recipe.label_smoothing", "model.dropout"}
    config = space.compose({"model.dropout": 0.1})
    assert (config.optimizer.lr, config.augment, config.model.dropout) == (
        0.5,
        compose(["augment=heavy"]).augment,
        0.1,
    )


def test_a_trial_s_configuration_is_what_train_would_compose_and_knows_nothing_of_the_search() -> None:
    space = opened("search=first", "epochs=3", "n_trials=7")
    values: dict[str, Value] = {"optimizer.lr": 0.01, "augment": "light"}
    typed = replay_overrides(space, values)
    assert typed == ["epochs=3", "optimizer.lr=0.01", "augment=light"]
    assert space.compose(values) == compose(typed)


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "a=null"), (True, "a=true"), (False, "a=false"), (1, "a=1"), (1e-05, "a=1e-05"), ("[1.0]", "a=[1.0]")],
)
def test_values_are_written_as_typed(value: Value, written: str) -> None:
    assert override("a", value) == written


def test_draws_stay_in_their_range_on_their_step_and_of_their_kind() -> None:
    dimensions = opened(
        "search.space={optimizer.lr:{low:0.001,high:0.1,log:true},model.dropout:{low:0,high:0.4,step:0.2},"
        "trainer.batch_size:{low:8,high:32,step:8,integer:true},recipe.class_weights:{choices:[true,false]}}"
    ).dimensions
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [
        {name: suggest(trial, name, one) for name, one in dimensions.items()}
        for trial in (study.ask() for _ in range(40))
    ]
    assert all(0.001 <= float(one["optimizer.lr"] or 0) <= 0.1 for one in drawn)
    assert {round(float(one["model.dropout"] or 0), 6) for one in drawn} == {0.0, 0.2, 0.4}
    assert {repr(one["trainer.batch_size"]) for one in drawn} == {"8", "16", "24", "32"}
    assert {one["recipe.class_weights"] for one in drawn} == {True, False}


def test_a_trial_keeps_what_it_has_drawn(tmp_path: Path) -> None:
    dimensions = opened("search=first").dimensions
    storage = connect(f"sqlite:///{tmp_path}/study.db")
    optuna.create_study(storage=storage, study_name="other").ask()
    study = optuna.create_study(storage=storage, study_name="this")
    trial = study.ask()
    first = {name: suggest(trial, name, one) for name, one in dimensions.items()}
    taken_over = open_trial(study, storage, trial.number)
    assert {name: suggest(taken_over, name, one) for name, one in dimensions.items()} == first


def test_a_grid_has_every_combination_once_the_last_setting_quickest() -> None:
    space = opened("search.space={augment:{choices:[none,light]},model.dropout:{low:0,high:0.5,step:0.25}}")
    assert [tuple(point.values()) for point in grid(space)] == [
        ("none", 0.0), ("none", 0.25), ("none", 0.5), ("light", 0.0), ("light", 0.25), ("light", 0.5),
    ]  # fmt: skip
    whole = opened("search.space={trainer.batch_size:{low:2,high:4,integer:true}}")
    assert [point["trainer.batch_size"] for point in grid(whole)] == [2, 3, 4]


def test_a_grid_over_a_range_without_steps_is_refused_at_once() -> None:
    said = refusal("search=first", "search.sampler=grid")
    assert said.startswith("search.space: a grid needs choices or a step for optimizer.lr.")
