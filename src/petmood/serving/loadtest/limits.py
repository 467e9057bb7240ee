"""Limits of a load test, and the violations found in a measured step."""

from dataclasses import dataclass

from petmood.serving.loadtest.steps import Step

__all__ = ["Limits", "violations"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a step; None is not checked. ``max_errors`` is a fraction of all requests, 0 to 1."""

    p95_ms: float | None = None
    min_rps: float | None = None
    max_errors: float | None = None


def violations(step: Step, limits: Limits) -> tuple[str, ...]:
    """Return one line for every violated limit, such as ``p95 850 ms, expected at most 300 ms``."""
    lines = []
    if limits.p95_ms is not None and (step.p95_ms is None or step.p95_ms > limits.p95_ms):
        got = "unknown (no successful response)" if step.p95_ms is None else f"{step.p95_ms:g} ms"
        lines.append(f"p95 {got}, expected at most {limits.p95_ms:g} ms")
    if limits.min_rps is not None and step.answered_per_s < limits.min_rps:
        lines.append(f"throughput {step.answered_per_s:g} requests/s, expected at least {limits.min_rps:g} requests/s")
    if limits.max_errors is not None and step.error_share > limits.max_errors:
        kinds = ", ".join(f"{count} x {status}" for status, count in step.errors.items()) or "no request completed"
        lines.append(f"error rate {step.error_share:.2%} ({kinds}), expected at most {limits.max_errors:.2%}")
    return tuple(lines)
