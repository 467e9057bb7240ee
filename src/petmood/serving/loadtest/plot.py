"""Plot of a load test: throughput and p95 latency over users, with the saturation point marked."""

from petmood.presentation.figures import BLUE, GREY, ORANGE, new_figure, png_bytes, style_axes
from petmood.serving.loadtest.report import Report

__all__ = ["ramp_png"]


def ramp_png(report: Report) -> bytes:
    """Return a PNG of the steps: two panels (different units) over a shared axis of users.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    figure = new_figure(extra="loadtest", figsize=(8, 6.5), dpi=120, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    users = [step.users for step in report.steps]
    timed = [step for step in report.steps if step.p95_ms is not None]
    above.plot(users, [step.answered_per_s for step in report.steps], "o-", color=BLUE)
    above.set_ylabel("throughput (requests/s)")
    below.plot([step.users for step in timed], [step.p95_ms for step in timed], "o-", color=ORANGE, label="p95")
    below.plot([step.users for step in timed], [step.p50_ms for step in timed], "o--", color=GREY, label="p50")
    below.set_ylabel("latency (ms)")
    below.set_xlabel("concurrent users")
    below.set_xscale("log", base=2)
    below.set_xticks(users, [str(count) for count in users])
    below.minorticks_off()
    below.legend(loc="upper left", frameon=False)
    for axes in (above, below):
        axes.set_ylim(bottom=0)
        style_axes(axes)
        for step in report.steps:
            if step.errors:
                axes.axvspan(step.users / 1.15, step.users * 1.15, color="red", alpha=0.12)
        if report.saturation is not None:
            axes.axvline(report.saturation.step.users, color=GREY, linestyle=":")
    above.set_title(_title(report), fontsize=10, loc="left")
    return png_bytes(figure)


def _title(report: Report) -> str:
    red = "\nRed: steps with failed requests." if any(step.errors for step in report.steps) else ""
    if report.saturation is None:
        return f"{report.url}: no saturation point up to {report.steps[-1].users} users{red}"
    step = report.saturation.step
    return (
        f"{report.url}: saturation point at {step.users} users, {step.answered_per_s:.0f} requests/s\n"
        f"{report.saturation.reason}{red}"
    )
