"""Tests of the prediction routes: all ways to send a photo, and the error format."""

import base64
import gc
import math
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.core.domain import DomainRule, DomainScores
from petmood.core.errors import CorruptImage
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import DecisionRule, decide
from petmood.inference.base import Answer
from petmood.inference.fake import FakePredictor
from tests.support.images import animated, photo_like, png, zeros_png
from tests.support.waiting import wait_until

WORD = "0123456789abcdef"


class WithoutPet(FakePredictor):
    """Predictor that finds no animal in any photo, although it is sure of a class."""

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return the same prediction for every photo."""
        rule = DomainRule(features="fake", animal_threshold=0.5, target_false_alarms=0.02)
        logits, decision = np.array([0.0, 9.0, 0.0, 0.0]), DecisionRule(DEFAULT_CLASSES, 0.5, 0.9, rule)
        return [decide(logits, decision, model=self.model, scores=DomainScores(2.5, 0.02)) for _ in photos]


def test_a_form_and_the_raw_body_get_one_answer(served: Callable[..., Any], photo: bytes) -> None:
    client = served().client
    answers = [
        client.post("/predict", files={"photo": ("a.jpg", photo, "image/jpeg")}),
        client.post("/predict", content=photo, headers={"content-type": "image/jpeg"}),
        client.post("/predict", content=photo, headers={"content-type": "image/png"}),
        client.post("/predict", content=photo, headers={"content-type": "application/x-www-form-urlencoded"}),
        client.post("/predict", content=iter([photo[:100], photo[100:]])),
    ]
    bodies = [answer.json() for answer in answers]
    assert {answer.status_code for answer in answers} == {200}
    assert len({body.pop("request_id") for body in bodies}) == 5
    assert all(body == bodies[0] for body in bodies)


def test_an_answer_holds_what_the_contract_says(served: Callable[..., Any], photo: bytes) -> None:
    body = served().client.post("/predict", content=photo, headers={"x-request-id": "abc"}).json()
    assert set(body) == {
        "label",
        "probability",
        "probabilities",
        "confident",
        "confidence_threshold",
        "prediction_set",
        "model",
        "request_id",
        "warnings",
    }
    assert list(body["probabilities"]) == list(DEFAULT_CLASSES)
    assert math.isclose(sum(body["probabilities"].values()), 1)
    assert body["model"] == {"name": "fake", "version": "0", "sha256": "0" * 64}
    assert body["request_id"] == "abc"


class WithTwoPets(FakePredictor):
    """Predictor that finds two pets in every photo."""

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return confident predictions."""
        rule = DomainRule(features="test", target_false_alarms=0.02, scene_warnings=("two_pets", "face_unclear"))
        decision, scores = DecisionRule(DEFAULT_CLASSES, domain=rule), DomainScores(0.5, 0.9, {"two_pets": 0.1})
        return [decide(np.array([9.0, 0, 0, 0]), decision, model=self.model, scores=scores) for _ in photos]


def test_a_photo_of_two_pets_is_answered_by_every_route_with_its_label_and_a_warning(
    served: Callable[..., Any], photo: bytes
) -> None:
    app = served(WithTwoPets(), vertex_predict_route="/ask")
    responses = [
        app.client.post("/predict", content=photo),
        app.client.post("/predict/batch", files=[("photo", photo)]),
        app.client.post("/ask", json={"instances": [{"b64": base64.b64encode(photo).decode()}]}),
    ]
    assert [response.status_code for response in responses] == [200, 200, 200]
    one, several, vertex = (response.json() for response in responses)
    for body in (one, *several["results"], *vertex["predictions"]):
        assert (body["label"], body["confident"], body["in_domain"]) == (DEFAULT_CLASSES[0], True, True)
        assert body["scene_warnings"] == ["two_pets"]
        assert body["warnings"] == ["There may be two pets in this photo: crop it to one of them."]


def test_a_photo_out_of_the_domain_is_answered_by_every_route_with_a_null_and_the_reason(
    served: Callable[..., Any], photo: bytes
) -> None:
    app = served(WithoutPet(), vertex_predict_route="/ask")
    instances = {"instances": [{"b64": base64.b64encode(photo).decode()}]}
    responses = [
        app.client.post("/predict", content=photo),
        app.client.post("/predict/batch", files=[("photo", photo)]),
        app.client.post("/ask", json=instances),
    ]
    assert [response.status_code for response in responses] == [200, 200, 200]
    one, several, vertex = (response.json() for response in responses)
    for body in (one, *several["results"], *vertex["predictions"]):
        assert (body["label"], body["confident"], body["prediction_set"]) == (None, False, [])
        assert (body["in_domain"], body["domain_warning"]) == (False, "no_animal")
        assert (body["novelty"], body["animal_score"]) == (2.5, 0.02)
        assert body["probabilities"]["happy"] == body["probability"] > 0.99
        assert "photo" not in body
    assert app.counted('petmood_predictions_total{label="out_of_domain"}') == 3
    assert app.counted('petmood_out_of_domain_total{reason="no_animal"}') == 3
    assert app.counted("petmood_abstentions_total") == 0


def test_an_animation_is_answered_with_a_warning(served: Callable[..., Any]) -> None:
    body = served().client.post("/predict", content=animated("GIF", frames=3)).json()
    assert body["warnings"] == ["Animated image: only the first frame was used."]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {}, 400, "empty_file"),
        (b"%PDF-1.4", {}, 415, "unsupported_format"),
        (png(photo_like(8, 8)), {}, 422, "too_small"),
        (png(photo_like(400, 20)), {}, 422, "bad_aspect"),
        (zeros_png(13_000, 13_000), {}, 413, "too_many_pixels"),
        (b"{}", {"content-type": "application/json"}, 415, "unsupported_media_type"),
        (b"x", {"content-type": "multipart/form-data"}, 400, "bad_form"),
        (b"x", {"content-type": "multipart/form-data; boundary=e"}, 400, "bad_form"),
        (b"--e--\r\n", {"content-type": "multipart/form-data; boundary=e"}, 422, "unprocessable_content"),
    ],
)
def test_a_refusal_has_its_status_code_message_and_id(
    served: Callable[..., Any], content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    app = served()
    response = app.client.post("/predict", content=content, headers={**headers, "x-request-id": "r"})
    body = response.json()
    assert (response.status_code, body["code"], body["request_id"]) == (status, code, "r")
    assert set(body) == {"code", "message", "request_id"}
    assert body["message"].startswith("Expected")
    assert app.counted(f'petmood_errors_total{{code="{code}"}}') == 1


def test_a_photo_over_the_limit_is_refused_whether_it_says_so_or_not(served: Callable[..., Any]) -> None:
    client = served(file_mb=0.01).client
    large = b"\xff\xd8" + b"x" * 200_000
    for sent in ({"content": large}, {"content": iter([large])}, {"files": {"photo": large}}):
        response = client.post("/predict", **sent)
        assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_batch_answers_and_refuses_each_photo_by_itself(served: Callable[..., Any], photo: bytes) -> None:
    client = served().client
    files = [
        ("photo", ("../a.jpg", photo)),
        ("photo", ("b.jpg", photo[:300])),
        ("photo", ("c.jpg", photo)),
        ("note", ("n", b"x")),
    ]
    response = client.post("/predict/batch", files=files, headers={"x-request-id": "b1"})
    body = response.json()
    assert response.status_code == 200
    assert [result.get("label") or result["code"] for result in body["results"]][1] == "corrupt_image"
    assert [result["request_id"] for result in body["results"]] == ["b1"] * 3
    assert body["request_id"] == "b1"


def test_a_batch_is_a_form_of_at_most_32_photos(served: Callable[..., Any], photo: bytes) -> None:
    client = served().client
    assert client.post("/predict/batch", content=photo).json()["code"] == "bad_form"
    too_many = client.post("/predict/batch", files=[("photo", ("a.jpg", b"x"))] * 33)
    assert (too_many.status_code, too_many.json()["code"]) == (422, "unprocessable_content")
    assert client.post("/predict/batch", files=[("photo", ("a.jpg", photo))] * 32).status_code == 200


def test_json_is_answered_where_vertex_was_given_this_very_route(served: Callable[..., Any], photo: bytes) -> None:
    client = served(vertex_predict_route="/predict").client
    assert client.post("/predict", json={"instances": []}).json()["code"] == "unprocessable_content"
    assert client.post("/predict", content=photo).status_code == 200


def test_a_service_that_was_asked_to_end_refuses(served: Callable[..., Any], photo: bytes) -> None:
    app = served()
    app.service.workers.stop()
    response = app.client.post("/predict", content=photo)
    assert (response.status_code, response.json()["code"], response.headers["retry-after"]) == (
        503,
        "shutting_down",
        "1",
    )


def test_the_answers_of_a_predictor_are_passed_on_unchanged(served: Callable[..., Any], photo: bytes) -> None:
    (expected,) = FakePredictor().predict_batch([photo])
    body = served().client.post("/predict", content=photo).json()
    assert body["probabilities"] == expected.probabilities  # type: ignore[union-attr] # a prediction, as the line above shows


def test_a_refused_photo_leaves_nothing_behind_in_memory(served: Callable[..., Any], photo: bytes) -> None:
    """A frame that references its own error forms a cycle, which keeps the photo until the next garbage collection."""
    refused: list[weakref.ref[CorruptImage]] = []

    class Refusing(FakePredictor):
        def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
            errors = [CorruptImage("Expected a complete image.") for _ in photos]
            refused.extend(map(weakref.ref, errors))
            return list(errors)

    client = served(Refusing()).client
    gc.disable()
    try:
        assert client.post("/predict", content=photo).json()["code"] == "corrupt_image"
        wait_until(lambda: refused[0]() is None, what="the worker's thread to let go")
    finally:
        gc.enable()


def test_the_route_is_named_in_the_metrics(served: Callable[..., Any], photo: bytes) -> None:
    app = served()
    app.client.post("/predict", content=photo)
    app.client.post("/predict", content=b"")
    for status in (200, 400):
        assert app.counted(f'petmood_requests_total{{method="POST",route="/predict",status="{status}"}}') == 1


# --- explanations -----------------------------------------------------------------------------------------------------


def test_a_form_and_the_raw_body_get_one_explanation(served: Callable[..., Any], photo: bytes) -> None:
    client = served().client
    form = client.post("/explain", files={"photo": ("a.jpg", photo, "image/jpeg")}, headers={"x-request-id": "abc"})
    raw = client.post("/explain", content=photo, headers={"content-type": "image/jpeg", "x-request-id": "abc"})
    assert (form.status_code, raw.status_code) == (200, 200)
    assert form.json() == raw.json()
    body = form.json()
    assert body["prediction"] == client.post("/predict", content=photo, headers={"x-request-id": "abc"}).json()
    assert (body["method"], body["box"]) == ("occlusion", [0.125, 0.0, 0.875, 1.0])
    assert {label: (len(rows), len(rows[0])) for label, rows in body["maps"].items()} == dict.fromkeys(
        DEFAULT_CLASSES, (5, 5)
    )


def test_an_explanation_counts_no_prediction_but_its_errors(served: Callable[..., Any], photo: bytes) -> None:
    client = served().client
    client.post("/explain", content=photo)
    client.post("/explain", content=photo[:300])
    metrics = client.get("/metrics").text
    predicted = [row for row in metrics.splitlines() if row.startswith("petmood_predictions_total{")]
    assert predicted
    assert [row for row in predicted if not row.endswith(" 0.0")] == []
    assert 'petmood_rejected_photos_total{code="corrupt_image"} 1.0' in metrics


def test_a_photo_that_is_rejected_is_not_explained(served: Callable[..., Any], photo: bytes) -> None:
    client = served().client
    for content, status, code in ((b"", 400, "empty_file"), (photo[:300], 422, "corrupt_image")):
        answer = client.post("/explain", content=content)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.get("/explain").status_code == 405
    assert served(token=WORD).client.post("/explain", content=photo).status_code == 401


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize("size", [None, 300], ids=["whole", "half"])
def test_the_queue_s_length_is_measured_after_each_photo(
    served: Callable[..., Any], photo: bytes, path: str, size: int | None
) -> None:
    app = served()
    app.service.metrics.queue.set(7)
    app.client.post(path, content=photo[:size])
    assert app.counted("petmood_queue_depth") == 0
