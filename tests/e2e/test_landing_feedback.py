"""Feedback on the landing page in headless Chromium: one click for a right answer, two for a wrong one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from petmood.core.domain import DomainScores
from petmood.monitoring.feedback.records import GivenFeedback
from petmood.monitoring.feedback.store import read_feedback
from tests.support.accessibility import violations
from tests.support.browser import chromium
from tests.support.images import jpeg, photo_like
from tests.support.landing_page import CLASSES, PHONE, WITHIN_MS, keep, opened, serving
from tests.support.logged import sqlite

pytestmark = pytest.mark.proof

WORD = "0123456789abcdef"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with chromium() as found:
        yield found


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a photo."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(photo_like(320, 240)))
    return path


def click(page: Page, name: str) -> None:
    """Click a button of the feedback."""
    page.locator("#feedback").get_by_role("button", name=name, exact=True).click()


def stored(folder: Path) -> list[GivenFeedback]:
    """Return the feedback in the log."""
    engine = sqlite(folder)
    found = read_feedback(engine)
    engine.dispose()
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_right_is_one_click_and_wrong_two_and_the_last_one_counts(
    browser: Browser, photo: Path, tmp_path: Path, scheme: str
) -> None:
    with serving(log=tmp_path) as address, opened(browser, address, size=PHONE, scheme=scheme) as page:
        expect(page.locator("#feedback")).to_be_hidden()
        page.locator("#photo").set_input_files(photo)
        click(page, "Right")
        expect(page.locator("#feedback-text")).to_have_text("Thank you.")
        expect(page.locator("#right")).to_have_attribute("aria-pressed", "true")
        (first,) = stored(tmp_path)
        assert (first.feedback.label, first.right_label) == (None, CLASSES[0])
        click(page, "Wrong")
        labels = page.locator("#feedback-labels button")
        assert labels.all_inner_texts() == [*CLASSES[1:]], "the predicted class is not offered"
        assert violations(page) == []
        click(page, "tense")
        expect(page.locator("#feedback-text")).to_have_text("Thank you.")
        expect(labels.filter(has_text="tense")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#right")).to_have_attribute("aria-pressed", "false")
        expect(labels.filter(has_text="tense")).to_be_focused()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        keep(page, f"landing-feedback-{scheme}")
        assert "petmood_visitor" not in page.evaluate("document.cookie")
    (second,) = stored(tmp_path)
    assert second.right_label == "tense"
    assert second.feedback.visitor == first.feedback.visitor


def test_it_works_by_keyboard_and_a_photo_without_a_class_can_be_given_one(
    browser: Browser, photo: Path, tmp_path: Path
) -> None:
    with serving(log=tmp_path, scores=DomainScores(2.5, 0.98)) as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(photo)
        expect(page.locator("#wrong")).to_be_visible(timeout=WITHIN_MS)  # what is hidden takes no focus
        page.locator("#wrong").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#feedback-labels button")).to_have_count(3)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#feedback-text")).to_have_text("Thank you.")
    (found,) = stored(tmp_path)
    assert found.right_label == CLASSES[0]


def test_each_photo_of_a_visit_has_feedback_of_its_own(browser: Browser, photo: Path, tmp_path: Path) -> None:
    with serving(log=tmp_path) as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files([photo, photo])
        cards = page.locator("#cards button")
        cards.nth(0).click()
        click(page, "Right")
        expect(page.locator("#feedback-text")).to_have_text("Thank you.")
        cards.nth(1).click()
        expect(page.locator("#feedback-text")).to_have_text("")
        expect(page.locator("#right")).to_have_attribute("aria-pressed", "false")
        click(page, "Wrong")
        click(page, "relaxed")
        expect(page.locator("#feedback-text")).to_have_text("Thank you.")
        cards.nth(0).click()
        expect(page.locator("#right")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#feedback-labels")).to_be_hidden()
    assert sorted(str(one.right_label) for one in stored(tmp_path)) == [CLASSES[0], "relaxed"]


def test_a_service_without_a_log_offers_none(browser: Browser, photo: Path) -> None:
    with serving() as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_be_visible()
        expect(page.locator("#card")).to_be_visible()
        expect(page.locator("#feedback")).to_be_hidden()


def test_the_token_goes_along_and_a_refusal_is_said(browser: Browser, photo: Path, tmp_path: Path) -> None:
    with serving(log=tmp_path, token=WORD) as address, opened(browser, address) as page:
        page.get_by_label("This service requires a token").fill(WORD)
        page.locator("#photo").set_input_files(photo)
        page.route("**/feedback", lambda route: route.abort())
        click(page, "Right")
        expect(page.locator("#feedback-text")).to_contain_text("The service can't be reached")
        expect(page.locator("#right")).to_have_attribute("aria-pressed", "false")
        page.unroute("**/feedback")
        click(page, "Right")
        expect(page.locator("#feedback-text")).to_have_text("Thank you.")
    assert len(stored(tmp_path)) == 1
