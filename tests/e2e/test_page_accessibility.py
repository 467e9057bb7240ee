"""Accessibility of the Streamlit page by axe-core: WCAG 2.2 at level AA, and axe's own rules of good practice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.accessibility import Allowed, violations
from tests.support.browser import chromium
from tests.support.images import jpeg, photo_like
from tests.support.landing_page import serving
from tests.support.streamlit_page import keep, opened, page_for, settled

pytestmark = pytest.mark.proof

SIZES: Final = {"phone": (390, 6000), "desk": (1200, 4000)}
"""All of the page is in the window: Streamlit scrolls a part of it, and axe leaves out what is scrolled away."""

# Streamlit 1.67.0 draws these, and its options can't change them. Both break rules of good practice, none of WCAG.
UPLOAD: Final = Allowed(
    "presentation-role-conflict",
    '[data-testid="stFileUploaderDropzone"]',
    "the area has a role without a meaning and a name; what is in it can be reached and has names of its own",
)
OPEN_LIST: Final = Allowed(
    "region",
    '[role="listbox"]',
    "an open list is drawn outside of the page's landmarks; the focus is in it until it is closed",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Run the page for a service that is confident, not sure or without a class by a photo's brightness."""
    with serving(confidence_threshold=0.6, by_brightness=True) as service, page_for(service) as page:
        yield page


@pytest.fixture(params=[("phone", "light"), ("phone", "dark"), ("desk", "light")], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """Open the page on a phone, in light and dark, and at a desk."""
    name, scheme = request.param
    with opened(browser, address, size=SIZES[name], scheme=scheme) as found:
        expect(found.get_by_text("Model card")).to_be_visible()
        yield found
        assert found.evaluate("document.documentElement.scrollWidth") <= SIZES[name][0]


def choose(page: Page, folder: Path, *contents: bytes) -> None:
    """Upload photos, and wait for the card of each."""
    paths = [folder / f"{number}-{'long-' * 20}.jpg" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    page.locator("input[type=file]").set_input_files(paths)
    expect(page.locator("[class*='st-key-photo-']")).to_have_count(len(contents))


def found(page: Page, *allowed: Allowed) -> list[str]:
    """Return the violations of a page that is drawn completely."""
    settled(page)
    return violations(page, *allowed)


def test_the_start_page_meets_wcag_with_every_source(page: Page) -> None:
    assert found(page, UPLOAD) == []
    page.get_by_role("radio", name="Camera").click()
    expect(page.get_by_test_id("stCameraInput")).to_be_visible()
    assert found(page) == [], "the camera"
    page.get_by_role("radio", name="Examples").click()
    page.get_by_role("radio", name="cat").click()
    expect(page.get_by_test_id("stImage")).to_be_visible()
    assert found(page) == [], "an example"


def test_the_answer_of_one_photo_meets_wcag_with_its_map_and_all_that_can_be_opened(page: Page, tmp_path: Path) -> None:
    choose(page, tmp_path, jpeg(photo_like(320, 240)))
    expect(page.get_by_role("heading", name="<b>calm</b>", exact=True)).to_be_visible()  # read without its icon
    assert found(page, UPLOAD) == []
    page.get_by_role("button", name="Show which parts mattered").click()
    expect(page.get_by_text("most of all in the upper left")).to_be_visible()
    assert found(page, UPLOAD) == [], "the map"
    page.get_by_label("Parts that raise the score of").click()
    expect(page.get_by_role("option", name="Relaxed")).to_be_visible()
    assert found(page, OPEN_LIST) == [], "the list of classes"
    page.keyboard.press("Escape")
    for summary in page.locator("summary").all():
        summary.click()
    assert found(page, UPLOAD) == [], "all is open"


def test_feedback_meets_wcag(browser: Browser, tmp_path: Path) -> None:
    for scheme in ("light", "dark"):
        with (
            serving(log=tmp_path) as service,
            page_for(service) as address,
            opened(browser, address, size=SIZES["phone"], scheme=scheme) as page,
        ):
            choose(page, tmp_path, jpeg(photo_like(320, 240)))
            page.get_by_role("button", name="Right", exact=True).click()
            expect(page.get_by_text("Thank you.")).to_be_visible()
            page.get_by_role("button", name="Wrong", exact=True).click()
            expect(page.get_by_role("button", name="Tense")).to_be_visible()
            assert found(page, UPLOAD) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]


def test_several_photos_meet_wcag_with_every_kind_of_answer(page: Page, tmp_path: Path) -> None:
    pixels = photo_like(320, 240)
    choose(page, tmp_path, jpeg(pixels), jpeg(pixels // 9), jpeg(225 + pixels // 9), jpeg(pixels)[:900])
    for headline in ("Not sure, probably <b>calm</b>", "No pet found"):
        expect(page.get_by_role("heading", name=headline)).to_be_visible()
    expect(page.get_by_text("Expected a complete image")).to_be_visible()
    page.get_by_text("Your photos in this session (3)").click()
    assert found(page, UPLOAD) == []
    keep(page, "accessibility-several")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_practice_model_is_named_as_wcag_demands(browser: Browser, scheme: str) -> None:
    with (
        serving(data_kind="drawings") as service,
        page_for(service) as address,
        opened(browser, address, size=SIZES["phone"], scheme=scheme) as page,
    ):
        expect(page.get_by_text("Practice model")).to_be_visible()
        assert found(page, UPLOAD) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_service_that_is_away_is_reported_as_wcag_demands(browser: Browser, tmp_path: Path, scheme: str) -> None:
    with (
        page_for("http://127.0.0.1:9") as address,
        opened(browser, address, size=SIZES["phone"], scheme=scheme) as page,
    ):
        choose(page, tmp_path, jpeg(photo_like(320, 240)))
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        expect(page.get_by_text("Reload the page to try again.")).to_be_visible()
        assert found(page, UPLOAD) == []
