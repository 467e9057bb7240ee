"""Result of a load test: all steps, the checked step, the saturation point and violated limits."""

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
    """Load test result; limits apply to ``checked``: the saturation point if searched and found, else the last."""

    url: str
    steps: tuple[Step, ...]
    checked: Step
    saturation: Knee | None
    limits: Limits
    violations: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``summary.json``, with the checked step's values at the top level."""
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
    """Find the saturation point, select the step to check and compare it with the limits.

    Raises:
        DownloadError: no step was completed.
    """
    if not steps:
        raise DownloadError(
            f"The load test of {url} ended before its first step was complete. Set a longer --duration."
        )
    knee = find_knee(steps)
    checked = knee.step if until_saturation and knee is not None else steps[-1]
    return Report(url, tuple(steps), checked, knee, limits, violations(checked, limits))
