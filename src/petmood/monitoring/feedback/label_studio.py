"""Exported feedback as tasks of Label Studio, with its labeling configuration.

Source: Label Studio, "Label Studio JSON format of annotated tasks" and "Import pre-annotated data", labelstud.io/guide.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

from petmood.core.errors import OutputError
from petmood.core.files import atomic_write_json, atomic_write_text
from petmood.monitoring.feedback.export import LabeledPhoto

__all__ = ["LOCAL_FILES", "config_file", "label_studio_config", "label_studio_tasks", "write_label_studio"]

LOCAL_FILES: Final = "/data/local-files/?d="
"""Address at which Label Studio serves files below its document root."""
IMAGE: Final = "photo"
CHOICES: Final = "expression"


def label_studio_tasks(photos: Sequence[LabeledPhoto], *, address: str = LOCAL_FILES) -> list[dict[str, Any]]:
    """Return a task for each photo, with the prediction of the model and the label of its visitors as an annotation.

    ``address`` stands before the photo's path in the folder of the export. A reviewer's label is ground truth. A photo
    out of the domain has no prediction.
    """
    return [_task(photo, address) for photo in photos]


def label_studio_config(photos: Sequence[LabeledPhoto]) -> str:
    """Return the labeling configuration for tasks, as XML: a choice of one of the classes of the models."""
    classes = dict.fromkeys(label for photo in photos for label in photo.prediction.bundle.classes)
    view = ET.Element("View")
    ET.SubElement(view, "Image", name=IMAGE, value="$image")
    choices = ET.SubElement(view, "Choices", name=CHOICES, toName=IMAGE, choice="single", showInline="true")
    for label in classes:
        ET.SubElement(choices, "Choice", value=label)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def config_file(tasks: Path) -> Path:
    """Return the file of the configuration beside that of the tasks.

    Raises:
        OutputError: the tasks have its name.
    """
    if tasks.suffix == ".xml":
        raise OutputError(f"Expected a JSON file for the tasks of Label Studio, got {tasks}. Name it .json.")
    return tasks.with_suffix(".xml")


def write_label_studio(photos: Sequence[LabeledPhoto], to: Path, *, address: str = LOCAL_FILES) -> None:
    """Write the tasks as JSON and their configuration beside it; existing files are replaced.

    Raises:
        OSError: a file can't be written.
        OutputError: as ``config_file``.
    """
    atomic_write_text(config_file(to), label_studio_config(photos))
    atomic_write_json(to, label_studio_tasks(photos, address=address))


def _task(photo: LabeledPhoto, address: str) -> dict[str, Any]:
    bundle = photo.prediction.bundle
    predictions = []
    if photo.prediction.label is not None:
        model = {"model_version": f"{bundle.name} {bundle.version}", "score": photo.prediction.probability}
        predictions = [model | {"result": [_choice(photo.prediction.label)]}]
    return {
        "data": {
            "image": f"{address}{quote(photo.file)}",
            "request_id": photo.key.request_id,
            "position": photo.key.position,
            "visitors": photo.visitors,
            "agreeing": photo.agreeing,
        },
        "annotations": [{"result": [_choice(photo.label)], "ground_truth": photo.chosen is not None}],
        "predictions": predictions,
    }


def _choice(label: str) -> Mapping[str, Any]:
    return {"id": label, "type": "choices", "from_name": CHOICES, "to_name": IMAGE, "value": {"choices": [label]}}
