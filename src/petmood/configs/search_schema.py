"""Schema of a hyperparameter search, and the base class of all settings."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_serializer, model_validator
from pydantic_core import PydanticCustomError

from petmood.core.redact import without_credentials

__all__ = ["Checked", "DimensionConfig", "SearchConfig"]


class Checked(BaseModel):
    """A group of settings: it can't be changed, and rejects unknown keys and infinite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DimensionConfig(Checked):
    """One dimension of a search: a number from ``low`` to ``high``, or one of ``choices`` in command-line syntax.

    ``log``: sample uniformly in log space. ``step``: sample only ``low`` plus multiples of the step. ``integer``:
    sample integers only.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = Field(default=None, gt=0)
    integer: bool = False
    choices: tuple[bool | int | float | str | None, ...] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "DimensionConfig":
        if fault := self._fault():
            raise PydanticCustomError("bad_dimension", "{fault}", {"fault": fault})
        return self

    def _fault(self) -> str:
        if self.choices is not None:
            numbers = self.model_dump(exclude={"choices"}, exclude_defaults=True)
            several = len(set(map(repr, self.choices))) == len(self.choices) > 1
            return "" if several and not numbers else "Expected two or more different choices and no other key"
        if self.low is None or self.high is None or self.low >= self.high:
            return "Expected low and high with low < high, or choices"
        if self.log and (self.low <= 0 or self.step is not None):
            return "Expected low > 0 and no step if log is true"
        if self.integer and any(number is not None and number % 1 for number in (self.low, self.high, self.step)):
            return "Expected integers for low, high and step if integer is true"
        if self.step is not None and abs((steps := (self.high - self.low) / self.step) - round(steps)) > 1e-6:
            return "Expected high - low to be a multiple of step"
        return ""


class SearchConfig(Checked):
    """Hyperparameter search: the settings that `petmood sweep` varies (``space``), its sampler and its pruner.

    ``metric`` is computed on the validation photos; selection by test photos is not possible.
    ``startup``: random trials before the sampler and the pruner use results. ``warmup``: epochs before a trial can be
    pruned. ``workers``: processes. ``storage``: null (SQLite in the sweep's folder), or postgresql://USER@HOST/NAME
    with the password in PGPASSWORD or a pgpass file.
    """

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    folder: str = "runs/sweeps"
    space: Annotated[dict[str, DimensionConfig], BeforeValidator(lambda space: space or {})] = {}
    n_trials: int = Field(default=20, ge=1)
    metric: Literal["val/loss", "val/accuracy"] = "val/loss"
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruner: Literal["median", "none"] = "median"
    startup: int = Field(default=5, ge=1)
    warmup: int = Field(default=2, ge=0)
    workers: int = Field(default=1, ge=1)
    storage: str | None = Field(default=None, repr=False)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Direction of optimization: minimize a loss, maximize an accuracy."""
        return "minimize" if self.metric == "val/loss" else "maximize"

    @field_serializer("storage")
    def _hide(self, storage: str | None) -> str | None:
        return storage and without_credentials(storage)
