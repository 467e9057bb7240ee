"""Tests of the OpenAPI document against a snapshot."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).parents[1] / "openapi.json"
REFRESH = "If it is meant, write the new one: curl -s localhost:8000/openapi.json | python -m json.tool"


def test_the_description_is_the_one_that_was_agreed(served: Callable[..., Any]) -> None:
    found = served().client.get("/openapi.json").json()
    found["info"].pop("version")
    agreed = json.loads(SNAPSHOT.read_text("utf-8"))
    agreed["info"].pop("version", None)
    assert found == agreed, REFRESH


def test_every_route_for_photos_shows_a_command_that_can_be_typed(served: Callable[..., Any]) -> None:
    paths = served().client.get("/openapi.json").json()["paths"]
    for path in ("/predict", "/predict/batch"):
        samples = paths[path]["post"]["x-codeSamples"]
        assert all(sample["source"].startswith("curl ") and path in sample["source"] for sample in samples)
        assert "multipart/form-data" in paths[path]["post"]["requestBody"]["content"]


def test_every_refusal_is_described(served: Callable[..., Any]) -> None:
    responses = served().client.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
    assert {"200", "400", "401", "403", "408", "413", "415", "422", "429", "500", "503"} <= set(responses)
    assert responses["415"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorResponse")
