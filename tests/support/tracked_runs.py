"""Runs that are tracked without a training: copies of a finished run with a state of their own."""

import shutil
from pathlib import Path

from petmood.pipelines.run_folder import RunFolder
from petmood.training.tracking.state import TrackerSettings, new_state, write_state


def tracked_copy(run: RunFolder, to: Path, **tracker: object) -> RunFolder:
    """Copy a finished run that no tracker has yet, as training left it: other tests may have evaluated the run.

    Relative addresses are below the working folder.
    """
    shutil.copytree(run.path, to, ignore=shutil.ignore_patterns("evaluation.json", "report*.html", "tracking.json"))
    write_state(to, new_state(to, TrackerSettings.model_validate(tracker)))
    return RunFolder(to)
