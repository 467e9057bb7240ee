"""Tests of the photo of a card and the map of the parts that mattered, in Streamlit's own test runner."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

import petmood.frontend.app
from petmood.client.client import Client
from petmood.core.errors import PetmoodError, ServiceError, ServiceUnreachable
from petmood.core.explanation import Explanation
from petmood.core.image import Box
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelCardResponse, ModelInfo
from petmood.frontend.photo_view import Photo
from petmood.presentation.heat_map import heat_map
from tests.support.images import jpeg, photo_like

MODEL = ModelInfo(name="demo", version="7", sha256="0" * 64)
PHOTO = jpeg(photo_like(80, 60))
SHOW, HIDE = "Show which parts mattered", "Hide the map"
BOX = Box(0.125, 0.0, 0.875, 1.0)
LOWER_MIDDLE = "Orange: parts that raise the score of happy, most of all in the lower middle."
DARKENED = " The model gets the part that is not darkened."


def prediction(*, is_pet: bool = True) -> Prediction:
    """Return a prediction, of which "happy" is the best guess."""
    chances = dict(zip(DEFAULT_CLASSES, (0.05, 0.85, 0.05, 0.05), strict=True))
    found = Prediction("happy", 0.85, chances, True, (), MODEL)
    return found if is_pet else replace(found, label=None, confident=False, domain_warning="no_animal")


def explanation(*labels: str) -> Explanation:
    """Return maps of which that of "happy" is strong at the lower middle, and the others are nowhere positive."""
    maps = {label: np.full((6, 6), -1.0, np.float32) for label in labels or DEFAULT_CLASSES}
    maps.get("happy", np.zeros((6, 6), np.float32))[5, 3] = 1.0
    first = Prediction(labels[0], 1.0, dict.fromkeys(labels, 1.0), True, (), MODEL) if labels else prediction()
    return Explanation(first, "hirescam", maps, BOX)


class Service:
    """What the service answers, and how often it was asked for maps."""

    def __init__(self) -> None:
        self.prediction = prediction()
        self.explanations: list[Explanation | PetmoodError] = []
        self.asked = list[bytes]()

    def explain(self, photo: bytes) -> Explanation:
        """Return the next explanation, or raise it."""
        self.asked.append(photo)
        found = self.explanations.pop(0)
        if isinstance(found, PetmoodError):
            raise found
        return found


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Return the answers of the client; all that are prepared must have been asked for at the end."""
    found = Service()
    card = ModelCardResponse(model=MODEL, classes=list(DEFAULT_CLASSES), manifest={}, card="It has seen cats.")
    monkeypatch.setattr(Client, "predict", lambda *_: found.prediction)
    monkeypatch.setattr(Client, "explain", lambda _, photo: found.explain(photo))
    monkeypatch.setattr(Client, "card", lambda _: card)
    yield found
    assert found.explanations == []


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[tuple[NDArray[np.uint8], str]]:
    """Return the pixels of the pictures that the page draws, with their alternative texts."""
    drawn: list[tuple[NDArray[np.uint8], str]] = []

    def image(_: DeltaGenerator, pixels: NDArray[np.uint8], *, alt: str, width: str) -> None:
        assert width == "stretch"
        drawn.append((pixels, alt))

    monkeypatch.setattr(DeltaGenerator, "image", image)
    return drawn


def opened(*photos: tuple[str, bytes]) -> AppTest:
    """Open the page and upload photos, by default one."""
    at = AppTest.from_file(str(Path(petmood.frontend.app.__file__)), default_timeout=300).run()
    at.file_uploader(key="upload").set_value([(*one, "image/jpeg") for one in photos or [("a.jpg", PHOTO)]])
    return at.run()


def click(at: AppTest, label: str) -> AppTest:
    """Click the first button with a label, and look that the page draws without an error."""
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def buttons(at: AppTest) -> list[str]:
    """Return the labels of the buttons that show or hide a map."""
    return [button.label for button in at.button if button.label in {SHOW, HIDE}]


def captions(at: AppTest) -> list[str]:
    """Return the sentences about maps."""
    return [one.value for one in at.caption if "the score of" in one.value]


def test_the_map_takes_the_place_of_the_photo_after_a_click_and_is_requested_once(
    service: Service, pictures: list[tuple[NDArray[np.uint8], str]]
) -> None:
    service.explanations.append(explanation())
    at = opened()
    assert (buttons(at), captions(at), service.asked) == ([SHOW], [], [])
    click(at, SHOW)
    assert (buttons(at), captions(at)) == ([HIDE], [LOWER_MIDDLE + DARKENED])
    preview = Photo("a.jpg", PHOTO).preview()
    assert preview is not None
    pixels, words = pictures[-1]
    assert np.array_equal(pixels, heat_map(preview, explanation().maps["happy"], BOX))
    assert words == "Map on the photo a.jpg"
    click(at, HIDE)
    assert (buttons(at), captions(at)) == ([SHOW], [])
    assert np.array_equal(pictures[-1][0], preview)
    click(at, SHOW)
    assert captions(at) == [LOWER_MIDDLE + DARKENED]
    assert service.asked == [PHOTO]


def test_another_class_can_be_chosen_and_its_map_is_drawn(
    service: Service, pictures: list[tuple[NDArray[np.uint8], str]]
) -> None:
    service.explanations.append(explanation())
    at = click(opened(), SHOW)
    choice = next(box for box in at.selectbox if box.label == "Parts that raise the score of")
    assert (choice.value, choice.options) == ("happy", ["Angry", "Happy", "Another expression", "Sad"])
    pictures.clear()
    choice.set_value("other").run()
    assert captions(at) == [f"No part raises the score of another expression.{DARKENED}"]
    assert len(pictures) == 1, "the photo itself is not drawn before its map"
    assert len(service.asked) == 1


def test_each_photo_has_a_map_of_its_own(service: Service) -> None:
    service.explanations.append(explanation())
    other = jpeg(photo_like(50, 50))
    at = opened(("a.jpg", PHOTO), ("b.jpg", other))
    assert buttons(at) == [SHOW, SHOW]
    click(at, SHOW)
    assert (buttons(at), service.asked) == ([HIDE, SHOW], [other])


def test_a_photo_without_a_class_or_a_preview_has_no_map(service: Service) -> None:
    service.prediction = prediction(is_pet=False)
    assert buttons(opened()) == []
    service.prediction = prediction()
    at = opened(("a.jpg", PHOTO[:300]))
    assert "No preview available." in [one.value for one in at.caption]
    assert buttons(at) == []


def test_an_older_service_gets_one_clear_line(service: Service) -> None:
    missing = ServiceError("http://127.0.0.1:8000/explain does not exist.")
    missing.status = 404
    service.explanations.append(missing)
    at = click(opened(), SHOW)
    assert [one.value for one in at.warning] == [
        "This service can't show which parts mattered: it is of an earlier version."
    ]
    assert (buttons(at), captions(at), len(at.header)) == ([SHOW], [], 1)


def test_a_service_that_is_away_is_asked_again_by_the_next_click(service: Service) -> None:
    service.explanations.extend([ServiceUnreachable("http://127.0.0.1:8000 is away."), explanation()])
    at = click(opened(), SHOW)
    assert at.warning[0].value.startswith("The service can't be reached right now.")
    at.run()
    assert (buttons(at), len(service.asked)) == ([SHOW], 1)
    click(at, SHOW)
    assert (captions(at), len(at.warning)) == ([LOWER_MIDDLE + DARKENED], 0)


def test_a_model_that_was_changed_since_the_prediction_explains_its_own_classes(service: Service) -> None:
    service.explanations.append(explanation("playful", "tense"))
    at = click(opened(), SHOW)
    assert captions(at) == [f"No part raises the score of playful.{DARKENED}"]
