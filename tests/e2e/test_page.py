"""Prediction through the web page in headless Chromium, with page and service as processes."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from petmood.core.photo import decode
from petmood.monitoring.feedback.store import read_feedback
from tests.support.browser import chromium
from tests.support.images import jpeg, photo_like
from tests.support.landing_page import PHONE, serving
from tests.support.logged import sqlite
from tests.support.networks import tiny_bundle
from tests.support.ports import free_port
from tests.support.streamlit_page import answers, keep, opened, page_for, running, settled

pytestmark = pytest.mark.proof


class Service:
    """The service, which a test starts and stops, always at the same address."""

    def __init__(self, bundle: Path) -> None:
        self.bundle, self.port = bundle, free_port()

    @property
    def address(self) -> str:
        """Where it listens when it runs."""
        return f"http://127.0.0.1:{self.port}"

    def running(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Run it while a block lasts."""
        return running("serve", str(self.bundle), "--port", str(self.port), health=f"{self.address}/readyz")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """Return the service with the tiny bundle."""
    return Service(tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle").folder)


@pytest.fixture(scope="module")
def address(service: Service) -> Iterator[str]:
    """Run the page, and yield its address."""
    with page_for(service.address) as page:
        yield page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with chromium() as found:
        yield found


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Return two photos and a broken one; the names of the last two look like Markdown."""
    found = []
    for number, data in enumerate(
        [jpeg(photo_like(320, 240)), jpeg(photo_like(200, 300, seed=2)), jpeg(photo_like(99, 99))[:900]]
    ):
        found.append(
            tmp_path / ("photo-0.jpg" if number == 0 else f"- **{number}** ~~b~~ $c$d$ :red[e] [f](g) <i>.jpg")
        )
        found[-1].write_bytes(data)
    return found


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control with a name is reached."""
    expect(page.get_by_role("radio", name=name)).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").strip() == name:
            return
    raise AssertionError(f"{name} can't be reached by the keyboard")


def test_a_photo_gets_an_answer_and_several_get_one_each(
    browser: Browser, address: str, service: Service, photos: list[Path]
) -> None:
    with service.running(), opened(browser, address) as page:
        page.locator("input[type=file]").set_input_files([photos[0]])
        answers(page, 1)
        expect(page.get_by_role("progressbar")).to_have_count(4)
        page.locator("input[type=file]").set_input_files([photos[1]])
        answers(page, 2)
        page.get_by_text("Your photos in this session (2)").click()
        for place in ("stCaptionContainer", "stTable"):
            expect(page.get_by_test_id(place).get_by_text(photos[1].name, exact=True)).to_be_visible()
        keep(page, "answers")


def test_a_broken_photo_is_refused_in_words(
    browser: Browser, address: str, service: Service, photos: list[Path]
) -> None:
    with service.running(), opened(browser, address) as page:
        page.locator("input[type=file]").set_input_files([photos[2]])
        expect(page.get_by_text("Expected a complete image")).to_be_visible()
        expect(page.get_by_text("No preview available.")).to_be_visible()
        keep(page, "refusal")


def test_an_example_is_answered_by_the_keyboard_alone(browser: Browser, address: str, service: Service) -> None:
    with service.running(), opened(browser, address) as page:
        tab_to(page, "Upload")
        for _ in range(2):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        tab_to(page, "cat")
        page.keyboard.press("Space")
        answers(page, 1)
        keep(page, "example")


def test_a_service_that_is_away_is_reported_and_asked_again_when_it_is_back(
    browser: Browser, address: str, service: Service, photos: list[Path]
) -> None:
    with opened(browser, address) as page:
        page.locator("input[type=file]").set_input_files([photos[0]])
        expect(page.get_by_text("Your photo stays on this page: please try again.")).to_be_visible()
        keep(page, "away")
        with service.running():
            page.get_by_role("button", name="Try again").click()
            answers(page, 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Browser, address: str, service: Service, photos: list[Path], scheme: str
) -> None:
    with service.running(), opened(browser, address, size=PHONE, scheme=scheme) as page:
        page.locator("input[type=file]").set_input_files(photos)
        answers(page, 2)
        page.get_by_text("What the results mean").click()
        width = page.evaluate(
            "Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right))"
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert width <= PHONE[0] + 1
        keep(page, f"phone-{scheme}")
        shade = decode(page.screenshot()).pixels.mean()
        assert (shade < 128) == (scheme == "dark")


def test_the_parts_that_mattered_are_drawn_over_the_photo_by_the_keyboard_and_said(
    browser: Browser, photos: list[Path]
) -> None:
    """The map of class 0 is strong at the upper left; the model gets the middle three quarters of the photo."""
    cropped = " The model gets the part that is not darkened."
    with serving() as service, page_for(service) as address, opened(browser, address) as page:
        page.locator("input[type=file]").set_input_files([photos[0]])
        page.get_by_role("button", name="Show which parts mattered").press("Enter")
        expect(page.get_by_text("score of <b>calm</b>")).to_have_text(
            f"Orange: parts that raise the score of <b>calm</b>, most of all in the upper left.{cropped}"
        )
        expect(page.get_by_role("button", name="Hide the map")).to_be_focused()
        picture = page.get_by_role("img", name="Map on the photo photo-0.jpg")
        settled(page)
        pixels = decode(picture.screenshot()).pixels.astype(int)
        height, width = pixels.shape[:2]
        orange, gray, dark = (
            pixels[int(height * y), int(width * x)] for x, y in ((0.2, 0.1), (0.2, 0.95), (0.05, 0.5))
        )
        assert orange[0] > orange[1] + 20 > orange[2] + 40
        assert np.ptp(gray) < 12, "gray, so that orange is seen on orange fur"
        assert np.ptp(dark) < 12
        whole = Image.open(photos[0]).convert("L").resize((width, height))
        assert dark[0] == pytest.approx(np.asarray(whole)[int(height * 0.5), int(width * 0.05)] / 2, abs=12)
        keep(page, "map")
        page.get_by_label("Parts that raise the score of").click()
        page.get_by_role("option", name="Relaxed").click()
        expect(page.get_by_text("score of relaxed")).to_have_text(f"No part raises the score of relaxed.{cropped}")
        page.get_by_role("button", name="Hide the map").click()
        expect(page.get_by_role("img", name="Photo: photo-0.jpg")).to_be_visible()
        expect(page.get_by_text("the score of")).to_have_count(0)


def test_right_is_one_click_and_wrong_two_and_each_window_is_one_visitor(
    browser: Browser, photos: list[Path], tmp_path: Path
) -> None:
    with serving(log=tmp_path) as service, page_for(service) as address:
        for label in ("Tense", "Relaxed"):
            with opened(browser, address, size=PHONE) as page:
                page.locator("input[type=file]").set_input_files([photos[0]])
                page.get_by_role("button", name="Right", exact=True).click()
                expect(page.get_by_text("Thank you.")).to_be_visible()
                page.get_by_role("button", name="Wrong", exact=True).click()
                page.get_by_role("button", name=label, exact=True).click()
                expect(page.get_by_text("Thank you.")).to_be_visible()
                settled(page)
                keep(page, f"feedback-{label.lower()}")
    engine = sqlite(tmp_path)
    first, second = read_feedback(engine)
    engine.dispose()
    assert (first.right_label, second.right_label) == ("tense", "relaxed")
    assert first.feedback.visitor != second.feedback.visitor


def test_a_tall_photo_leaves_its_answer_on_the_screen(
    browser: Browser, address: str, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "tall.jpg").write_bytes(jpeg(photo_like(300, 900)))
    with service.running(), opened(browser, address, size=PHONE) as page:
        page.locator("input[type=file]").set_input_files([tmp_path / "tall.jpg"])
        answers(page, 1)
        box = page.get_by_role("img", name="Photo: tall.jpg").bounding_box()
        assert box is not None
        assert box["height"] <= PHONE[1] / 2
