"""Page of a run's smaller and faster variants, beside the network itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.variants import VariantResult, VariantVerdict
from petmood.reports.run import MetricBar
from petmood.reports.templates import page_template

__all__ = ["points_text", "render_optimize_page", "verdict_sentence"]

TEMPLATE: Final = "optimize.html.j2"


def render_optimize_page(rows: Sequence[VariantResult], values: Mapping[str, Any]) -> str:
    """Render the table as HTML; ``values`` are those of ``pipelines.optimize`` (processor, photos, versions)."""
    return page_template(TEMPLATE).render(
        rows=rows,
        values=values,
        bars=[MetricBar(row.name, row.accuracy, "control" if row.paired else "model") for row in rows],
        points=points_text,
        sentence=verdict_sentence,
    )


def points_text(difference: Estimate) -> str:
    """Return a difference of shares with its interval, in points.

    >>> points_text(Estimate(-0.002, -0.02, 0.0151, n=569))
    '-0.2 (-2.0 to +1.5)'
    """
    if difference.low != difference.low:
        return f"{100 * difference.value:+.1f}"
    return f"{100 * difference.value:+.1f} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"


def verdict_sentence(row: VariantResult) -> str:
    """Return in one sentence whether a variant may be exported, and what its interval shows; empty for fp32."""
    if row.paired is None:
        return ""
    if row.refusal:
        return f"Refused: {row.refusal}."
    if row.verdict is VariantVerdict.UNDECIDED:
        return (
            f"Accepted, but {row.paired.difference.n} photos are too few to show that it loses at most one point: the "
            "interval reaches further."
        )
    return "Accepted: it loses at most one point, by its interval."
