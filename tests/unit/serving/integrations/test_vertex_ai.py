"""Tests of the Vertex AI contract: instances in, predictions out, at the configured routes."""

import base64
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from petmood.core.errors import BadRequest, FileTooLarge, PetmoodError, UnprocessableContent
from petmood.serving.integrations import vertex_ai as vertex
from petmood.serving.integrations.vertex_ai import photos_of_instances
from petmood.serving.settings import Settings

ROUTES = {"vertex_predict_route": "/v1/models/m:predict", "vertex_health_route": "/v1/models/m"}


def b64(photo: bytes) -> dict[str, str]:
    """Return an instance."""
    return {"b64": base64.b64encode(photo).decode()}


def test_each_instance_gets_a_prediction_or_an_error(served: Callable[..., Any], photo: bytes) -> None:
    client = served(**ROUTES).client
    instances = [b64(photo), b64(photo[:300]), {"text": "a dog"}, {"b64": "not base64!"}, "x", b64(photo)]
    response = client.post("/v1/models/m:predict", json={"instances": instances, "parameters": {"any": 1}})
    found = ["label" if "label" in one else one["code"] for one in response.json()["predictions"]]
    assert response.status_code == 200
    assert found == [
        "label",
        "corrupt_image",
        "unprocessable_content",
        "unprocessable_content",
        "unprocessable_content",
        "label",
    ]


def test_an_instance_is_answered_as_the_photo_itself(served: Callable[..., Any], photo: bytes) -> None:
    client = served(**ROUTES).client
    direct = client.post("/predict", content=photo).json()
    (wrapped,) = client.post("/v1/models/m:predict", json={"instances": [b64(photo)]}).json()["predictions"]
    assert wrapped["probabilities"] == direct["probabilities"]


def test_base64_may_have_line_breaks_or_be_a_data_url(photo: bytes) -> None:
    text = base64.b64encode(photo).decode()
    lines = base64.encodebytes(photo).decode()
    texts = [
        lines,
        lines.replace("\n", "\r\n"),
        f"data:image/jpeg;base64,{text}",
        f" DATA:;base64,{lines}",
        text.rstrip("="),
    ]
    body = json.dumps({"instances": [{"b64": text} for text in texts]}).encode()
    assert photos_of_instances(body, Settings()) == [photo] * 5


def test_health_is_reported_at_the_route_that_it_names(served: Callable[..., Any]) -> None:
    app = served(**ROUTES)
    assert app.client.get("/v1/models/m").json() == {"status": "ok"}
    app.service.drain.begin()
    assert app.client.get("/v1/models/m").status_code == 503


def test_without_vertex_there_is_no_such_route(served: Callable[..., Any]) -> None:
    assert served().client.post("/v1/models/m:predict", json={"instances": []}).status_code == 404


@pytest.mark.parametrize("route", ["/readyz", "/livez"])
def test_its_health_route_may_be_one_that_is_there_already(served: Callable[..., Any], route: str) -> None:
    assert served(vertex_health_route=route).client.get(route).json() == {"status": "ok"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 1000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="Expected JSON"):
        photos_of_instances(body, Settings())


@pytest.mark.parametrize("piece", [b"[", b"{", b"[],"])
def test_json_that_would_swell_in_memory_is_refused_before_it_is_read(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loads(_: bytes) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("petmood.serving.integrations.vertex_ai.json", SimpleNamespace(loads=loads))
    with pytest.raises(BadRequest, match="too many JSON elements"):
        photos_of_instances(piece * 100_000, Settings())


@pytest.mark.parametrize("body", [[], {}, {"instances": []}, {"instances": {}}, {"instances": [{}] * 33}])
def test_one_to_32_instances_are_expected(body: Any) -> None:  # noqa: ANN401 - whatever JSON holds
    with pytest.raises(UnprocessableContent, match="Expected 1 to 32 instances"):
        photos_of_instances(json.dumps(body).encode(), Settings())


def test_a_photo_over_the_limit_is_not_decoded(photo: bytes) -> None:
    found = photos_of_instances(json.dumps({"instances": [b64(photo), b64(b"xy")]}).encode(), Settings(file_mb=0.0001))
    assert [type(one) for one in found] == [FileTooLarge, bytes]
    assert isinstance(found[0], PetmoodError)


def test_megabytes_of_json_are_read_beside_the_event_loop(
    served: Callable[..., Any], photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vertex, "LARGE_BYTES", 10)
    response = served(**ROUTES).client.post("/v1/models/m:predict", json={"instances": [b64(photo)]})
    assert response.json()["predictions"][0]["label"]


def test_an_instance_may_carry_a_few_fields_of_its_own(served: Callable[..., Any], photo: bytes) -> None:
    instance = {**b64(photo), "mime_type": "image/jpeg", "tags": ["a", "b", {"c": 1}]}
    response = served(**ROUTES).client.post("/v1/models/m:predict", json={"instances": [instance] * 32})
    assert [len(one["probabilities"]) for one in response.json()["predictions"]] == [4] * 32


def test_the_routes_of_vertex_come_from_its_own_variables(
    served: Callable[..., Any], photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/predict")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/ping")
    client = served().client
    assert client.get("/ping").json() == {"status": "ok"}
    assert client.post("/predict", json={"instances": [b64(photo)]}).json()["predictions"][0]["label"]
    assert client.post("/predict", content=photo).json()["label"]
