"""Page of a drift test: what the photos of a window of the prediction log have that those of the reference have not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.drift.questions import Change
from petmood.monitoring.drift.tester import DriftTester, WindowResult
from petmood.monitoring.metric_names import DriftStatus
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.presentation.figures import PageColor, page_style
from petmood.presentation.thumbnails import LARGE_PX, photo_uri
from petmood.reports.chart_axes import SMALL, chart_axes, chart_markup
from petmood.reports.templates import page_template

__all__ = ["DriftPhotos", "drift_page", "histogram_chart"]

BINS: Final = 16
TEMPLATE: Final = "drift.html.j2"
QUESTIONS: Final = {"image_statistics": "Image statistics", "embedding": "Content", "residual": "Residual norm"}
VERDICTS: Final = {
    DriftStatus.OK: ("good", "No drift was found."),
    DriftStatus.DRIFT: ("bad", "The photos have drifted."),
    DriftStatus.INSUFFICIENT: ("", "There are too few photos for a test."),
}

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DriftPhotos:
    """Photos that a page can show: those that the service keeps, and the files of all reference photos in their order.

    ``kept`` returns the bytes of a row's photo, or None if it isn't kept. ``reference`` is empty if the dataset is not
    at hand.
    """

    kept: Callable[[PhotoKey], bytes | None] | None = None
    reference: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class _Photo:
    """One photo of the page: its name, and its thumbnail as a data URI."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True)
class _Distribution:
    """One number of the photos: its name, its change if it was tested, and the chart of both distributions."""

    name: str
    change: Change | None
    chart: Markup


def drift_page(tester: DriftTester, window: WindowResult, *, photos: DriftPhotos | None = None) -> str:
    """Return the page of a window as one HTML document that loads no other resource.

    With drift, it shows the photos of ``photos`` that are most typical of the change.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    result = window.result
    mood, verdict = VERDICTS[result.status]
    return page_template(TEMPLATE).render(
        bundle=window.bundle,
        result=result,
        mood=mood,
        verdict=verdict,
        questions=[(QUESTIONS[found.question], found) for found in result.findings],
        distributions=list(_distributions(tester, window)) if result.findings else [],
        first=_time_text(window.first_us),
        last=_time_text(window.last_us),
        left_out=window.left_out,
        accuracy=window.accuracy,
        shows_photos=photos is not None,
        now=list(_photos_now(window, photos.kept)) if photos and photos.kept else [],
        then=list(_photos_then(window, photos.reference)) if photos and photos.reference else [],
    )


@page_style(extra="monitor")
def histogram_chart(name: str, reference: Floats, window: Floats) -> Markup:
    """Draw the distributions of a number [N] and [M] as shares of the photos in equal bins over both."""
    figure, axes = chart_axes(SMALL)
    both = np.concatenate([reference, window])
    edges = np.histogram_bin_edges(both, bins=BINS)
    titles = {}
    for number, (title, values, color, style) in enumerate(
        (("reference", reference, PageColor.TWO, (0, (5, 3))), ("window", window, PageColor.ONE, "solid")), start=1
    ):
        shares = np.histogram(values, bins=edges)[0] / max(1, len(values))
        gid = f"line-{number}"
        axes.stairs(shares, edges, color=color, linewidth=2, linestyle=style, gid=gid)
        titles[gid] = f"{title}: median {np.median(values):.3g}"
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, None)
    axes.set_xticks([edges[0], edges[-1]], labels=[f"{edges[0]:.2g}", f"{edges[-1]:.2g}"])
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_yticks([])
    return chart_markup(figure, spoken=f"Distribution of {name}; {'; '.join(titles.values())}.", titles=titles)


def _distributions(tester: DriftTester, window: WindowResult) -> Iterator[_Distribution]:
    reference, rows = tester.reference, window.rows
    tested = {change.name: change for finding in window.result.findings for change in finding.changes}
    columns: Sequence[tuple[str, Floats, Floats]] = (
        *((name, reference.statistics[:, at], rows.statistics[:, at]) for at, name in enumerate(STATISTICS)),
        ("residual", reference.residual, rows.residual),
        ("highest probability", reference.probabilities.max(axis=1), rows.probabilities.max(axis=1)),
    )
    for name, before, after in columns:
        yield _Distribution(name, tested.get(name), histogram_chart(name, before, after))


def _photos_now(window: WindowResult, kept: Callable[[PhotoKey], bytes | None]) -> Iterator[_Photo]:
    for key in window.result.typical:
        photo = kept(key)
        if photo is not None and (uri := photo_uri(photo, side_px=LARGE_PX)):
            yield _Photo(f"{key.request_id}, photo {key.position + 1}" if key.position else key.request_id, uri)


def _photos_then(window: WindowResult, reference: Sequence[Path]) -> Iterator[_Photo]:
    for path in [reference[row] for row in window.result.typical_before]:
        if uri := photo_uri(path, side_px=LARGE_PX):
            yield _Photo(path.name, uri)


def _time_text(time_us: int | None) -> str | None:
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
