"""Tests of the OpenAPI document against a snapshot."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOKEN, ADMIN = "0123456789abcdefTOKEN", "0123456789abcdefADMIN"
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
    for path in ("/predict", "/predict/batch", "/explain"):
        samples = paths[path]["post"]["x-codeSamples"]
        assert all(sample["source"].startswith("curl ") and path in sample["source"] for sample in samples)
        assert "multipart/form-data" in paths[path]["post"]["requestBody"]["content"]


def test_every_route_has_a_summary_in_words_and_not_the_name_of_its_function(served: Callable[..., Any]) -> None:
    app = served(vertex_health_route="/health", vertex_predict_route="/ask")
    paths = app.client.get("/openapi.json").json()["paths"]
    summaries = {path: operation["summary"] for path, operations in paths.items() for operation in operations.values()}
    assert {"/predict", "/livez", "/models/load", "/health", "/ask"} <= set(summaries)
    assert [path for path, summary in summaries.items() if summary.istitle()] == []


def test_every_refusal_is_described(served: Callable[..., Any]) -> None:
    responses = served().client.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
    assert {"200", "400", "401", "403", "408", "413", "415", "422", "429", "500", "503"} <= set(responses)
    assert responses["415"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorResponse")


def test_a_route_is_documented_with_the_token_that_it_refuses_to_work_without(served: Callable[..., Any]) -> None:
    app = served(token=TOKEN, admin_token=ADMIN, vertex_health_route="/health", vertex_predict_route="/ask")
    document = app.client.get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"token", "admin_token"}
    documented, refused = {}, {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needed = [name for one in operation.get("security", []) for name in one]
            documented[path] = needed
            status = app.client.request(method, path).status_code
            refused[path] = ["admin_token" if path.startswith("/models/") else "token"] if status == 401 else []
    assert documented == refused
    assert {path for path, needed in documented.items() if not needed} == {"/livez", "/readyz", "/metrics", "/health"}


def test_a_service_without_a_token_documents_none_for_photos(served: Callable[..., Any]) -> None:
    document = served().client.get("/openapi.json").json()
    assert list(document["components"]["securitySchemes"]) == ["admin_token"]
    assert "security" not in document["paths"]["/predict"]["post"]
