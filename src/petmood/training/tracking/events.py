"""Tracking entries of a run as Pydantic models, each serialized as one line of JSON."""

import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from petmood.core.errors import TrackingError

__all__ = [
    "Artifact",
    "Entry",
    "Metrics",
    "Params",
    "RunStarted",
    "Status",
    "Tags",
    "TrackerSpec",
    "as_line",
    "from_line",
]


class _Entry(BaseModel):
    """Base of all entries; ``at_ms``, milliseconds since 1970, identifies an entry that is sent twice."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    at_ms: int = Field(default_factory=lambda: time.time_ns() // 1_000_000)


class TrackerSpec(BaseModel):
    """Tracker of a run and its connection settings; see ``TrackerConfig`` for each key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mlflow", "wandb"] = "mlflow"
    uri: str | None = None
    experiment: str = "petmood"
    project: str = "petmood"
    mode: Literal["auto", "online", "offline"] = "auto"
    deadline_s: float = 30.0


class RunStarted(_Entry):
    """First entry of a run; ``run_id`` is globally unique, ``home`` is the folder where training was started."""

    kind: Literal["begin"] = "begin"
    run_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    name: str
    home: str
    tracker: TrackerSpec


class Params(_Entry):
    """Settings of a run; they don't change after they are logged."""

    kind: Literal["params"] = "params"
    values: dict[str, JsonValue]


class Tags(_Entry):
    """Tags of a run; a later value replaces an earlier one."""

    kind: Literal["tags"] = "tags"
    values: dict[str, str]


class Metrics(_Entry):
    """Metrics of one epoch, or final metrics if ``step`` is null."""

    kind: Literal["metrics"] = "metrics"
    values: dict[str, float]
    step: int | None = None


class Artifact(_Entry):
    """File or folder to store below ``to``; a path relative to the run folder, or an absolute one."""

    kind: Literal["artifact"] = "artifact"
    path: str
    to: str = ""


class Status(_Entry):
    """Status of training."""

    kind: Literal["status"] = "status"
    status: Literal["running", "finished", "failed", "killed"]


Entry = RunStarted | Params | Tags | Metrics | Artifact | Status
_ANY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def as_line(entry: Entry) -> bytes:
    """Return an entry as one line of JSON; non-finite numbers become "NaN", "Infinity" and "-Infinity"."""
    return entry.model_dump_json().encode() + b"\n"


def from_line(line: bytes) -> Entry:
    """Parse a line written by ``as_line``.

    Raises:
        TrackingError: the line is not a valid entry.
    """
    try:
        return _ANY.validate_json(line)
    except ValidationError as error:
        raise TrackingError(f"Expected an entry of a tracking journal, got {line[:60]!r}.") from error
