"""Documentation site: built strictly without other hosts, its links, and its pages in a real browser."""

import functools
import re
import shutil
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize

from tests.support.browser import chromium
from tests.support.local_server import served_by
from tests.support.site import broken_links, build
from tests.support.source_tree import shown, tracked

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

WITHIN_MS = 300_000
LOADED = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\s\"'>]+)")
"""What a page loads by itself from another host; a link to click is another element."""


def copied(folder: Path) -> Path:
    """Copy what the site is built from: git's files alone, so that no earlier build helps."""
    for path in tracked():
        if shown(path).startswith(("docs/", "mkdocs.yml")):
            (folder / shown(path)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / shown(path))
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; return its folder."""
    folder = copied(tmp_path_factory.mktemp("site"))
    assert build(folder) == ""
    return folder / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Serve the site on loopback, as a host of static files does."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with served_by(functools.partial(Quiet, directory=str(site))) as found:
        yield f"http://{found}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser once."""
    with chromium() as found:
        yield found


class Visit:
    """A page of the browser; notes what it requests from other hosts, fails to load, or reports as an error."""

    def __init__(self, browser: Browser, address: str, *, width: int = 1100, dark: bool = False) -> None:
        viewport = ViewportSize(width=width, height=900)
        self.page = browser.new_page(viewport=viewport, color_scheme="dark" if dark else "light")
        self.wrong: list[str] = []
        self._address = address
        self.page.on("request", self._requested)
        self.page.on("response", lambda one: None if one.status < 400 else self.wrong.append(f"{one.status} {one.url}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def open(self, name: str) -> Page:
        """Open a page of the site; return the page of the browser."""
        self.page.goto(f"{self._address}/{name}")
        return self.page

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what the next page makes needless
            self.wrong.append(f"{request.failure} {request.url}")

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((f"{self._address}/", "data:", "blob:")):
            self.wrong.append(f"requested {request.url}")


def test_no_link_is_broken(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 40
    assert broken_links(site.parent) == ""


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    found = [f"{page.name}: {address}" for page in site.rglob("*.html") for address in LOADED.findall(page.read_text())]
    assert found == []


def test_planted_links_to_no_page_and_to_no_heading_are_found(tmp_path: Path) -> None:
    """By the strict build; and by the link check, which reads what was built, in pages that the build accepts."""
    folder = copied(tmp_path)
    index = folder / "docs/index.md"
    text = index.read_text("utf-8")
    for link in ("nowhere.md", "use.md#nowhere"):
        index.write_text(f"{text}\n[planted]({link})\n", "utf-8")
        assert "nowhere" in build(folder)
    for link in ("nowhere.html", "use.html#nowhere"):
        index.write_text(f'{text}\n<a href="{link}">planted</a>\n', "utf-8")
        assert build(folder) == ""
        assert "nowhere" in broken_links(folder)


@pytest.mark.parametrize("dark", [False, True])
def test_diagrams_are_drawn_by_mermaid_of_this_site(browser: Browser, address: str, *, dark: bool) -> None:
    """The theme puts a diagram into a closed shadow tree: its height shows that it is drawn, and the code is gone."""
    visit = Visit(browser, address, dark=dark)
    page = visit.open("architecture.html")
    page.wait_for_function("document.querySelectorAll('div.mermaid').length == 2", timeout=WITHIN_MS)
    heights = [box["height"] for one in page.locator("div.mermaid").all() if (box := one.bounding_box())]
    assert min(heights) > 200
    assert page.locator("pre.mermaid").count() == 0
    assert visit.wrong == []
    page.close()


@pytest.mark.parametrize("width", [390, 1100])
def test_no_page_scrolls_sideways_or_requests_another_host(
    browser: Browser, address: str, site: Path, width: int
) -> None:
    visit = Visit(browser, address, width=width, dark=True)
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        page = visit.open(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert name == "architecture.html" or page.locator("script[src*='mermaid.min.js']").count() == 0, name
        assert visit.wrong == [], name
    page.close()


def test_the_search_finds_a_page(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    page = visit.open("index.html")
    page.keyboard.press("/")
    page.keyboard.type("conformal")
    page.get_by_text("conformal").first.wait_for(timeout=WITHIN_MS)
    assert visit.wrong == []
    page.close()


def test_the_built_pages_open_from_a_folder_without_a_server(browser: Browser, site: Path) -> None:
    page = browser.new_page()
    page.goto(f"file://{site}/index.html")
    page.get_by_role("link", name="Train it").first.click()
    assert page.locator("h1").inner_text().startswith("From a folder to a phone")
    page.close()
