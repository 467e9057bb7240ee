"""The Streamlit page as a process, opened in Chromium."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect

from tests.support.generous import GENEROUS_ENVIRONMENT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

DESK: Final = (1200, 900)
WITHIN_MS: Final = 180_000
TITLE: Final = "How does this pet look?"


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


@contextmanager
def page_for(service: str) -> Iterator[str]:
    """Run the page for the service at an address, and yield the page's own address."""
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    with running("page", "--port", str(port), "--api", service, health=f"{page}/_stcore/health"):
        yield page


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


def answers(page: Page, count: int) -> None:
    """Wait for so many answers."""
    expect(page.get_by_text("Model demo")).to_have_count(count + 1)  # and the page's own last line


def settled(page: Page) -> None:
    """Wait until the page is drawn completely: no element is faded, moves or waits for its picture."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.locator("[data-stale=true]")).to_have_count(0)
    page.wait_for_function(
        "[...document.images].every(one => one.complete)"
        " && !document.getAnimations().some(one => one.playState === 'running')"
    )


def keep(page: Page, name: str) -> None:
    """Keep a picture of the page for whoever wants to look at it."""
    if folder := os.environ.get("PETMOOD_SCREENSHOTS"):
        page.wait_for_timeout(800)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
