"""Rows of the prediction log, made from predictions, and their form in the spool."""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from petmood.core.prediction import Prediction

__all__ = ["LogRow", "LoggedBundle", "PhotoKey", "RowPlace", "log_row", "time_text"]


@dataclass(frozen=True, slots=True)
class PhotoKey:
    """Key of a row: the request's id, and the position of the photo among those of the request, from 0."""

    request_id: str
    position: int = 0


class RowPlace(NamedTuple):
    """Place of a row in the order of the log: by time, and by key among rows of one microsecond."""

    time_us: int
    request_id: str
    position: int

    @property
    def key(self) -> PhotoKey:
        """The key of the row."""
        return PhotoKey(self.request_id, self.position)


@dataclass(frozen=True, slots=True)
class LoggedBundle:
    """The bundle that made a prediction: SHA-256 of its manifest, name, version, and classes in column order."""

    sha256: str
    name: str
    version: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogRow:
    """One prediction.

    ``position`` is that of the photo in a request with several. ``time_us`` is the time of the answer, in microseconds
    since 1970, UTC. ``probabilities`` has the order of the bundle's classes. ``statistics`` are those of
    ``core.image_statistics``; ``embedding`` is float16 [D] as bytes, ``residual`` the norm of what its projection
    leaves out. None stands for what the bundle doesn't compute. ``photo_sha256`` is that of the photo that is kept, ""
    if none is, and None if an earlier version wrote the row.
    """

    request_id: str
    position: int
    time_us: int
    bundle: LoggedBundle
    label: str | None
    probabilities: tuple[float, ...]
    confident: bool
    in_domain: bool | None
    domain_warning: str | None
    novelty: float | None
    animal_score: float | None
    latency_ms: float
    statistics: tuple[float, float, float, float] | None = None
    embedding: bytes | None = None
    residual: float | None = None
    photo_sha256: str | None = None

    def to_json(self) -> str:
        """Return the row as one line of JSON, without the line break."""
        fields = asdict(self)
        if self.embedding is not None:
            fields["embedding"] = base64.b64encode(self.embedding).decode("ascii")
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> "LogRow":
        """Return the row in a line of JSON.

        Raises:
            ValueError: the line is cut or damaged.
        """
        try:
            fields: dict[str, Any] = json.loads(line)
            bundle = fields.pop("bundle")
            classes = tuple(bundle.pop("classes"))
            for name in ("probabilities", "statistics"):
                fields[name] = None if fields[name] is None else tuple(fields[name])
            if fields["embedding"] is not None:
                fields["embedding"] = base64.b64decode(fields["embedding"], validate=True)
            return cls(bundle=LoggedBundle(**bundle, classes=classes), **fields)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"Expected a row of the prediction log, got {line[:80]!r}.") from error


def time_text(time_us: int) -> str:
    """Return a time in microseconds since 1970 as text, in UTC to the second.

    >>> time_text(1_790_000_000_000_000)
    '2026-09-21T14:13:20+00:00'
    """
    return datetime.fromtimestamp(time_us / 1e6, tz=UTC).isoformat(timespec="seconds")


def log_row(
    prediction: Prediction, key: PhotoKey, *, time_us: int, latency_ms: float, photo: bytes | None = None
) -> LogRow:
    """Return the row of a prediction, and of its photo if that is kept; the time is in microseconds since 1970, UTC."""
    measured, scores = prediction.measured, prediction.domain
    embedding = None if measured is None or measured.embedding is None else measured.embedding.astype(np.float16)
    return LogRow(
        request_id=key.request_id,
        position=key.position,
        time_us=time_us,
        bundle=LoggedBundle(
            prediction.model.sha256, prediction.model.name, prediction.model.version, tuple(prediction.probabilities)
        ),
        label=prediction.label,
        probabilities=tuple(prediction.probabilities.values()),
        confident=prediction.confident,
        in_domain=prediction.in_domain,
        domain_warning=prediction.domain_warning,
        novelty=scores.novelty if scores else None,
        animal_score=scores.animal_score if scores else None,
        latency_ms=latency_ms,
        statistics=measured.statistics if measured else None,
        embedding=None if embedding is None else embedding.tobytes(),
        residual=measured.residual if measured else None,
        photo_sha256="" if photo is None else hashlib.sha256(photo).hexdigest(),
    )
