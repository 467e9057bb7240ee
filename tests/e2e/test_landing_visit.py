"""Many photos on the landing page in headless Chromium: cards, summary, CSV file, and the history of a visit."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from petmood.cli.output import csv_line
from petmood.cli.tables import CSV_COLUMNS, answer_row
from petmood.client.client import Client
from petmood.core.photo import decode
from tests.support.browser import chromium
from tests.support.images import jpeg, photo_like
from tests.support.landing_page import CLASSES, PHONE, OwnClasses, keep, opened, serving

pytestmark = pytest.mark.proof

WORD = "0123456789abcdef"
NOT_SURE: dict[str, Any] = {"confidence_threshold": 0.6, "by_brightness": True}
"""With these settings, a bright photo gets "not sure", a dark one "no pet found", and others class 0 with 73%."""
URLS = """
window.live = new Map();
const create = URL.createObjectURL.bind(URL), revoke = URL.revokeObjectURL.bind(URL);
URL.createObjectURL = (blob) => { const url = create(blob); window.live.set(url, blob.size); return url; };
URL.revokeObjectURL = (url) => { window.live.delete(url); revoke(url); };
"""


class Gate:
    """Holds requests until they are released."""

    def __init__(self) -> None:
        self.held: list[Route] = []
        self._open = False

    def __call__(self, route: Route) -> None:
        if self._open:
            route.continue_()
        else:
            self.held.append(route)

    def release(self) -> None:
        """Let all requests pass, from now on too."""
        self._open = True
        while self.held:
            self.held.pop(0).continue_()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with chromium() as found:
        yield found


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


def several(count: int, *, first: int = 0) -> list[FilePayload]:
    return [file(f"{n}.jpg", jpeg(photo_like(320, 240, seed=n))) for n in range(first, first + count)]


def mixed() -> list[FilePayload]:
    """Return a photo of each kind of answer; spreadsheets read the names of two as more than text."""
    pixels = photo_like(320, 240)
    return [
        file("=1+1.jpg", jpeg(pixels)),
        file('a "bright", one.jpg', jpeg(np.asarray(225 + pixels // 9, np.uint8))),
        file("dark.jpg", jpeg(pixels // 9)),
        file("broken.jpg", jpeg(pixels)[:900]),
    ]


def cards(page: Page) -> list[list[str]]:
    """Return the lines of each card."""
    return [card.locator("span:not(.thumbnail)").all_inner_texts() for card in page.locator("#cards button").all()]


def test_several_photos_get_a_card_each_in_their_order_and_a_summary(browser: Browser) -> None:
    with serving(**NOT_SURE) as address, opened(browser, address, size=PHONE) as page:
        page.locator("#photo").set_input_files(mixed())
        counts = "1 <b>calm</b>, 1 not sure, 1 no result, 1 refused"
        expect(page.get_by_role("status").and_(page.locator("#summary"))).to_have_text(f"4 photos: {counts}.")
        confident, bright, dark, broken = cards(page)
        assert confident == ["=1+1.jpg", "<b>calm</b>", "73%"]
        assert bright == ['a "bright", one.jpg', "Not sure, probably <b>calm</b>", "57%"]
        assert dark == ["dark.jpg", "No pet found"]
        assert broken[:2] == ["broken.jpg", "No result"]
        assert broken[2].startswith("Expected a complete image")
        expect(page.locator("#result, #rest, #progress").filter(visible=True)).to_have_count(0)
        expect(page.locator("#cards b")).to_have_count(0)
        for number in range(3):
            expect(page.locator("#cards button").nth(number).locator("img")).to_have_js_property("naturalWidth", 320)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        keep(page, "landing-several")


def test_the_csv_file_is_the_table_of_the_terminal(browser: Browser, tmp_path: Path) -> None:
    photos = mixed()
    with serving(**NOT_SURE) as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(photos)
        expect(page.locator("#summary")).to_contain_text("4 photos:")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download CSV").click()
        assert download.value.suggested_filename == "petmood.csv"
        download.value.save_as(tmp_path / "petmood.csv")
        with Client(address) as client:
            answers = list(client.predict_many([photo["buffer"] for photo in photos]))
    rows = [answer_row(photo["name"], answer) for photo, answer in zip(photos, answers, strict=True)]
    lines = (tmp_path / "petmood.csv").read_bytes().decode().split("\r\n")
    assert lines == [csv_line(row) for row in (CSV_COLUMNS, *rows)] + [""]
    assert lines[1:3] == [
        "=1+1.jpg,<b>calm</b>,0.7297,true,<b>calm</b>|relaxed,,,,true,",
        '"a ""bright"", one.jpg",<b>calm</b>,0.5736,false,<b>calm</b>|relaxed,,,,true,',
    ]


def test_a_card_that_is_selected_by_keyboard_shows_the_full_answer(browser: Browser) -> None:
    with serving(**NOT_SURE) as address, opened(browser, address, size=PHONE) as page:
        page.locator("#photo").set_input_files(mixed())
        expect(page.locator("#summary")).to_contain_text("4 photos:")
        page.get_by_role("button", name="Download CSV").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#answer .headline")).to_have_text("Not sure, probably <b>calm</b>")
        expect(page.locator("#answer").get_by_role("progressbar")).to_have_count(3)
        expect(page.locator("#photo-name")).to_have_text('a "bright", one.jpg')
        expect(page.locator("#preview")).to_be_visible()
        expect(page.locator("#preview")).to_be_in_viewport()
        expect(page.locator("#cards [aria-current]")).to_contain_text("bright")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        expect(page.locator("#answer .headline")).to_have_text("No pet found")
        expect(page.locator("#cards [aria-current]")).to_have_count(1)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#answer")).to_contain_text("corrupt_image")


def test_two_photos_are_sent_at_once_and_the_progress_is_told(browser: Browser) -> None:
    gate = Gate()
    with serving() as address, opened(browser, address) as page:
        page.route("**/predict", gate)
        page.locator("#photo").set_input_files(several(5))
        expect(page.locator("#cards img")).to_have_count(2)
        page.wait_for_timeout(500)
        assert len(gate.held) == 2
        expect(page.locator("#summary")).to_have_text("0 of 5 photos answered.")
        expect(page.get_by_role("button", name="Predict")).to_be_disabled()
        gate.held.pop(0).continue_()
        expect(page.get_by_role("progressbar", name="Photos answered")).to_have_js_property("value", 1)
        expect(page.locator("#cards img")).to_have_count(3)
        page.locator("#photo").set_input_files(several(2, first=5))
        expect(page.get_by_role("progressbar", name="Photos answered")).to_have_js_property("max", 7)
        gate.release()
        expect(page.locator("#summary")).to_have_text("7 photos: 7 <b>calm</b>.")
        assert [lines[0] for lines in cards(page)] == [f"{n}.jpg" for n in (5, 6, 0, 1, 2, 3, 4)]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_gets_the_photo_again_after_the_time_that_it_says(browser: Browser, status: int) -> None:
    asked = list[str]()

    def busy(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) in {2, 3}:
            body = {"code": "overloaded", "message": "Too many photos wait."}
            route.fulfill(status=status, json=body, headers={"retry-after": "1"})
        else:
            route.continue_()

    with serving() as address, opened(browser, address) as page:
        page.route("**/predict", busy)
        page.locator("#photo").set_input_files(several(4))
        expect(page.locator("#summary")).to_have_text("4 photos: 4 <b>calm</b>.")
    assert len(asked) == 6


def test_a_service_that_goes_away_stops_the_rest_which_can_be_sent_again(browser: Browser) -> None:
    OwnClasses.received.clear()
    asked = list[str]()

    def away(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= 2:
            route.continue_()
        else:
            route.abort()

    with serving() as address, opened(browser, address) as page:
        page.route("**/predict", away)
        page.route("**/livez", lambda route: route.abort())
        page.locator("#photo").set_input_files(several(8))
        expect(page.locator("#summary")).to_have_text(
            "Stopped: The service can't be reached, or its response is not valid. 8 photos: 2 <b>calm</b>, 6 not sent."
        )
        assert len(asked) <= 4
        assert cards(page)[-1][1:] == ["Not sent", "The service can't be reached, or its response is not valid."]
        keep(page, "landing-stopped")
        page.unroute("**/predict")
        page.unroute("**/livez")
        page.get_by_role("button", name="Send the rest (6)").click()
        expect(page.locator("#summary")).to_have_text("8 photos: 8 <b>calm</b>.")
        expect(page.locator("#summary")).to_be_focused()
        expect(page.locator("#rest")).to_be_hidden()
        page.get_by_role("button", name="Predict").click()
        expect(page.locator("#summary")).to_be_focused()
    assert len(OwnClasses.received) == 8


def test_a_file_that_is_removed_meanwhile_does_not_stop_the_others(browser: Browser, tmp_path: Path) -> None:
    gate, paths = Gate(), [tmp_path / f"{n}.jpg" for n in range(5)]
    for n, path in enumerate(paths):
        path.write_bytes(jpeg(photo_like(320, 240, seed=n)))
    with serving() as address, opened(browser, address) as page:
        page.route("**/predict", gate)
        page.locator("#photo").set_input_files(paths)
        expect(page.locator("#cards img")).to_have_count(2)
        paths[3].unlink()
        page.wait_for_timeout(500)
        gate.release()
        expect(page.locator("#summary")).to_have_text("5 photos: 4 <b>calm</b>, 1 refused.")
        assert cards(page)[3][:2] == ["3.jpg", "No result"]
        assert cards(page)[3][2].startswith("This photo can't be read")


def test_a_service_with_a_token_asks_for_it_once(browser: Browser) -> None:
    with serving(token=WORD) as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(several(4))
        expect(page.locator("#summary")).to_contain_text("Stopped: Expected a valid bearer token.")
        page.get_by_label("This service requires a token").fill(WORD)
        page.get_by_role("button", name="Predict").click()
        expect(page.locator("#summary")).to_have_text("4 photos: 4 <b>calm</b>.")


def test_earlier_photos_stay_as_cards_until_the_page_is_closed(browser: Browser) -> None:
    with serving(**NOT_SURE) as address, opened(browser, address) as page:
        for number, photo in enumerate(mixed()[:3]):
            page.locator("#photo").set_input_files(photo)
            expect(page.locator("#answer")).to_contain_text(["Probability 73%", "57%, below the 60%", "No pet"][number])
            expect(page.locator("#visit")).to_be_visible(visible=number > 0)
        assert [lines[0] for lines in cards(page)] == ["dark.jpg", 'a "bright", one.jpg', "=1+1.jpg"]
        expect(page.locator("#summary")).to_have_text("3 photos: 1 <b>calm</b>, 1 not sure, 1 no result.")
        page.get_by_role("button", name="=1+1.jpg").click()
        expect(page.locator("#answer .headline")).to_have_text(CLASSES[0])
        keep(page, "landing-history")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download CSV").click()
        names = [row[0] for row in csv.reader(download.value.path().read_text().splitlines())]
        assert names == ["photo", "dark.jpg", 'a "bright", one.jpg', "=1+1.jpg"]
        stored = "localStorage.length + sessionStorage.length + document.cookie.length"
        assert page.evaluate(stored) == 0
        assert page.evaluate("indexedDB.databases()") == []
        page.reload()
        expect(page.locator("#cards button")).to_have_count(0)


def test_nothing_but_thumbnails_is_kept_of_many_large_photos(browser: Browser) -> None:
    content = jpeg(photo_like(1800, 1350), quality=90)
    assert len(content) > 300_000
    with serving() as address, opened(browser, address) as page:
        page.add_init_script(URLS)
        page.reload()
        expect(page.locator("#card")).to_be_visible()
        for number in range(2):
            page.locator("#photo").set_input_files(file(f"single-{number}.jpg", content))
            expect(page.locator("#cards .said").first).to_have_text(CLASSES[0])
            sizes = sorted(page.evaluate("[...window.live.values()]"))
            assert [size > 60_000 for size in sizes] == [False] * (number + 1) + [True], "one photo in full size"
        page.locator("#photo").set_input_files([file(f"{n}.jpg", content) for n in range(12)])
        expect(page.locator("#summary")).to_have_text("14 photos: 14 <b>calm</b>.")
        sizes = page.evaluate("[...window.live.values()]")
        assert len(sizes) == 14
        assert max(sizes) < 60_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_cards_in_its_colors(browser: Browser, scheme: str) -> None:
    with serving() as address, opened(browser, address, size=PHONE, scheme=scheme) as page:
        page.locator("#photo").set_input_files(several(6))
        expect(page.locator("#summary")).to_have_text("6 photos: 6 <b>calm</b>.")
        expect(page.locator("#summary")).to_be_in_viewport()
        boxes = [one.bounding_box() for one in page.locator("#cards button").all()]
        assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0] for box in boxes)
        expect(page.locator("#camera")).not_to_have_js_property("multiple", value=True)
        page.locator("#cards button").last.click()
        keep(page, f"landing-several-{scheme}")
        shade = decode(page.locator("#visit").screenshot()).pixels.mean()
        assert (shade < 128) == (scheme == "dark")
