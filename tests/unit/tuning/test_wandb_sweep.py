"""W&B's sweep.yaml: the same space as petmood's, and run names that don't collide."""

from pathlib import Path

import pytest
import yaml

from petmood.configs.load import compose
from petmood.core.errors import ConfigError
from petmood.tuning.wandb_sweep import sweep_file


def test_the_committed_sweep_yaml_is_the_search_named_first(root: Path) -> None:
    written = sweep_file(["experiment=demo", "search=first"])
    assert (root / "sweep.yaml").read_text("utf-8") == written, "petmood sweep search=first --wandb > sweep.yaml"


def test_its_parameters_are_those_of_the_search_with_the_same_ranges() -> None:
    space = compose(["search=first"]).search.space
    parameters = yaml.safe_load(sweep_file(["search=first"]))["parameters"]
    assert parameters.keys() == space.keys()
    for name, one in parameters.items():
        if space[name].choices is not None:
            assert tuple(one["values"]) == space[name].choices
        else:
            assert (one["min"], one["max"], one.get("q")) == (space[name].low, space[name].high, space[name].step)
            assert one["distribution"].startswith("log_") == space[name].log


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ("{low:8,high:64,integer:true}", {"distribution": "int_uniform", "min": 8, "max": 64}),
        ("{low:8,high:64,step:8,integer:true}", {"distribution": "q_uniform", "min": 8, "max": 64, "q": 8}),
        (
            "{low:8,high:64,integer:true,log:true}",
            {"distribution": "q_log_uniform_values", "min": 8, "max": 64, "q": 1},
        ),
        ("{choices:[8,16]}", {"values": [8, 16]}),
    ],
)
def test_whole_numbers_stay_whole(dimension: str, expected: dict[str, object]) -> None:
    text = sweep_file(["search.name=x", f"search.space={{trainer.batch_size:{dimension}}}"])
    assert yaml.safe_load(text)["parameters"]["trainer.batch_size"] == expected


def test_what_is_not_set_is_written_as_hydra_reads_it() -> None:
    text = sweep_file(["search.name=x", "search.space={model.image_size:{choices:[null,64]}}"])
    assert yaml.safe_load(text)["parameters"]["model.image_size"] == {"values": ["null", 64]}


def test_an_accuracy_is_maximised_and_every_run_gets_the_same_base() -> None:
    found = yaml.safe_load(sweep_file(["search=first", "search.metric=val/accuracy", "epochs=3", "n_trials=5"]))
    assert found["metric"] == {"name": "val/kept_accuracy", "goal": "maximize"}
    assert found["run_cap"] == 5
    assert found["command"][:4] == ["${env}", "petmood", "train", "epochs=3"]
    assert found["command"][-1] == "${args_no_hyphens}"
    assert not any("search" in word or "n_trials" in word for word in found["command"])


def test_nothing_to_search_makes_no_file() -> None:
    with pytest.raises(ConfigError, match="There is nothing to search"):
        sweep_file([])
