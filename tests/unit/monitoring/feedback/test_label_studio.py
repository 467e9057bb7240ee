"""Tests of exported feedback as tasks of Label Studio."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from petmood.core.errors import OutputError
from petmood.monitoring.feedback.export import LabeledPhoto
from petmood.monitoring.feedback.label_studio import (
    config_file,
    label_studio_config,
    label_studio_tasks,
    write_label_studio,
)
from petmood.monitoring.feedback.records import LoggedPrediction
from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey
from tests.support.logged import BUNDLE, START_US

OTHER = LoggedBundle("cd" * 32, "pets", "2", ("angry", 'a "b" & <c>'))


def photo(number: int, *, predicted: str | None = "happy", chosen: str | None = None) -> LabeledPhoto:
    """Return an exported photo that was labeled as angry."""
    prediction = LoggedPrediction(predicted, OTHER if number == 2 else BUNDLE, 0.75)
    key = PhotoKey(f"request-{number}", number)
    return LabeledPhoto(key, "angry", prediction, START_US, 3, 2, chosen, file=f"photos/{number}-request-{number}.jpg")


def test_a_task_has_the_photo_the_prediction_and_the_visitors_label() -> None:
    (task,) = label_studio_tasks([photo(1)])
    names = {"type": "choices", "from_name": "expression", "to_name": "photo"}
    assert task == {
        "data": {
            "image": "/data/local-files/?d=photos/1-request-1.jpg",
            "request_id": "request-1",
            "position": 1,
            "visitors": 3,
            "agreeing": 2,
        },
        "annotations": [{"result": [{"id": "angry", **names, "value": {"choices": ["angry"]}}], "ground_truth": False}],
        "predictions": [
            {
                "model_version": "pets 1",
                "score": 0.75,
                "result": [{"id": "happy", **names, "value": {"choices": ["happy"]}}],
            }
        ],
    }


def test_a_reviewer_s_label_is_ground_truth_and_a_photo_out_of_domain_has_no_prediction() -> None:
    first, second = label_studio_tasks(
        [photo(0, chosen="random"), photo(1, predicted=None)], address="https://a.example/"
    )
    assert first["annotations"][0]["ground_truth"] is True
    assert first["data"]["image"] == "https://a.example/photos/0-request-0.jpg"
    assert second["predictions"] == []


def test_the_configuration_has_what_the_tasks_name(tmp_path: Path) -> None:
    photos = [photo(number) for number in range(3)]
    write_label_studio(photos, tmp_path / "tasks.json")
    view = ET.fromstring((tmp_path / "tasks.xml").read_text("utf-8"))  # noqa: S314 - written here
    tags = {one.get("name"): one for one in view if one.get("name")}
    offered = [str(one.get("value")) for one in view.iter("Choice")]
    assert offered == ["angry", "happy", 'a "b" & <c>']
    tasks = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert len(tasks) == 3
    assert tags["photo"].get("value") == "$image"
    for task in tasks:
        for one in (*task["annotations"], *task["predictions"]):
            (result,) = one["result"]
            assert tags[result["from_name"]].get("toName") == result["to_name"]
            assert tags[result["from_name"]].tag.lower() == result["type"]
            assert set(result["value"]["choices"]) <= set(offered)
    assert label_studio_config(photos) == (tmp_path / "tasks.xml").read_text("utf-8")


def test_the_configuration_is_never_the_file_of_the_tasks(tmp_path: Path) -> None:
    assert config_file(tmp_path / "tasks.json") == tmp_path / "tasks.xml"
    with pytest.raises(OutputError, match=r"Expected a JSON file .* Name it \.json"):
        config_file(tmp_path / "tasks.xml")
