"""Prediction through the web page in headless Chromium, with page and service as processes."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from petmood.core.photo import decode
from tests.support.browser import chromium
from tests.support.generous import GENEROUS_ENVIRONMENT
from tests.support.images import jpeg, photo_like
from tests.support.networks import tiny_bundle
from tests.support.ports import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.proof

PHONE, DESK = (390, 844), (1200, 900)
WITHIN_MS = 180_000
TITLE = "How does this pet look?"


@contextmanager
def running(*arguments: str, health: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a verb until the block ends, from when it is healthy on."""
    command, environment = [sys.executable, "-m", "petmood", *arguments], os.environ | GENEROUS_ENVIRONMENT
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:

        def is_healthy() -> bool:
            assert process.poll() is None
            try:
                urllib.request.urlopen(health, timeout=60).close()  # noqa: S310 - our own address
            except OSError:
                return False
            return True

        try:
            wait_until(is_healthy, within_s=300, every_s=0.1)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=120)


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
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    with running("page", "--port", str(port), "--api", service.address, health=f"{page}/_stcore/health"):
        yield page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with chromium() as found:
        yield found


@contextmanager
def opened(browser: Browser, address: str, *, size: tuple[int, int] = DESK, scheme: str = "light") -> Iterator[Page]:
    """Open the page in a window of its own, and look that it drew without an error and without asking anybody else."""
    asked: list[str] = []
    expect.set_options(timeout=WITHIN_MS)
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore[arg-type] # one of its two words
    context.set_default_timeout(WITHIN_MS)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    yield page
    expect(page.get_by_test_id("stException")).to_have_count(0)
    foreign = [url for url in asked if not url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))]
    assert foreign == []
    context.close()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Return two photos and a broken one."""
    found = []
    for number, data in enumerate(
        [jpeg(photo_like(320, 240)), jpeg(photo_like(200, 300, seed=2)), jpeg(photo_like(99, 99))[:900]]
    ):
        found.append(tmp_path / f"photo-{number}.jpg")
        found[-1].write_bytes(data)
    return found


def answers(page: Page, count: int) -> None:
    """Wait for so many answers."""
    expect(page.get_by_text("Model demo")).to_have_count(count + 1)  # and the page's own last line


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control with a name is reached."""
    expect(page.get_by_role("radio", name=name)).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").strip() == name:
            return
    raise AssertionError(f"{name} can't be reached by the keyboard")


def keep(page: Page, name: str) -> None:
    """Keep a picture of the page for whoever wants to look at it."""
    if folder := os.environ.get("PETMOOD_SCREENSHOTS"):
        page.wait_for_timeout(800)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_photo_gets_an_answer_and_several_get_one_each(
    browser: Browser, address: str, service: Service, photos: list[Path]
) -> None:
    with service.running(), opened(browser, address) as page:
        page.locator("input[type=file]").set_input_files([photos[0]])
        answers(page, 1)
        expect(page.get_by_role("progressbar")).to_have_count(4)
        page.locator("input[type=file]").set_input_files([photos[1]])
        answers(page, 2)
        expect(page.get_by_text("Your photos in this session (2)")).to_be_visible()
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
