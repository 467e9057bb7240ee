"""What does the process that loads a service have to know? One record, handed over as JSON on its standard input."""

import json
from dataclasses import asdict, dataclass

from petmood.serving.loadtest.target import Target

__all__ = ["Job", "job_from"]


@dataclass(frozen=True, slots=True)
class Job:
    """``counts`` are the numbers of users, ``photos`` a folder or None, ``csv`` how Locust's own files begin."""

    target: Target
    counts: tuple[int, ...]
    duration_s: float
    csv: str
    to_the_knee: bool = False
    photos: str | None = None
    token: str | None = None

    def as_text(self) -> str:
        """Return JSON; not as arguments, for those every user of the machine can see, and this may hold a token."""
        return json.dumps(asdict(self))


def job_from(text: str) -> Job:
    """Return the record that ``as_text`` wrote."""
    fields = json.loads(text)
    return Job(**{**fields, "target": Target(**fields["target"]), "counts": tuple(fields["counts"])})
