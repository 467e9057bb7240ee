"""Review of kept photos in headless Chromium: keys save labels at once, and each can be taken back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from petmood.core.listening import bind
from petmood.monitoring.feedback.records import GivenFeedback
from petmood.monitoring.feedback.review import choice_of
from petmood.monitoring.feedback.review_app import create_review_app
from petmood.monitoring.feedback.store import read_feedback
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.accessibility import violations
from tests.support.browser import chromium
from tests.support.images import jpeg, photo_like
from tests.support.logged import row, sqlite
from tests.support.waiting import wait_until

pytestmark = pytest.mark.proof

COUNT = 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with chromium() as found:
        yield found


@contextmanager
def reviewing(folder: Path) -> Iterator[str]:
    """Serve the review of twelve kept photos; yield its address."""
    engine, photos = sqlite(folder), KeptPhotos(folder / "photos")
    photos.create(days=30)
    LogStore(engine).insert([row(number) for number in range(COUNT)])
    for number in range(COUNT):
        photos.write(PhotoKey(f"request-{number}"), jpeg(photo_like(320, 240, seed=number)))
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_review_app(engine, photos), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=60)
    engine.dispose()


def stored(folder: Path) -> list[GivenFeedback]:
    """Return the marks in the log, in the order in which they were saved."""
    engine = sqlite(folder)
    found = read_feedback(engine)
    engine.dispose()
    return found


def says(page: Page, text: str) -> None:
    expect(page.locator("#status")).to_contain_text(text, timeout=60_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_keys_save_skip_and_take_back_and_the_page_is_accessible(browser: Browser, tmp_path: Path, scheme: str) -> None:
    with reviewing(tmp_path) as address:
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type] # a literal
        page.goto(address)
        says(page, "12 to review, 0 reviewed.")
        expect(page.locator("#photo")).to_have_js_property("complete", value=True)
        assert page.evaluate("document.querySelector('#photo').naturalWidth") == 320
        assert violations(page) == []
        first = page.locator("#photo").get_attribute("src")
        page.keyboard.press("2")
        says(page, "11 to review, 1 reviewed.")
        (mark,) = stored(tmp_path)
        assert (mark.right_label, f"photos/0/{mark.feedback.key.request_id}") == ("happy", first)
        assert mark.feedback.chosen == choice_of(mark.feedback.key)
        page.keyboard.press("u")
        says(page, "12 to review, 0 reviewed.")
        expect(page.locator("#photo")).to_have_attribute("src", str(first))
        assert stored(tmp_path) == []
        page.keyboard.press("s")
        expect(page.locator("#photo")).not_to_have_attribute("src", str(first))
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#photo")).to_have_attribute("src", str(first))
        for number in range(COUNT):
            page.keyboard.press("1")
            says(page, f"{number + 1} reviewed" if number < COUNT - 1 else "All photos are reviewed: 12.")
        assert [one.right_label for one in stored(tmp_path)] == ["angry"] * COUNT
        expect(page.locator("#accuracy")).to_contain_text("0% were predicted right")
        page.close()


def test_a_label_that_can_not_be_saved_is_told_and_stays_to_be_given(browser: Browser, tmp_path: Path) -> None:
    with reviewing(tmp_path) as address:
        page = browser.new_page()
        page.goto(address)
        says(page, "12 to review")
        page.route("**/marks/**", lambda route: route.abort())
        page.get_by_role("button", name="1 angry").click()
        says(page, "Not saved: the review can't be reached.")
        assert stored(tmp_path) == []
        page.unroute("**/marks/**")
        page.get_by_role("button", name="1 angry").click()
        says(page, "11 to review, 1 reviewed.")
        page.close()
