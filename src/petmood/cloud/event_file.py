"""Learning curves of a run as an event file, which TensorBoard and Vertex AI TensorBoard read."""

import csv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from petmood.core.extras import require

__all__ = ["EVENTS_NAME", "event_file"]

EVENTS_NAME: Final = "events.out.tfevents.petmood"


def event_file(metrics: Path) -> bytes | None:
    """Return the rows of a run's ``metrics.csv`` as an event file, with the time of the table; None without rows.

    Raises:
        MissingDependency: tensorboardX is not installed.
    """
    writer = require("tensorboardX", extra="cloud").SummaryWriter
    try:
        text, at = metrics.read_text("utf-8"), metrics.stat().st_mtime
    except FileNotFoundError:
        return None
    rows = [*csv.DictReader(text.splitlines())]
    if not rows:
        return None
    with TemporaryDirectory(prefix="petmood-events-") as folder:
        events = writer(folder)
        for row in rows:
            epoch = int(row.pop("epoch"))
            for name, value in row.items():
                if value:
                    events.add_scalar(name, float(value), epoch, walltime=at)
        events.close()
        (made,) = Path(folder).glob("events.out.tfevents.*")
        return made.read_bytes()
