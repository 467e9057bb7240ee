"""Search space: sampled values become a trial's configuration through command-line overrides."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from optuna.trial import BaseTrial

from petmood.configs.load import SHORT_NAMES, compose
from petmood.configs.schema import Config, DimensionConfig, SearchConfig
from petmood.core.errors import ConfigError

__all__ = ["Space", "Value", "Values", "grid", "open_space", "override", "replay_overrides", "suggest"]

Value = bool | int | float | str | None
Values = Mapping[str, Value]

NEVER_SEARCHED: Final = {
    "seed": "the best seed would be best by chance",
    "data": "trials on different photos can't be compared",
    "run": "a sweep sets the names of its runs",
    "search": "a sweep can't vary its own settings",
}

OF_A_SWEEP: Final = ("search", "n_trials")


@dataclass(frozen=True, slots=True)
class Space:
    """The searched settings, and the overrides that are fixed for all trials."""

    base: tuple[str, ...]
    dimensions: Mapping[str, DimensionConfig]

    def compose(self, values: Values) -> Config:
        """Return the configuration of a trial with these values; it contains no search settings.

        Raises:
            ConfigError: an unknown setting, or a value out of its range.
        """
        config = compose([*self.base, *(override(name, value) for name, value in values.items())])
        return config.model_copy(update={"search": SearchConfig()})


def open_space(overrides: Sequence[str], search: SearchConfig) -> Space:
    """Return the space of a search; a setting that is named in the overrides is fixed, and not searched.

    Raises:
        ConfigError: no setting is left to search, or a setting doesn't exist or doesn't allow a value of its dimension.
    """
    fixed = {SHORT_NAMES.get(key, key) for key in (text.partition("=")[0].lstrip("+") for text in overrides)}
    dimensions = {name: dimension for name, dimension in search.space.items() if name not in fixed}
    if not dimensions:
        raise ConfigError("There is nothing to search. Choose a search space with: search=first, or search=closed_form")
    space = Space(tuple(overrides), dimensions)
    for name, dimension in dimensions.items():
        if reason := NEVER_SEARCHED.get(name.partition(".")[0]):
            raise ConfigError(f"search.space: {name} can't be searched: {reason}.")
        for value in _ends(dimension):
            space.compose({name: value})
    if search.sampler == "grid":
        grid(space)
    return space


def suggest(trial: BaseTrial, name: str, dimension: DimensionConfig) -> Value:
    """Sample a value for a trial; a value that it has sampled before is kept."""
    if dimension.choices is not None:
        chosen: Value = trial.suggest_categorical(name, dimension.choices)
        return chosen
    low, high = _range(dimension)
    if dimension.integer:
        return trial.suggest_int(name, int(low), int(high), step=int(dimension.step or 1), log=dimension.log)
    return trial.suggest_float(name, low, high, step=dimension.step, log=dimension.log)


def override(name: str, value: Value) -> str:
    """Format a value as a command-line override; text is used unchanged, so that ``[0.1,1.0]`` is a list."""
    words = {None: "null", True: "true", False: "false"}
    return f"{name}={words[value] if value is None or isinstance(value, bool) else value}"


def replay_overrides(space: Space, values: Values) -> list[str]:
    """Return the overrides of `petmood train` that train with these values again."""
    kept = [text for text in space.base if text.partition("=")[0].lstrip("+~").partition(".")[0] not in OF_A_SWEEP]
    return [*kept, *(override(name, value) for name, value in values.items())]


def grid(space: Space) -> list[dict[str, Value]]:
    """Return every combination of values; the last setting varies fastest.

    Raises:
        ConfigError: a setting has no finite number of values.
    """
    points = [_points(name, dimension) for name, dimension in space.dimensions.items()]
    return [dict(zip(space.dimensions, values, strict=True)) for values in itertools.product(*points)]


def _points(name: str, dimension: DimensionConfig) -> Sequence[Value]:
    if dimension.choices is not None:
        return dimension.choices
    step = dimension.step or (1 if dimension.integer and not dimension.log else None)
    if step is None:
        raise ConfigError(f"search.space: a grid needs choices or a step for {name}. Or use: search.sampler=tpe")
    low, high = _range(dimension)
    values = [low + number * step for number in range(round((high - low) / step) + 1)]
    return [int(value) for value in values] if dimension.integer else values


def _ends(dimension: DimensionConfig) -> Sequence[Value]:
    """Return every choice, or the bounds of a range and, for real numbers, a non-integer value between them."""
    if dimension.choices is not None:
        return dimension.choices
    low, high = _range(dimension)
    if dimension.integer:
        return int(low), int(high)
    return low, high, low + (dimension.step or (high - low) / math.pi)


def _range(dimension: DimensionConfig) -> tuple[float, float]:
    assert dimension.low is not None  # noqa: S101 - the schema refuses a dimension without both
    assert dimension.high is not None  # noqa: S101 - the schema refuses a dimension without both
    return dimension.low, dimension.high
