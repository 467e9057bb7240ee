"""Tests of Right and Wrong on the Streamlit page, with a service that has a prediction log."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import petmood.frontend.app
from petmood.core.domain import DomainScores
from petmood.core.environment import API_URL_VARIABLE
from petmood.monitoring.feedback.records import GivenFeedback
from petmood.monitoring.feedback.store import read_feedback
from petmood.presentation.answers import FEEDBACK_QUESTION, FEEDBACK_THANKS, OTHER_LABELS, RIGHT, WRONG
from tests.support.images import jpeg, photo_like
from tests.support.landing_page import CLASSES, serving
from tests.support.logged import sqlite

PHOTO = jpeg(photo_like(80, 60))


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve with a prediction log in the test's folder."""
    with serving(log=tmp_path) as address:
        monkeypatch.setenv(API_URL_VARIABLE, address)
        yield address


def page(*photos: bytes) -> AppTest:
    """Open the page in a session of its own, and upload photos."""
    at = AppTest.from_file(str(Path(petmood.frontend.app.__file__)), default_timeout=300).run()
    at.file_uploader(key="upload").set_value(
        [(f"{number}.jpg", photo, "image/jpeg") for number, photo in enumerate(photos)]
    )
    return at.run()


def click(at: AppTest, *labels: str) -> AppTest:
    """Click the first button with each of these labels, one after another."""
    for label in labels:
        next(button for button in at.button if button.label == label).click().run()
        assert not at.exception
    return at


def checked(at: AppTest) -> list[str]:
    """Return the labels of the buttons with an icon: what was given."""
    return [button.label for button in at.button if button.proto.icon]


def said(at: AppTest) -> list[str]:
    """Return the texts and captions of the page."""
    return [str(one.value) for one in (*at.text, *at.caption)]


def stored(folder: Path) -> list[GivenFeedback]:
    """Return the feedback in the log."""
    engine = sqlite(folder)
    found = read_feedback(engine)
    engine.dispose()
    return found


@pytest.mark.usefixtures("service")
def test_right_is_one_click(tmp_path: Path) -> None:
    at = page(PHOTO)
    assert said(at).count(FEEDBACK_QUESTION) == 1
    assert OTHER_LABELS not in said(at)
    click(at, RIGHT)
    assert FEEDBACK_THANKS in said(at)
    (given,) = stored(tmp_path)
    assert (given.feedback.label, given.right_label) == (None, CLASSES[0])


@pytest.mark.usefixtures("service")
def test_wrong_offers_the_other_classes_and_the_last_click_counts(tmp_path: Path) -> None:
    at = click(page(PHOTO), RIGHT, WRONG)
    assert OTHER_LABELS in said(at)
    assert FEEDBACK_THANKS not in said(at)
    assert [button.label for button in at.button][-2:] == ["Relaxed", "Tense"], "the predicted class is not offered"
    assert checked(at) == [RIGHT]
    click(at, "Tense")
    assert checked(at) == ["Tense"]
    (given,) = stored(tmp_path)
    assert given.right_label == "tense"
    click(at, "Relaxed", WRONG)
    assert OTHER_LABELS not in said(at)
    (given,) = stored(tmp_path)
    assert given.right_label == "relaxed"


@pytest.mark.usefixtures("service")
def test_each_session_is_one_visitor_with_a_random_id(tmp_path: Path) -> None:
    first, second = page(PHOTO, jpeg(photo_like(50, 50))), page(PHOTO)
    click(first, RIGHT, WRONG)
    for button in [button for button in first.button if button.label == RIGHT]:
        button.click().run()
    click(second, RIGHT)
    visitors = [one.feedback.visitor for one in stored(tmp_path)]
    assert len(visitors) == 3
    assert len(set(visitors)) == 2
    assert all(len(one) == 64 for one in visitors), "the log has hashes"
    ids = {at.session_state["visitor"] for at in (first, second)}
    assert len(ids) == 2
    assert all(len(one) == 32 for one in ids)


@pytest.mark.usefixtures("service")
def test_a_prediction_that_was_deleted_is_told(tmp_path: Path) -> None:
    at = page(PHOTO)
    engine = sqlite(tmp_path)
    click(at, RIGHT)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM predictions")
    engine.dispose()
    click(at, RIGHT)
    assert any("There is no prediction of the request" in text for text in said(at))
    assert FEEDBACK_THANKS not in said(at)


def test_a_photo_without_a_class_can_be_given_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(log=tmp_path, scores=DomainScores(2.5, 0.02)) as address:
        monkeypatch.setenv(API_URL_VARIABLE, address)
        at = click(page(PHOTO), WRONG)
        assert [button.label for button in at.button][-2:] == ["Relaxed", "Tense"]
        click(at, "Relaxed")
    (given,) = stored(tmp_path)
    assert (given.prediction.label, given.right_label) == (None, "relaxed")


def test_a_service_without_a_log_is_offered_no_feedback(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as address:
        monkeypatch.setenv(API_URL_VARIABLE, address)
        at = page(PHOTO)
    assert len(at.header) == 1
    assert FEEDBACK_QUESTION not in said(at)
    assert not {button.label for button in at.button} & {RIGHT, WRONG}
