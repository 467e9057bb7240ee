"""How is a search handed to W&B's agents? As a sweep.yaml with the same space, whose command is petmood's own."""

from collections.abc import Sequence
from typing import Any, Final

import yaml

from petmood.configs.load import compose
from petmood.configs.schema import DimensionConfig
from petmood.tuning.space import open_space, replay_overrides

__all__ = ["sweep_file"]

METHODS: Final = {"tpe": "bayes", "random": "random", "grid": "grid"}
EVERY_RUN: Final = ("tracker=wandb", "name=null")
"""Runs are told to W&B, and named by the time of day: an agent starts many in one folder."""


def sweep_file(overrides: Sequence[str]) -> str:
    """Return the text of a sweep.yaml, W&B's sweep configuration, for the search that ``overrides`` name.

    Its metric is the kept weights', as in a sweep of petmood's own; the tracker tells it under that name at the end.
    An agent fills ``${args_no_hyphens}`` with words such as ``optimizer.lr=0.01``, and ``${env}`` with env(1).

    Raises:
        ConfigError: nothing to search, or settings that don't exist.
    """
    search = compose(overrides).search
    space = open_space(overrides, search)
    found = {
        "program": "petmood",
        "name": search.name,
        "method": METHODS[search.sampler],
        "metric": {"name": f"kept_{search.metric}", "goal": search.direction},
        "run_cap": search.n_trials,
        "parameters": {name: _parameter(dimension) for name, dimension in space.dimensions.items()},
        "command": ["${env}", "petmood", "train", *replay_overrides(space, {}), *EVERY_RUN, "${args_no_hyphens}"],
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
