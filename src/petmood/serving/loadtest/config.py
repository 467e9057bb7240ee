"""What does the process that loads a service have to know? One record, handed over as JSON on its standard input."""

import json
from dataclasses import asdict, dataclass

from petmood.serving.loadtest.target import Target

__all__ = ["LoadTestConfig", "load_test_config_from"]


@dataclass(frozen=True, slots=True)
class LoadTestConfig:
    """``counts`` are the numbers of users, ``photos`` a folder or None, ``csv`` how Locust's own files begin."""

    target: Target
    counts: tuple[int, ...]
    duration_s: float
    csv: str
    until_saturation: bool = False
    photos: str | None = None
    token: str | None = None

    def as_text(self) -> str:
        """Return JSON; not as arguments, for those every user of the machine can see, and this may hold a token."""
        return json.dumps(asdict(self))


def load_test_config_from(text: str) -> LoadTestConfig:
    """Return the record that ``as_text`` wrote."""
    fields = json.loads(text)
    return LoadTestConfig(**{**fields, "target": Target(**fields["target"]), "counts": tuple(fields["counts"])})
