"""What is left of a load test? Its steps, the one that counts, the knee, and what of the limits was missed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from petmood.core.errors import DownloadError
from petmood.serving.loadtest.limits import Limits, violations
from petmood.serving.loadtest.saturation import Knee, find_knee
from petmood.serving.loadtest.steps import Step

__all__ = ["Report", "report_of"]


@dataclass(frozen=True, slots=True)
class Report:
    """``checked`` is the step that limits are held against: the knee's if it was looked for, else the last."""

    url: str
    steps: tuple[Step, ...]
    checked: Step
    saturation: Knee | None
    limits: Limits
    violations: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what ``summary.json`` holds; the judged step's numbers stand at the top."""
        every: Counter[str] = Counter()
        for step in self.steps:
            every.update(step.errors)
        return {
            "url": self.url,
            **asdict(self.checked),
            "passed": not self.violations,
            "missed": list(self.violations),
            "limits": asdict(self.limits),
            "knee": None
            if self.saturation is None
            else {"users": self.saturation.step.users, "reason": self.saturation.reason},
            "errors_by_status": dict(sorted(every.items())),
            "steps": [asdict(step) for step in self.steps],
        }


def report_of(steps: Sequence[Step], *, url: str, limits: Limits, until_saturation: bool = False) -> Report:
    """Find the knee and the step that counts, and hold it against the limits.

    Raises:
        DownloadError: no step came to its end.
    """
    if not steps:
        raise DownloadError(f"The load on {url} ended before its first step did. Give it more time with --duration.")
    knee = find_knee(steps)
    judged = knee.step if until_saturation and knee is not None else steps[-1]
    return Report(url, tuple(steps), judged, knee, limits, violations(judged, limits))
