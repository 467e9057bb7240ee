"""What can a run tell? A few kinds of entries, each one line of JSON."""

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
    """``at_ms``: when it was told, milliseconds since 1970; an entry sent twice is known by it."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    at_ms: int = Field(default_factory=lambda: time.time_ns() // 1_000_000)


class TrackerSpec(BaseModel):
    """Which tracker a run tells, and how it is reached; see ``TrackerConfig`` for each key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mlflow", "wandb"] = "mlflow"
    uri: str | None = None
    experiment: str = "petmood"
    project: str = "petmood"
    mode: Literal["auto", "online", "offline"] = "auto"
    deadline_s: float = 30.0


class RunStarted(_Entry):
    """The first entry: who this is. ``run_id`` is unique in the world; ``home`` is where training was started."""

    kind: Literal["begin"] = "begin"
    run_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    name: str
    home: str
    tracker: TrackerSpec


class Params(_Entry):
    """Settings; told once, they don't change."""

    kind: Literal["params"] = "params"
    values: dict[str, JsonValue]


class Tags(_Entry):
    """Facts about a run; a later one takes an earlier one's place."""

    kind: Literal["tags"] = "tags"
    values: dict[str, str]


class Metrics(_Entry):
    """Numbers of one epoch, or final ones where ``step`` is null."""

    kind: Literal["metrics"] = "metrics"
    values: dict[str, float]
    step: int | None = None


class Artifact(_Entry):
    """A file or folder to keep below ``to``: a path inside the run's folder, or an absolute one."""

    kind: Literal["artifact"] = "artifact"
    path: str
    to: str = ""


class Status(_Entry):
    """How training stands."""

    kind: Literal["status"] = "status"
    status: Literal["running", "finished", "failed", "killed"]


Entry = RunStarted | Params | Tags | Metrics | Artifact | Status
_ANY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def as_line(entry: Entry) -> bytes:
    """Return an entry as one line of JSON; numbers that are not finite as "NaN", "Infinity", "-Infinity"."""
    return entry.model_dump_json().encode() + b"\n"


def from_line(line: bytes) -> Entry:
    """Read what ``as_line`` wrote.

    Raises:
        TrackingError: it is something else.
    """
    try:
        return _ANY.validate_json(line)
    except ValidationError as error:
        raise TrackingError(f"Expected an entry of a tracking journal, got {line[:60]!r}.") from error
