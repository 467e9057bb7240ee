"""Learning curves of a training as a PNG: losses and accuracy over epochs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from petmood.presentation.figures import BLUE, ORANGE, new_figure, png_bytes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curves_png"]

PANELS: Final = (
    ("loss", {"train/loss": BLUE, "val/loss": ORANGE}),
    ("accuracy", {"val/accuracy": ORANGE}),
)


def curves_png(rows: Sequence[Mapping[str, str]], *, title: str) -> bytes:
    """Plot the per-epoch metrics as a PNG; a missing value is a gap."""
    figure = new_figure(extra="train", figsize=(7, 5.5), dpi=110, layout="constrained")
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    for axes, (label, lines) in zip(panels, PANELS, strict=True):
        for name, colour in lines.items():
            _draw(axes, rows, name, colour=colour)
        axes.set_ylabel(label)
        style_axes(axes)
        if axes.lines:
            axes.legend(frameon=False)
    panels[-1].set_xlabel("epoch")
    panels[-1].set_ylim(0, 1)
    panels[0].set_title(title, fontsize=10, loc="left")
    return png_bytes(figure)


def _draw(axes: "Axes", rows: Sequence[Mapping[str, str]], name: str, *, colour: str) -> None:
    known = [(int(row["epoch"]), float(row[name])) for row in rows if row.get(name)]
    if known:
        epochs, values = zip(*known, strict=True)
        axes.plot(epochs, values, "o-" if len(known) == 1 else "-", color=colour, label=name.replace("_", " "))
