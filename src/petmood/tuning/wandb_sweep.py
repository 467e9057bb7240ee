"""Export of a search space as a sweep.yaml for W&B agents, which run `petmood train`."""

from collections.abc import Sequence
from typing import Any, Final

import yaml

from petmood.configs.load import compose
from petmood.configs.schema import DimensionConfig
from petmood.pipelines.chosen_model import models_tried
from petmood.tuning.space import open_space, replay_overrides

__all__ = ["sweep_file"]

METHODS: Final = {"tpe": "bayes", "random": "random", "grid": "grid"}
EVERY_RUN: Final = ("tracker=wandb", "name=null")
"""Runs log to W&B and are named by their start time, since an agent starts many in one folder."""


def sweep_file(overrides: Sequence[str]) -> str:
    """Return the text of a sweep.yaml, W&B's sweep configuration, for the search that ``overrides`` select.

    Its metric is that of the kept weights, as in petmood's own sweep; the tracker logs it under that name at the end.
    An agent replaces ``${args_no_hyphens}`` by arguments such as ``optimizer.lr=0.01``, and ``${env}`` by env(1).

    Raises:
        ConfigError: no setting to search, or settings that don't exist.
    """
    config = compose(overrides)
    search = config.search
    space = open_space(overrides, search)
    tried = f"evaluation.tried={search.n_trials * models_tried(config, epochs=config.trainer.max_epochs)}"
    found = {
        "program": "petmood",
        "name": search.name,
        "method": METHODS[search.sampler],
        "metric": {"name": search.metric.replace("/", "/kept_"), "goal": search.direction},
        "run_cap": search.n_trials,
        "parameters": {name: _parameter(dimension) for name, dimension in space.dimensions.items()},
        "command": [
            "${env}",
            "petmood",
            "train",
            *replay_overrides(space, {}),
            *EVERY_RUN,
            tried,
            "${args_no_hyphens}",
        ],
    }
    head = f"# Written by `petmood sweep search={search.name} --wandb`. Use it with: wandb sweep sweep.yaml\n"
    return head + yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120)


def _parameter(dimension: DimensionConfig) -> dict[str, Any]:
    if dimension.choices is not None:
        return {"values": ["null" if choice is None else choice for choice in dimension.choices]}
    number = int if dimension.integer else float
    ends: dict[str, Any] = {"min": number(dimension.low or 0), "max": number(dimension.high or 0)}
    quantum = dimension.step or (1 if dimension.integer and dimension.log else None)
    step = {"q": number(quantum)} if quantum else {}
    kind = "log_uniform_values" if dimension.log else "uniform"
    if step:
        kind = f"q_{kind}"
    elif dimension.integer:
        kind = f"int_{kind}"
    return {"distribution": kind, **ends, **step}
