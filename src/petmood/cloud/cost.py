"""Estimates of what training and serving cost: dated prices times measured seconds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petmood.cloud.settings import ServiceSize, TrainingSize
from petmood.core.errors import CloudError, ConfigError
from petmood.core.extras import require
from petmood.core.folder_kind import RUN_NAME
from petmood.core.validation import validation_message

__all__ = ["MONTH_S", "Estimate", "Prices", "read_prices", "run_seconds", "serving_cost", "training_cost"]

MONTH_S: Final = 30 * 86_400
STEP_MS: Final = 100
"""Cloud Run rounds the time of an instance up to this."""
INCLUDED: Final = ("g2-", "a2-", "a3-")
"""Machine types whose price has their accelerators in it."""

Price = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CloudRunPrices(_Record):
    """Prices of Cloud Run for a second of a processor and of a GiB, by how an instance is billed, and of requests."""

    request_cpu_second: Price
    request_gib_second: Price
    million_requests: Price
    instance_cpu_second: Price
    instance_gib_second: Price


class Prices(_Record):
    """A list of prices with the day, the source, the region and the currency that they are of."""

    as_of: date
    source: str = Field(min_length=1)
    region: str = Field(min_length=1)
    currency: str = Field(min_length=1)
    cloud_run: CloudRunPrices
    vertex_machine_hour: Mapping[str, Price]
    vertex_accelerator_hour: Mapping[str, Price]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One line of an estimate: what it is for, the amount in the currency of the prices, and how it was computed."""

    what: str
    amount: float
    how: str


def read_prices(path: Path | None = None) -> Prices:
    """Read prices from a YAML file, by default those of this package.

    Raises:
        ConfigError: the file can't be read, or a price is missing or invalid.
    """
    yaml = require("yaml", extra="cloud")
    shown = path or Path("prices.yaml")
    try:
        text = (path or files("petmood.cloud").joinpath("prices.yaml")).read_text("utf-8")
        return Prices.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{key or 'prices'} in {shown}: {validation_message(first)}.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ConfigError(
            f"{shown} can't be read as YAML: {reason}. Start from a copy of cloud/prices.yaml."
        ) from error


def run_seconds(run: Path) -> float:
    """Return the measured seconds of a finished training, from its run folder.

    Raises:
        CloudError: it is not a run, or it is not finished.
    """
    try:
        seconds = json.loads((run / RUN_NAME).read_bytes())["seconds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CloudError(f"Expected the folder of a run with {RUN_NAME}, got {run}. Give one below runs/.") from error
    if not isinstance(seconds, int | float):
        raise CloudError(f"The run {run} is not finished, so its time is not known. Resume it first.")
    return float(seconds)


def training_cost(prices: Prices, size: TrainingSize, *, seconds: float) -> Estimate:
    """Return what a training of so many seconds costs on the machines of a job of Vertex AI.

    The start of a machine and of the container, some minutes, is not in it, nor is the disk.

    Raises:
        ConfigError: the list has no price of the machine or the accelerator.
    """
    hour = _price(prices.vertex_machine_hour, size.machine_type, "vertex_machine_hour")
    how = f"{seconds:,.0f} s of {size.machine_type}"
    if size.accelerator is not None and not size.machine_type.startswith(INCLUDED):
        hour += size.accelerator_count * _price(
            prices.vertex_accelerator_hour, size.accelerator, "vertex_accelerator_hour"
        )
        how += f" with {size.accelerator_count} {size.accelerator}"
    if size.machines > 1:
        how, hour = f"{how} on each of {size.machines} machines", hour * size.machines
    return Estimate("one training", seconds / 3600 * hour, f"{how} at {hour:.4f} an hour")


def serving_cost(prices: Prices, size: ServiceSize, *, requests: int, milliseconds: float) -> list[Estimate]:
    """Return what a month of requests costs, by both ways that Cloud Run bills.

    ``milliseconds``: measured time of one request. Billed by requests: requests that never overlap, each rounded up to
    100 ms; overlapping ones cost less. Billed by instances: the least number of instances all the time.
    """
    run, gib = prices.cloud_run, _gib(size.memory)
    busy_s = requests * -(-milliseconds // STEP_MS) * STEP_MS / 1000
    second = size.cpu * run.request_cpu_second + gib * run.request_gib_second
    always = size.cpu * run.instance_cpu_second + gib * run.instance_gib_second
    kept = max(1, size.min_instances)
    shape = f"{size.cpu} CPU, {gib:g} GiB"
    return [
        Estimate(
            "a month of requests, billed by requests",
            busy_s * second + requests / 1e6 * run.million_requests,
            f"{requests:,} requests, {busy_s:,.0f} s of {shape}",
        ),
        Estimate(
            "a month of one instance" if kept == 1 else f"a month of {kept} instances",
            kept * MONTH_S * always,
            f"{kept * MONTH_S:,} s of {shape}, billed by instances, any number of requests that it can serve",
        ),
    ]


def _price(prices: Mapping[str, float], name: str, group: str) -> float:
    if name not in prices:
        known = ", ".join(sorted(prices))
        raise ConfigError(f"Expected a price of {name} in {group}, got prices of {known}. Add it, and give --prices.")
    return prices[name]


def _gib(memory: str) -> float:
    number: Any = int(memory[:-2])
    return float(number if memory.endswith("Gi") else number / 1024)
