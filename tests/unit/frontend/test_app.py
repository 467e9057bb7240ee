"""Tests of the Streamlit page in Streamlit's own test runner."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import petmood.frontend.app
from petmood.client.client import Client
from petmood.core.domain import DomainScores
from petmood.core.errors import CorruptImage, PetmoodError, ServiceUnreachable
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelCardResponse, ModelInfo
from petmood.presentation.answers import NEVER_CONFIDENT
from tests.support.images import jpeg, photo_like

MODEL = ModelInfo(name="demo", version="7", sha256="0" * 64)
PHOTO = jpeg(photo_like(80, 60))
AWAY = "The service can't be reached right now. Your photo stays on this page: please try again."


def answer(*, confident: bool = True) -> Prediction:
    """Return an answer."""
    chances = dict(zip(DEFAULT_CLASSES, (0.05, 0.85, 0.05, 0.05), strict=True))
    return Prediction("happy", 0.85, chances, confident, ("happy", "sad"), MODEL)


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Prediction | PetmoodError]]:
    """Return what the service will say, one after another; the number of questions is checked at the end."""
    said: list[Prediction | PetmoodError] = []

    def predict(*_: object) -> Prediction:
        reply = said.pop(0)
        if isinstance(reply, PetmoodError):
            raise reply
        return reply

    card = ModelCardResponse(model=MODEL, classes=list(DEFAULT_CLASSES), manifest={}, card="It has seen cats.")
    monkeypatch.setattr(Client, "predict", predict)
    monkeypatch.setattr(Client, "card", lambda _: card)
    yield said
    assert said == []


def page() -> AppTest:
    """Open the page."""
    return AppTest.from_file(str(Path(petmood.frontend.app.__file__)), default_timeout=300).run()


def upload(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Upload photos."""
    at.file_uploader(key="upload").set_value([(name, data, "image/jpeg") for name, data in files])
    return at.run()


def words(at: AppTest) -> str:
    """Return all that the page says."""
    kinds = (at.title, at.header, at.markdown, at.caption, at.info, at.warning, at.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def test_the_page_says_what_it_does_and_what_it_cannot(replies: list[Prediction | PetmoodError]) -> None:
    at = page()
    assert not at.exception
    assert replies == []
    for text in (
        "How does this pet look?",
        "An expression is not a feeling",
        "It has seen cats.",
        "Model demo 7 at http://127.0.0.1:8000",
    ):
        assert text in words(at)


def test_a_photo_is_answered_once_however_often_the_page_is_drawn(replies: list[Prediction | PetmoodError]) -> None:
    replies.append(answer())
    at = upload(page(), ("a.jpg", PHOTO)).run()
    assert not at.exception
    assert [(one.proto.icon, one.value) for one in at.header] == [(":material/sentiment_satisfied:", "Happy")]
    assert re.search(r"Model demo 7 · \d+ ms", words(at))


def test_not_sure_comes_with_what_helps(replies: list[Prediction | PetmoodError]) -> None:
    replies.append(answer(confident=False))
    at = upload(page(), ("a.jpg", PHOTO))
    assert at.header[0].value.endswith("Not sure, probably happy")
    assert "Show the whole face" in at.info[0].value


def test_a_photo_without_a_pet_gets_words_and_advice(
    replies: list[Prediction | PetmoodError],
) -> None:
    chances = dict(zip(DEFAULT_CLASSES, (0.05, 0.85, 0.05, 0.05), strict=True))
    cup = Prediction(
        None, 0.85, chances, False, (), MODEL, (), 0.7, DomainScores(2.5, 0.02), domain_warning="no_animal"
    )
    replies.extend([cup, answer()])
    at = upload(page(), ("cup.jpg", PHOTO))
    assert not at.exception
    assert [(one.proto.icon, one.value) for one in at.header] == [(":material/search_off:", "No pet found")]
    assert "The model found no animal in this photo, so it gives no result. If a pet is in it, go closer." in words(at)
    assert "Show the whole face" in at.info[0].value
    assert not at.get("progress")
    upload(at, ("cup.jpg", PHOTO), ("b.jpg", jpeg(photo_like(50, 50))))
    assert at.table[0].value["Result"].tolist() == ["No pet found", "Happy"]
    assert len(at.get("progress")) == len(DEFAULT_CLASSES)


def test_several_photos_have_an_answer_each_and_a_broken_one_says_why(
    replies: list[Prediction | PetmoodError],
) -> None:
    refusal = CorruptImage("Expected a complete image, got a truncated or corrupt file.")
    replies.extend([refusal, answer()])  # the newest is asked about first
    at = upload(page(), ("a.jpg", PHOTO), ("[b](x).jpg", PHOTO[:300]))
    assert not at.exception
    assert [error.value for error in at.error] == [str(refusal)]
    assert len(at.header) == 1
    assert "No preview available." in words(at)


def test_a_photo_that_is_chosen_twice_is_shown_once(replies: list[Prediction | PetmoodError]) -> None:
    replies.extend([answer(), answer(confident=False)])
    at = upload(page(), ("a.jpg", PHOTO), ("b.jpg", jpeg(photo_like(50, 50))), ("c.jpg", PHOTO))
    assert not at.exception
    assert [header.value for header in at.header] == ["Happy", "Not sure, probably happy"]


def test_when_the_service_is_away_the_photo_is_kept_and_can_be_sent_again(
    replies: list[Prediction | PetmoodError],
) -> None:
    replies.append(ServiceUnreachable("http://127.0.0.1:8000 is away."))
    at = upload(page(), ("a.jpg", PHOTO))
    assert at.warning[0].value == AWAY
    replies.append(answer())
    again = next(button for button in at.button if button.label == "Try again")
    again.click().run()
    assert "Happy" in at.header[0].value


def test_an_example_can_be_tried(replies: list[Prediction | PetmoodError]) -> None:
    replies.append(answer())
    at = page()
    at.button_group(key="source").set_value("Examples").run()
    examples = at.button_group(key="example")
    assert len(examples.options) >= 4
    at.button_group(key="example").set_value(petmood.frontend.app._examples()[0]).run()
    assert not at.exception
    assert len(at.header) == 1


def test_answers_of_this_visit_are_listed(replies: list[Prediction | PetmoodError]) -> None:
    replies.extend([answer(), answer(confident=False)])
    at = upload(page(), ("a.jpg", PHOTO), ("b.jpg", jpeg(photo_like(50, 50))))
    assert at.table[0].value["Result"].tolist() == ["Happy", "Not sure, probably happy"]


def test_the_message_that_the_service_is_away_is_above_the_results(
    replies: list[Prediction | PetmoodError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def card(_: Client) -> ModelCardResponse:
        raise ServiceUnreachable("http://127.0.0.1:8000 is away.")

    monkeypatch.setattr(Client, "card", card)
    replies.append(answer())
    at = upload(page(), ("a.jpg", PHOTO))
    assert not at.exception
    kinds = [node.type for node in at.main]
    assert [warning.value.endswith("Reload the page to try again.") for warning in at.warning] == [True]
    assert kinds.index("warning") < min(kinds.index(kind) for kind in ("file_uploader", "header", "expander"))


def test_without_a_service_the_page_says_so_and_shows_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_API_URL", "http://127.0.0.1:9")
    at = page()
    assert not at.exception
    assert "The service can't be reached right now. Reload the page to try again." in words(at)
    assert "It has seen cats." not in words(at)


def test_a_practice_model_is_named_above_everything(
    replies: list[Prediction | PetmoodError], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ModelCardResponse(model=MODEL, classes=[], manifest={"data_kind": "drawings"}, card="It has seen drawings.")
    monkeypatch.setattr(Client, "card", lambda _: card)
    assert replies == []
    at = page()
    said = "Practice model: it learned from drawings, so its result says nothing about a real pet."
    assert [warning.value for warning in at.warning] == [f"{said} Try it with the examples."]
    kinds = [node.type for node in at.main]
    assert kinds.index("warning") < kinds.index("file_uploader")


def test_a_model_that_is_never_confident_says_so_once(
    replies: list[Prediction | PetmoodError], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ModelCardResponse(model=MODEL, classes=[], manifest={"confidence_threshold": 1.01}, card="It is unsure.")
    monkeypatch.setattr(Client, "card", lambda _: card)
    replies.append(answer(confident=False))
    at = upload(page(), ("a.jpg", PHOTO))
    assert not at.exception
    assert words(at).count(NEVER_CONFIDENT) == 1
    assert "its error on held-out photos was too high, or the photos were too few." in NEVER_CONFIDENT
    assert not at.warning


def test_a_model_that_can_be_confident_says_how_often_it_may_be_wrong(
    replies: list[Prediction | PetmoodError], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = {"confidence_threshold": 0.7, "target_error": 0.15}
    card = ModelCardResponse(model=MODEL, classes=[], manifest=manifest, card="It has seen cats.")
    monkeypatch.setattr(Client, "card", lambda _: card)
    at = page()
    assert replies == []
    assert "wrong in at most 15 of 100 photos" in words(at)


def test_a_service_that_keeps_photos_says_for_how_long(
    replies: list[Prediction | PetmoodError], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert replies == []
    card = ModelCardResponse(model=MODEL, classes=[], manifest={}, card="It has seen cats.", keep_photos_days=7)
    monkeypatch.setattr(Client, "card", lambda _: card)
    assert "Photos are kept for 7 days." in words(page())
