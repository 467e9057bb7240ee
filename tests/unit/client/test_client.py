"""Tests of the synchronous client against a server whose responses are given in advance."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from petmood.client.client import Client
from petmood.core.domain import DomainScores
from petmood.core.errors import (
    ConfigError,
    CorruptImage,
    Overloaded,
    PetmoodError,
    PhotoError,
    ServiceError,
    ServiceTimeout,
    ServiceUnreachable,
    TooManyRequests,
    Unauthorized,
    UnknownRequest,
)
from petmood.core.image import Box
from petmood.core.prediction import Prediction
from petmood.core.schemas import FeedbackResponse, ModelCardResponse
from tests.support.scripted_service import BODY, BUSY, MODEL, REFUSED, serving

WORD = "3f9ac2d871be40556ad1"
PREDICTION = Prediction.from_response(BODY)


def batch(*results: object) -> dict[str, object]:
    """Return a response body of ``/predict/batch``."""
    return {"results": list(results), "request_id": "r-1"}


# --- one photo --------------------------------------------------------------------------------------------------------


def test_a_photo_is_predicted_and_the_token_goes_along() -> None:
    with serving((200, BODY.model_dump())) as (address, script), Client(address + "/", token=WORD) as client:
        assert client.predict(b"pixels") == PREDICTION
    (asked,) = script.asked
    assert (asked["method"], asked["path"], asked["auth"]) == ("POST", "/predict", f"Bearer {WORD}")
    assert b'name="photo"' in asked["body"]
    assert b"pixels" in asked["body"]


def test_a_photo_out_of_the_domain_is_a_prediction_without_a_label_alone_and_in_a_batch() -> None:
    cup = {
        **BODY.model_dump(),
        "label": None,
        "confident": False,
        "prediction_set": [],
        "in_domain": False,
        "domain_warning": "no_animal",
        "novelty": 2.5,
        "animal_score": 0.02,
    }
    with serving((200, cup), (200, batch(cup, REFUSED))) as (address, _), Client(address) as client:
        alone = client.predict(b"x")
        first, second = client.predict_many([b"x", b"y"])
    assert alone == first
    assert (alone.label, alone.confident, alone.prediction_set, alone.best_guess) == (None, False, (), "happy")
    assert (alone.in_domain, alone.domain_warning, alone.domain) == (False, "no_animal", DomainScores(2.5, 0.02))
    assert isinstance(second, CorruptImage)


def test_an_explanation_comes_from_its_own_route_with_the_maps_of_each_class() -> None:
    maps = {"happy": [[1.0, -0.5], [0.0, 0.25]], "sad": [[0.0, 0.0], [0.0, 0.0]]}
    body = {"prediction": BODY.model_dump(), "method": "hirescam", "maps": maps, "box": [0.0, 0.125, 1.0, 0.875]}
    with serving((200, body), (422, REFUSED)) as (address, script), Client(address) as client:
        found = client.explain(b"pixels")
        with pytest.raises(CorruptImage, match="a complete image"):
            client.explain(b"pixels")
    assert [(asked["method"], asked["path"]) for asked in script.asked] == [("POST", "/explain")] * 2
    assert b"pixels" in script.asked[0]["body"]
    assert found.prediction == PREDICTION
    assert {label: rows.tolist() for label, rows in found.maps.items()} == maps
    assert (found.method, found.box) == ("hirescam", Box(0.0, 0.125, 1.0, 0.875))


def test_a_service_without_maps_is_told_from_a_wrong_address_and_maps_of_no_shape_are_not_petmood_s() -> None:
    nothing = (404, {"code": "not_found", "message": "There is no such path.", "request_id": "r"})
    body = {"prediction": BODY.model_dump(), "method": "hirescam", "maps": {"sad": []}, "box": [0.0, 0.0, 1.0, 1.0]}
    with serving(nothing, (200, body)) as (address, _), Client(address) as client:
        with pytest.raises(ServiceError) as caught:
            client.explain(b"pixels")
        assert (caught.value.code, caught.value.status) == ("not_found", 404)
        assert str(caught.value) == (
            f"{address}/explain does not exist. Expected a service that explains predictions; one of an earlier "
            "version does not. Update it, or check the address."
        )
        with pytest.raises(ServiceError, match="not from petmood"):
            client.explain(b"pixels")


def test_a_path_and_a_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"pixels")
    with serving((200, BODY.model_dump())) as (address, script), Client(address) as client:
        assert client.predict(str(tmp_path / "a.jpg")) == client.predict(io.BytesIO(b"pixels")) == PREDICTION
        with pytest.raises(PhotoError, match=r"missing\.jpg can't be read"):
            client.predict(tmp_path / "missing.jpg")
    assert [b"pixels" in asked["body"] for asked in script.asked] == [True, True]


def test_an_address_with_a_path_is_one_of_a_service_behind_a_proxy() -> None:
    with serving((200, BODY.model_dump())) as (address, script), Client(f"{address}/pets/") as client:
        client.predict(b"x")
    assert script.asked[0]["path"] == "/pets/predict"


def test_a_rejection_is_the_error_that_a_predictor_raises_with_the_request_id() -> None:
    with (
        serving((422, REFUSED)) as (address, _),
        Client(address) as client,
        pytest.raises(CorruptImage, match="a complete image") as caught,
    ):
        client.predict(b"x")
    assert (caught.value.code, caught.value.request_id) == ("corrupt_image", "r")


def test_a_missing_token_is_an_error_of_the_request() -> None:
    body = {"code": "unauthorized", "message": "Expected a token.", "request_id": "r"}
    with (
        serving((401, body)) as (address, _),
        Client(address) as client,
        pytest.raises(Unauthorized, match="Expected a token"),
    ):
        client.predict(b"x")


# --- repeating --------------------------------------------------------------------------------------------------------


def test_nothing_is_repeated_unless_that_is_asked_for() -> None:
    with (
        serving(BUSY, (200, BODY.model_dump())) as (address, script),
        Client(address) as client,
        pytest.raises(Overloaded) as caught,
    ):
        client.predict(b"x")
    assert caught.value.retry_after_s == 2
    assert len(script.asked) == 1


def test_a_busy_service_is_asked_again_after_the_time_that_it_names() -> None:
    pauses: list[float] = []
    with (
        serving(BUSY, BUSY, (200, BODY.model_dump())) as (address, script),
        Client(address, retries=2, sleep=pauses.append) as client,
    ):
        assert client.predict(b"pixels") == PREDICTION
    assert pauses == [2, 2]
    assert [b"pixels" in asked["body"] for asked in script.asked] == [True] * 3


def test_a_service_that_stays_busy_is_not_asked_for_ever() -> None:
    pauses: list[float] = []
    limited = (429, {"code": "too_many_requests", "message": "x"}, {"retry-after": "1"})
    with (
        serving(limited) as (address, script),
        Client(address, retries=2, sleep=pauses.append) as client,
        pytest.raises(TooManyRequests),
    ):
        client.predict(b"x")
    assert (pauses, len(script.asked)) == ([1, 1], 3)


@pytest.mark.parametrize("headers", [{"retry-after": "3600"}, {}, {"retry-after": "soon"}])
def test_a_pause_that_is_long_or_unknown_is_not_waited_for(headers: dict[str, str]) -> None:
    with (
        serving((503, {"code": "overloaded", "message": "x"}, headers)) as (address, script),
        Client(address, retries=5, sleep=lambda _: pytest.fail("it waited")) as client,
        pytest.raises(Overloaded),
    ):
        client.predict(b"x")
    assert len(script.asked) == 1


@pytest.mark.parametrize("status", [400, 422, 500, 502])
def test_other_errors_are_not_repeated(status: int) -> None:
    with (
        serving((status, {"code": "internal", "message": "x"}, {"retry-after": "1"})) as (address, script),
        Client(address, retries=5, sleep=lambda _: pytest.fail("it waited")) as client,
        pytest.raises(PetmoodError),
    ):
        client.predict(b"x")
    assert len(script.asked) == 1


# --- the way there ----------------------------------------------------------------------------------------------------


def test_a_service_that_is_away_is_an_error_that_names_the_address_and_a_command() -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(ServiceUnreachable, match=r"http://127\.0\.0\.1:9 can't be reached \(.*serve BUNDLE"),
    ):
        client.predict(b"x")


def test_a_service_that_takes_too_long_is_an_error_of_its_own() -> None:
    with (
        serving((200, None)) as (address, _),
        Client(address, timeout_s=0.2) as client,
        pytest.raises(ServiceTimeout, match=r"within 0\.2 s"),
    ):
        client.predict(b"x")


@pytest.mark.parametrize(
    "response", [(200, b"<html>"), (200, {"hello": 1}), (302, b"", {"location": "http://127.0.0.1:9"}), (400, b"oops")]
)
def test_another_program_at_that_address_is_noticed(response: tuple[int, Any]) -> None:
    with serving(response) as (address, script), Client(address) as client:
        for ask in (
            lambda: client.predict(b"x"),
            client.card,
            client.health,
            lambda: list(client.predict_many([b"x"])),
        ):
            with pytest.raises(ServiceError, match="Check the address"):
                ask()
    assert len(script.asked) == 4


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="Expected an address such as"):
        Client("localhost:8000")


def test_another_transport_can_be_given() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=BODY.model_dump()))
    with Client("https://pets.example", transport=transport) as client:
        assert client.predict(b"x") == PREDICTION


def test_a_client_shows_its_address_and_not_its_token() -> None:
    with Client("http://127.0.0.1:8000/", token=WORD) as client:
        assert repr(client) == "<Client of http://127.0.0.1:8000>"


def test_threads_may_share_a_client() -> None:
    found: list[Prediction] = []
    with serving((200, BODY.model_dump())) as (address, _), Client(address) as client:
        threads = [threading.Thread(target=lambda: found.append(client.predict(b"x"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [PREDICTION] * 8


# --- several photos ---------------------------------------------------------------------------------------------------


def test_several_photos_go_in_batches_and_a_bad_one_affects_no_other(tmp_path: Path) -> None:
    first, second = batch(BODY.model_dump(), REFUSED), batch(BODY.model_dump())
    with serving((200, first), (200, second)) as (address, script), Client(address) as client:
        photos: Iterator[Any] = iter([b"one", tmp_path / "missing.jpg", b"two", b"three"])
        results = client.predict_many(photos, batch_size=3)
        assert script.asked == []
        assert next(results) == PREDICTION
        assert next(photos) == b"three", "photos are read as they are needed"
        missing, bad = results
    assert isinstance(missing, PhotoError)
    assert isinstance(bad, CorruptImage)
    assert [asked["path"] for asked in script.asked] == ["/predict/batch"]
    assert script.asked[0]["body"].count(b'filename="photo"') == 2


def test_batches_of_one_need_no_batch_route() -> None:
    with serving((200, BODY.model_dump()), (422, REFUSED)) as (address, script), Client(address) as client:
        good, bad = client.predict_many([b"x", b"y"], batch_size=1)
    assert good == PREDICTION
    assert isinstance(bad, CorruptImage)
    assert [asked["path"] for asked in script.asked] == ["/predict", "/predict"]


def test_a_service_without_a_batch_route_gets_photos_one_by_one() -> None:
    nothing, one = (404, {"code": "not_found", "message": "m", "request_id": "r"}), (200, BODY.model_dump())
    with serving(nothing, one, (422, REFUSED), one) as (address, script), Client(address) as client:
        kinds = [type(result).__name__ for result in client.predict_many([b"a", b"b", b"c"], batch_size=2)]
    assert kinds == ["Prediction", "CorruptImage", "Prediction"]
    assert [asked["path"] for asked in script.asked] == ["/predict/batch", *["/predict"] * 3]
    with serving(nothing) as (address, _), Client(address) as client, pytest.raises(ServiceError) as caught:
        list(client.predict_many([b"a", b"b"]))
    assert caught.value.code == "not_found"
    assert str(caught.value).endswith(
        "/predict does not exist. Expected the address of the service's root, such as http://127.0.0.1:8000."
    )


def test_photos_that_can_t_be_read_alone_are_not_sent(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:9") as client:
        (error,) = client.predict_many([tmp_path / "missing.jpg"])
    assert isinstance(error, PhotoError)


def test_one_photo_is_not_taken_for_several() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(TypeError, match="Expected several photos"):
        client.predict_many("a.jpg")


def test_a_rejected_batch_raises_its_error() -> None:
    with serving(BUSY) as (address, _), Client(address) as client, pytest.raises(Overloaded):
        list(client.predict_many([b"x", b"y"]))


# --- state ------------------------------------------------------------------------------------------------------------


def test_the_card_and_the_classes_of_the_model_are_fetched() -> None:
    card = ModelCardResponse(model=MODEL, classes=["happy", "sad"], manifest={"species": ["cat"]}, card="# Card")
    with serving((200, card.model_dump())) as (address, script), Client(address) as client:
        assert client.card() == card
        assert client.classes() == ("happy", "sad")
    assert {asked["path"] for asked in script.asked} == {"/model"}


def test_a_service_that_is_not_ready_says_why_without_an_error() -> None:
    unready = {"status": "unready", "reason": "It is shutting down."}
    with serving((200, {"status": "ok"}), (503, unready)) as (address, script), Client(address) as client:
        assert client.health().status == "ok"
        health = client.health()
    assert (health.status, health.reason) == ("unready", "It is shutting down.")
    assert {asked["path"] for asked in script.asked} == {"/readyz"}


# --- feedback ---------------------------------------------------------------------------------------------------------

GIVEN = {"request_id": "r-1", "position": 2, "label": "sad", "replaced": False}


def test_feedback_is_sent_as_json_with_the_token() -> None:
    with serving((200, GIVEN)) as (address, script), Client(address, token=WORD) as client:
        assert client.feedback("r-1", label="sad", position=2, note="ears back") == FeedbackResponse(**GIVEN)
        client.feedback("r-1", right=True)
    bodies = [json.loads(asked["body"]) for asked in script.asked]
    assert bodies == [
        {"request_id": "r-1", "position": 2, "label": "sad", "note": "ears back"},
        {"request_id": "r-1", "position": 0, "right": True},
    ]
    assert {(asked["method"], asked["path"], asked["auth"]) for asked in script.asked} == {
        ("POST", "/feedback", f"Bearer {WORD}")
    }


def test_an_unknown_request_is_told_from_a_service_that_takes_no_feedback() -> None:
    unknown = (404, {"code": "unknown_request", "message": "There is no prediction of the request 'r-1'."})
    nothing = (404, {"code": "not_found", "message": "There is no such path."})
    with serving(unknown, nothing) as (address, _), Client(address) as client:
        with pytest.raises(UnknownRequest, match="no prediction of the request 'r-1'"):
            client.feedback("r-1", right=True)
        with pytest.raises(ServiceError, match=r"does not exist\. Expected a service that takes feedback"):
            client.feedback("r-1", right=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Expected either right or a label"),
        ({"right": True, "label": "sad"}, "Expected either right or a label"),
        ({"right": True, "position": -1}, "position: Expected a number of 0 or more, got -1"),
        ({"right": True, "note": "x" * 501}, "note: Expected text with a length of 500 or less"),
        ({"right": True, "visitor": "me"}, "Expected a visitor of 16 to 64 letters"),
    ],
)
def test_feedback_that_is_none_is_not_sent(arguments: dict[str, Any], message: str) -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(ConfigError, match=message):
        client.feedback("r-1", **arguments)
