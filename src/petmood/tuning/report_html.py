"""Report files of a search: a CSV table, the best settings, plots, and one HTML page with all of them."""

import base64
from typing import Final

import optuna

from petmood.configs.load import dump
from petmood.configs.schema import Config
from petmood.core.files import atomic_write_bytes, atomic_write_text
from petmood.reports.templates import page_template
from petmood.tuning.plots import CAPTIONS, draw
from petmood.tuning.report import SearchReport, csv_text

__all__ = ["BEST", "PAGE", "TRIALS", "page_text", "write_reports"]

BEST: Final = "best.yaml"
TRIALS: Final = "trials.csv"
PAGE: Final = "sweep.html"


def write_reports(report: SearchReport, study: optuna.Study, *, settings: Config) -> None:
    """Write all report files into the sweep folder; ``settings`` are those of the best trial."""
    atomic_write_text(report.folder / BEST, dump(settings))
    atomic_write_text(report.folder / TRIALS, csv_text(report.rows))
    plots = draw(study, metric=report.metric)
    for name in CAPTIONS:
        path = report.folder / "plots" / f"{name}.png"
        if name in plots:
            atomic_write_bytes(path, plots[name])
        else:
            path.unlink(missing_ok=True)
    atomic_write_text(report.folder / PAGE, page_text(report, plots))


def page_text(report: SearchReport, plots: dict[str, bytes]) -> str:
    """Return a self-contained HTML page; all text is escaped."""
    shown = [(name, CAPTIONS[name], base64.b64encode(png).decode()) for name, png in plots.items()]
    names = list(dict.fromkeys(name for row in report.rows for name in row.settings))
    return page_template("sweep.html.j2").render(report=report, plots=shown, names=names)
