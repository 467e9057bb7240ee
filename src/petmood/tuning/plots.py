"""Plots of a search with Optuna and matplotlib, with readable labels."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
import optuna
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from optuna.trial import TrialState

from petmood.presentation.figures import png_bytes

__all__ = ["CAPTIONS", "draw"]

CAPTIONS: Final[Mapping[str, str]] = {
    "history": "Each finished trial, and the best so far.",
    "importances": "Importance of each setting for being in the better half of the trials (PED-ANOVA; sums to 1).",
    "parallel": "One line per finished trial across its settings.",
    "slice": "Score of each finished trial by the value of each setting.",
}
PANEL_INCHES: Final = 3.0
SUBDIVISIONS: Final = (1.0, 2.0, 5.0)
FEW_DECADES: Final = 40


def draw(study: optuna.Study, *, metric: str) -> dict[str, bytes]:
    """Return PNGs under the names in ``CAPTIONS``; plots without data are omitted."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not finished:
        return {}
    names = sorted({name for trial in finished for name in trial.params})
    spread = len({trial.value for trial in finished}) > 1
    drawn: dict[str, bytes] = {}
    with _quiet():
        for kind, plot in _PLOTS.items():
            if kind == "history" or spread:
                drawn[kind] = _png(plot(study, metric.replace("_", " "), names))
    return drawn


@contextmanager
def _quiet() -> Iterator[None]:
    """Render without a display, and restore matplotlib's settings afterwards."""
    plt.switch_backend("agg")
    with warnings.catch_warnings(), mpl.rc_context():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _png(figure: Any) -> bytes:  # noqa: ANN401 - matplotlib's annotations don't cover its figures
    png = png_bytes(figure, dpi=110, bbox_inches="tight")
    plt.close("all")
    return png


def _history(study: optuna.Study, metric: str, _: list[str]) -> Any:  # noqa: ANN401 - matplotlib's annotations are incomplete
    axes: Any = optuna.visualization.matplotlib.plot_optimization_history(study, target_name=metric)
    axes.set_title("")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(axes.get_legend().legend_handles, [metric, "best so far"], loc="upper right")
    axes.figure.set_size_inches(9, 4.5)
    return axes.figure


def _importances(study: optuna.Study, metric: str, names: list[str]) -> Any:  # noqa: ANN401 - as above
    axes: Any = optuna.visualization.matplotlib.plot_param_importances(study, target_name=metric)
    axes.set_title("", loc="left")
    axes.set_xlabel("importance")
    axes.set_ylabel("")
    axes.get_legend().remove()
    axes.margins(x=0.1)
    axes.figure.set_size_inches(9, 1.2 + 0.5 * len(names))
    return axes.figure


def _parallel(study: optuna.Study, metric: str, names: list[str]) -> Any:  # noqa: ANN401 - as above
    axes: Any = optuna.visualization.matplotlib.plot_parallel_coordinate(study, target_name=metric)
    figure = axes.figure
    axes.set_title("")
    axes.set_xticks(range(len(names) + 1), [metric, *names], rotation=0, ha="center")
    for one in figure.axes:
        one.grid(visible=False)
        one.set_facecolor("white")
        _write_plainly(one.yaxis)
        for label in one.get_yticklabels():
            label.set_bbox({"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5})
    figure.set_size_inches(PANEL_INCHES * (len(names) + 1), 6)
    return figure


def _slice(study: optuna.Study, metric: str, names: list[str]) -> Any:  # noqa: ANN401 - as above
    drawn: Any = optuna.visualization.matplotlib.plot_slice(study, target_name=metric)
    panels = drawn if hasattr(drawn, "__len__") else [drawn]
    figure = panels[0].figure
    figure.suptitle("")
    worded = {name for trial in study.trials for name, value in trial.params.items() if not isinstance(value, float)}
    for panel in panels:
        panel.set_title("")
        _write_plainly(panel.xaxis)
        words = [label.get_text().strip("'") for label in panel.get_xticklabels()]
        if panel.get_xlabel() in worded:
            panel.set_xticks(panel.get_xticks(), words, rotation=20, ha="right")
    figure.set_size_inches(PANEL_INCHES * len(names) + 1, 4)
    return figure


def _write_plainly(axis: Any) -> None:  # noqa: ANN401 - as above
    """Label a logarithmic axis with a few plain numbers; leave other axes unchanged."""
    if axis.get_scale() == "log":
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=SUBDIVISIONS if high / low < FEW_DECADES else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


_PLOTS: Final[Mapping[str, Callable[[optuna.Study, str, list[str]], Any]]] = {
    "history": _history,
    "importances": _importances,
    "parallel": _parallel,
    "slice": _slice,
}
