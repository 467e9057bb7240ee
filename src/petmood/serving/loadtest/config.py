"""Configuration of a load test, passed to the Locust process as JSON on standard input."""

import json
from dataclasses import asdict, dataclass

from petmood.serving.loadtest.target import Target

__all__ = ["LoadTestConfig", "load_test_config_from"]


@dataclass(frozen=True, slots=True)
class LoadTestConfig:
    """Load test settings: ``counts`` of users per step, ``photos`` folder or None, ``csv`` prefix of Locust's files."""

    target: Target
    counts: tuple[int, ...]
    duration_s: float
    csv: str
    until_saturation: bool = False
    photos: str | None = None
    token: str | None = None

    def as_text(self) -> str:
        """Return JSON; sent by stdin, as command-line arguments are visible to all users and it may contain a token."""
        return json.dumps(asdict(self))


def load_test_config_from(text: str) -> LoadTestConfig:
    """Parse the JSON written by ``as_text``."""
    fields = json.loads(text)
    return LoadTestConfig(**{**fields, "target": Target(**fields["target"]), "counts": tuple(fields["counts"])})
