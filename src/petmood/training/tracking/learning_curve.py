"""Learning curves of a training as a PNG: losses and accuracy over epochs."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure

__all__ = ["curves_png"]

BLUE, ORANGE = "#1f5fa8", "#c05a00"
PANELS: Final = (
    ("loss", {"train/loss": BLUE, "val/loss": ORANGE}),
    ("accuracy", {"val/accuracy": ORANGE}),
)


def curves_png(rows: Sequence[Mapping[str, str]], *, title: str) -> bytes:
    """Plot the per-epoch metrics as a PNG; a missing value is a gap."""
    figure = Figure(figsize=(7, 5.5), dpi=110, layout="constrained")
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    for axes, (label, lines) in zip(panels, PANELS, strict=True):
        for name, colour in lines.items():
            _draw(axes, rows, name, colour=colour)
        axes.set_ylabel(label)
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False)
    panels[-1].set_xlabel("epoch")
    panels[-1].set_ylim(0, 1)
    panels[0].set_title(title, fontsize=10, loc="left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw(axes: Any, rows: Sequence[Mapping[str, str]], name: str, *, colour: str) -> None:  # noqa: ANN401 - matplotlib has no annotations
    known = [(int(row["epoch"]), float(row[name])) for row in rows if row.get(name)]
    if known:
        epochs, values = zip(*known, strict=True)
        axes.plot(epochs, values, "o-" if len(known) == 1 else "-", color=colour, label=name.replace("_", " "))
