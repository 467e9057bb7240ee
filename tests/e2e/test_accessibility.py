"""Accessibility of every page by axe-core: WCAG 2.2 at level AA, and axe's own rules of good practice."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from petmood.cli.app import main
from petmood.configs.load import compose
from petmood.core.domain import DomainScores
from petmood.pipelines.crossval import crossval
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.train import train
from petmood.reports.promotion import write_promotion_report
from tests.support.accessibility import Allowed, violations
from tests.support.browser import chromium
from tests.support.images import jpeg, photo_like
from tests.support.landing_page import PHONE, opened, serving
from tests.support.promotion import REPORT
from tests.support.small_sets import SMALL, write_small_set

pytestmark = pytest.mark.proof

REPORTS: Final = ("report.html", "crossval.html", "check.html", "issues.html", "promotion.html", "photos.html")
STATES: Final[dict[str, dict[str, Any]]] = {
    "confident": {},
    "not-sure": {"confidence_threshold": 0.99},
    "practice": {"data_kind": "drawings", "confidence_threshold": 1.01},
    "no-pet": {"scores": DomainScores(2.5, 0.02)},
    "unfamiliar": {"scores": DomainScores(2.5, 0.98)},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every kind of report, of stripes."""
    folder = tmp_path_factory.mktemp("reports")
    data = write_small_set(folder / "data", train=40, valid=16, test=16)
    settings = [*SMALL, f"data={data}", f"run.folder={folder}"]
    run = train(compose([*settings, "name=run", "epochs=3"]))
    evaluate_run(run)
    crossval(compose([*settings, "name=folds", "epochs=2", "folds=2", "crossval.permuted_labels=false"]))
    main(["data", "check", str(data), "--output", str(folder / "check.html")])
    main(["data", "issues", str(data), "--output", str(folder / "issues.html")])
    write_promotion_report(REPORT, folder)
    bundle = export_run(run, to=folder / "bundle").folder
    (data / "photos/broken.jpg").write_bytes(b"no photo")
    main(["predict", str(bundle), str(data / "photos"), "--html", str(folder / "photos.html")])
    run.report.rename(folder / "report.html")
    (folder / "folds/crossval.html").rename(folder / "crossval.html")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_meets_wcag(browser: Browser, reports: Path, name: str, scheme: str) -> None:
    with opened(browser, f"file://{reports / name}", size=PHONE, scheme=scheme) as page:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "promotion.html"])
def test_a_thumbnail_opens_large_by_keyboard_and_closes_by_escape(browser: Browser, reports: Path, name: str) -> None:
    with opened(browser, f"file://{reports / name}", size=PHONE) as page:
        for cell in page.locator("button[popovertarget^=cell]").all()[:1]:
            cell.click()
        button = page.locator(".zoom:visible").first
        image, large_ones = button.locator("img"), page.locator("img:popover-open")
        button.focus()
        small = image.bounding_box()
        page.keyboard.press("Enter")
        expect(large_ones).to_have_count(1)
        large = image.bounding_box()
        assert small
        assert large
        assert large["width"] > 2 * small["width"]
        assert large["x"] >= 0
        assert large["x"] + large["width"] <= PHONE[0]
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(large_ones).to_have_count(0)
        expect(button).to_be_focused()
        assert button.evaluate("one => getComputedStyle(one).outlineStyle") == "solid", "the focus is visible"
        button.click()
        expect(large_ones).to_have_count(1)
        page.mouse.click(5, PHONE[1] - 5)
        expect(large_ones).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_the_landing_page_meets_wcag_with_every_kind_of_answer(
    browser: Browser, tmp_path: Path, state: str, scheme: str
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg(photo_like(320, 240)))
    with serving(**STATES[state]) as address, opened(browser, address, size=PHONE, scheme=scheme) as page:
        expect(page.locator("#card")).to_be_visible()
        assert violations(page) == [], "before a photo"
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_be_visible()
        assert violations(page) == []
        if page.locator("#explain").is_visible():
            page.locator("#explain").click()
            expect(page.locator("#map")).to_be_visible()
            assert violations(page) == [], "the parts that mattered"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_cards_of_many_photos_meet_wcag_with_every_kind_of_answer(browser: Browser, scheme: str) -> None:
    pixels = photo_like(320, 240)
    contents = [jpeg(pixels), jpeg(pixels // 9), jpeg(225 + pixels // 9), jpeg(pixels)[:900]]
    photos: list[FilePayload] = [
        {"name": f"{n}-{'long-' * 20}.jpg", "mimeType": "image/jpeg", "buffer": one} for n, one in enumerate(contents)
    ]
    with (
        serving(confidence_threshold=0.6, by_brightness=True) as address,
        opened(browser, address, size=PHONE, scheme=scheme) as page,
    ):
        expect(page.locator("#card")).to_be_visible()
        page.route("**/predict", lambda _: None)
        page.locator("#photo").set_input_files(photos)
        expect(page.locator("#progress")).to_be_visible()
        assert violations(page) == [], "while the photos are sent"
        page.reload()
        expect(page.locator("#card")).to_be_visible()
        page.unroute("**/predict")
        page.locator("#photo").set_input_files(photos)
        expect(page.locator("#summary")).to_contain_text("4 photos: 1 <b>calm</b>")
        assert violations(page) == [], "the cards"
        for card in page.locator("#cards button").all():
            card.click()
            expect(page.locator("#answer .headline")).to_be_visible()
            assert violations(page) == [], "a selected card"
        page.route("**/*", lambda route: route.abort())
        page.locator("#photo").set_input_files(photos)
        expect(page.get_by_role("button", name="Send the rest (4)")).to_be_visible()
        assert violations(page) == [], "the service is away"
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_the_check_finds_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<title>x</title>" + "<p>text</p>" * 20 + "<img src='data:,'>")
    with opened(browser, f"file://{tmp_path / 'bad.html'}") as page:
        assert any(re.match("image-alt: ", one) for one in violations(page))


def test_an_allowed_violation_is_left_out_as_long_as_it_occurs(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        "<!doctype html><html lang=en><title>x</title><main><h1>x</h1><img class=theirs src='data:,'><img src='data:,'>"
    )
    theirs, gone = Allowed("image-alt", "img.theirs", "r"), Allowed("label", "img.theirs", "r")
    with opened(browser, f"file://{tmp_path / 'bad.html'}") as page:
        (ours,) = violations(page, theirs)
        assert ours.startswith('image-alt: <img src="data:,">')
        assert violations(page, theirs, gone) == [ours, "label on img.theirs is allowed and does not occur"]
