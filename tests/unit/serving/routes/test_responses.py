"""Tests of response bodies for predictions and errors, in the order of the photos."""

import asyncio
from collections.abc import Callable
from typing import Any

from petmood.core.errors import FileTooLarge
from petmood.core.schemas import ErrorResponse, HealthStatus, PredictionResponse
from petmood.serving.routes.responses import answer_each, json_response


def test_a_photo_that_was_refused_already_keeps_its_place(served: Callable[..., Any], photo: bytes) -> None:
    app = served()
    bodies = app.client.portal.call(
        lambda: answer_each(app.service, [photo, FileTooLarge("too large"), photo[:300]], request_id="r")
    )
    assert [type(body) for body in bodies] == [PredictionResponse, ErrorResponse, ErrorResponse]
    assert [body.request_id for body in bodies] == ["r"] * 3
    assert app.counted('petmood_rejected_photos_total{code="too_large"}') == 1
    assert app.counted('petmood_rejected_photos_total{code="corrupt_image"}') == 1


def test_empty_fields_are_left_out() -> None:
    response = json_response(HealthStatus(status="ok"), status=201)
    assert (response.body, response.status_code) == (b'{"status":"ok"}', 201)
    assert asyncio.iscoroutinefunction(answer_each)
