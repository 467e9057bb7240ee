"""Landing page and Swagger UI in headless Chromium, with a real server in this process."""

import base64
import re
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from petmood.core.domain import DomainScores
from petmood.core.image import Box
from petmood.core.photo import decode
from petmood.presentation.answers import confident_error
from petmood.presentation.heat_map import heat_map, map_text
from tests.support.browser import chromium
from tests.support.images import jpeg, photo_like, png
from tests.support.landing_page import CARD, CLASSES, PHONE, OwnClasses, keep, opened, serving

pytestmark = pytest.mark.proof

WORD = "0123456789abcdef"
TRANSFER = """text => {
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "pet.jpg", {type: "image/jpeg"}));
  return transfer;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with chromium() as found:
        yield found


@pytest.fixture
def received() -> list[int]:
    """Return the sizes of the photos that the service receives, in bytes."""
    OwnClasses.received.clear()
    return OwnClasses.received


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a photo."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(photo_like(320, 240)))
    return path


def test_a_photo_that_is_chosen_is_answered_with_the_classes_of_the_bundle(browser: Browser, photo: Path) -> None:
    with serving() as address, opened(browser, address) as page:
        expect(page.locator("#classes")).to_contain_text(", ".join(CLASSES))
        expect(page.locator("#classes")).to_contain_text(confident_error(0.8, 0.15))
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")
        expect(page.get_by_role("progressbar")).to_have_count(3)
        expect(page.locator("#curl")).to_have_text(f"curl -F photo=@photo.jpg {address}/predict")
        page.locator("summary").click()
        expect(page.locator("#card-text")).to_have_text(CARD)
        expect(page.locator("#card-text img, #answer b")).to_have_count(0)
        keep(page, "landing")


def test_a_photo_that_is_dropped_is_answered(browser: Browser, photo: Path) -> None:
    with serving() as address, opened(browser, address) as page:
        transfer = page.evaluate_handle(TRANSFER, base64.b64encode(photo.read_bytes()).decode())
        page.locator("#drop").dispatch_event("drop", {"dataTransfer": transfer})
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")


def test_a_photo_below_the_threshold_is_shown_as_not_sure(browser: Browser, photo: Path) -> None:
    with serving(confidence_threshold=0.99) as address, opened(browser, address, size=PHONE) as page:
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_have_text("Not sure, probably <b>calm</b>")
        expect(page.locator("#answer")).to_contain_text(
            "73%, below the 99% of a confident result. It could be <b>calm</b> or relaxed."
        )
        keep(page, "landing-not-sure")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("scores", "headline", "sentence"),
    [
        (
            DomainScores(2.5, 0.02),
            "No pet found",
            "The model found no animal in this photo, so it gives no result. If a pet is in it, go closer.",
        ),
        (
            DomainScores(2.5, 0.98),
            "Unfamiliar photo",
            "The model has not learned from photos like this one, so it gives no result.",
        ),
    ],
    ids=["no-animal", "unfamiliar"],
)
def test_a_photo_out_of_the_domain_gets_no_class_and_no_bars_but_advice(
    browser: Browser, photo: Path, scheme: str, scores: DomainScores, headline: str, sentence: str
) -> None:
    with serving(scores=scores) as address, opened(browser, address, size=PHONE, scheme=scheme) as page:
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_have_text(headline)
        texts = [sentence, "For a better result, show the pet's whole face from the front, close up and in daylight."]
        assert page.locator("#answer p").all_inner_texts() == [headline, *texts, "Model own 0"]
        expect(page.get_by_role("progressbar")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        keep(page, f"landing-{headline.lower().replace(' ', '-')}-{scheme}")


def test_a_photo_in_the_domain_is_answered_as_by_a_model_without_scores(browser: Browser, photo: Path) -> None:
    with serving(scores=DomainScores(0.5, 0.98)) as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")
        expect(page.get_by_role("progressbar")).to_have_count(3)


def test_a_refusal_is_shown_in_words_and_a_service_that_is_away_is_reported(
    browser: Browser, photo: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:900])
    with serving() as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(broken)
        expect(page.locator("#answer")).to_contain_text("Expected a complete image")
        expect(page.locator("#answer")).to_contain_text("corrupt_image")
        page.route("**/predict", lambda route: route.abort())
        page.get_by_role("button", name="Predict").click()
        expect(page.locator("#answer")).to_contain_text("The service can't be reached")
        keep(page, "landing-refusal")


def test_a_service_with_a_token_asks_for_it(browser: Browser, photo: Path) -> None:
    with serving(token=WORD) as address, opened(browser, address) as page:
        page.get_by_label("This service requires a token").fill(WORD)
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")
        expect(page.locator("#classes")).to_contain_text(", ".join(CLASSES))


def test_without_scripts_the_form_still_works(browser: Browser, photo: Path) -> None:
    with serving() as address, opened(browser, address, scripts=False) as page:
        expect(page.locator("#photo")).not_to_have_attribute("multiple", re.compile(""))
        page.locator("#photo").set_input_files(photo)
        page.get_by_role("button", name="Predict").click()
        page.wait_for_url(f"{address}/predict")
        assert '"confident":true' in page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, photo: Path, scheme: str) -> None:
    with serving() as address, opened(browser, address, size=PHONE, scheme=scheme) as page:
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_be_visible()
        page.locator("summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        keep(page, f"landing-phone-{scheme}")
        shade = decode(page.screenshot()).pixels.mean()
        assert (shade < 128) == (scheme == "dark")


def test_swagger_ui_shows_every_route_and_tries_one(browser: Browser) -> None:
    with serving() as address, opened(browser, f"{address}/docs") as page:
        expect(page.locator(".opblock")).to_have_count(10)
        page.locator("#operations-state-live_livez_get .opblock-summary-control").click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table .response").first).to_contain_text('"status": "ok"')
        keep(page, "docs")


@pytest.mark.parametrize(("kind", "shown"), [("drawings", True), ("photographs", False), (None, False)])
def test_a_practice_model_is_named_above_everything(browser: Browser, kind: str | None, shown: bool) -> None:
    with serving(data_kind=kind) as address, opened(browser, address, size=PHONE) as page:
        expect(page.locator("#card")).to_be_visible()
        expect(page.locator("#practice")).to_be_visible(visible=shown)
        keep(page, f"landing-{kind}")


@pytest.mark.parametrize("size", [(3000, 4000), (4000, 3000)], ids=["portrait", "landscape"])
def test_a_phone_s_photo_is_sent_small_and_its_answer_needs_no_scrolling(
    browser: Browser, received: list[int], tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg(photo_like(*size), quality=95))
    assert path.stat().st_size > 1_000_000
    with serving(data_kind="drawings") as address, opened(browser, address, size=PHONE) as page:
        page.mouse.wheel(0, 2000)
        page.locator("#camera").set_input_files(path)
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")
        box = page.locator(".headline").bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= box["y"] + box["height"] <= PHONE[1]
        keep(page, f"landing-phone-{size[0]}")
    (sent,) = received
    assert sent < path.stat().st_size / 3


def test_a_photo_that_may_be_transparent_is_sent_as_it_is(
    browser: Browser, received: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(photo_like(2000, 1800)))
    with serving() as address, opened(browser, address, size=PHONE) as page:
        page.locator("#photo").set_input_files(path)
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")
    assert received == [path.stat().st_size]


def test_a_phone_offers_its_camera_and_a_desk_does_not(browser: Browser) -> None:
    with serving() as address:
        for touch in (True, False):
            context = browser.new_context(
                viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=touch, is_mobile=touch
            )
            page = context.new_page()
            page.goto(address)
            expect(page.get_by_text("Take a photo")).to_be_visible(visible=touch)
            expect(page.locator("#camera")).to_have_attribute("capture", "environment")
            context.close()


def test_a_wait_is_explained(browser: Browser, photo: Path) -> None:
    with serving() as address, opened(browser, address) as page:
        page.route("**/predict", lambda _: None)
        page.locator("#camera").set_input_files(photo)
        expect(page.locator("#answer")).to_have_text("This takes longer than usual. Please wait ...")


def test_a_photo_of_the_camera_can_be_sent_again(browser: Browser, photo: Path) -> None:
    with serving() as address, opened(browser, address) as page:
        page.route("**/predict", lambda route: route.abort())
        page.locator("#camera").set_input_files(photo)
        expect(page.locator("#answer")).to_contain_text("The service can't be reached")
        page.unroute("**/predict")
        page.get_by_role("button", name="Predict").click()
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")


# --- which parts of the photo mattered --------------------------------------------------------------------------------

ORANGE_SHARES = """() => {
  const map = document.getElementById("map");
  const { data } = map.getContext("2d").getImageData(0, 0, map.width, map.height);
  const first = (x, y) => 4 * (Math.floor(y * map.height) * map.width + Math.floor(x * map.width));
  const at = (x, y) => [...data.slice(first(x, y), first(x, y) + 4)];
  return { upperLeft: at(0.2, 0.1), lowerLeft: at(0.2, 0.95), outside: at(0.02, 0.5), size: [map.width, map.height] };
}"""


def test_the_parts_that_mattered_are_drawn_over_the_photo_and_said(browser: Browser, photo: Path) -> None:
    """The map of class 0 is strong at the upper left; the model gets the middle three quarters of the photo."""
    with serving() as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(photo)
        button, text = page.get_by_role("button", name="Show which parts mattered"), page.locator("#map-text")
        expect(button).to_have_attribute("aria-pressed", "false")
        button.click()
        expect(text).to_have_text(
            "Orange: parts that raise the score of <b>calm</b>, most of all in the upper left. "
            "The model gets the part that is not darkened."
        )
        expect(button).to_have_attribute("aria-pressed", "true")
        drawn = page.evaluate(ORANGE_SHARES)
        assert drawn["size"] == [320, 240]
        red, green, blue, opacity = drawn["upperLeft"]
        assert red > green > blue
        assert opacity > 120
        assert drawn["lowerLeft"][3] < 20
        assert drawn["outside"] == [0, 0, 0, 128]
        page.get_by_label("Parts that raise the score of").select_option("relaxed")
        expect(text).to_have_text("No part raises the score of relaxed. The model gets the part that is not darkened.")
        page.get_by_label("Parts that raise the score of").select_option("tense")
        expect(text).to_contain_text("score of tense, most of all in the lower right.")
        button.click()
        expect(page.locator("#map")).to_be_hidden()
        expect(text).to_be_empty()
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")


MAP_OF = """async ([rows, box]) => {
  const { drawMap, mapText } = await import("./static/maps.js");
  const canvas = document.createElement("canvas");
  drawMap(canvas, { naturalWidth: 160, naturalHeight: 120 }, rows, box);
  const { data } = canvas.getContext("2d").getImageData(0, 0, 160, 120);
  return [mapText("happy", rows, box), [...data]];
}"""


def test_the_terminal_and_the_other_page_draw_the_same_map_and_say_the_same(browser: Browser) -> None:
    random, gray = np.random.default_rng(0), np.full((120, 160, 3), 100, np.uint8)
    boxes = [Box(0, 0, 1, 1), Box(0.125, 0, 0.875, 1), Box(0, -0.2, 1, 1.2)]
    with serving() as address, opened(browser, address) as page:
        for size in (1, 2, 3, 5, 6, 7):
            for box in boxes:
                values = random.normal(-0.3, 1, (size, size + 1)).astype(np.float32)
                text, pixels = page.evaluate(MAP_OF, [values.astype(float).tolist(), [*astuple(box)]])
                assert text == map_text("happy", values, box)
                shown = np.array(pixels, np.float64).reshape(120, 160, 4)
                opacity = shown[..., 3:] / 255
                difference = np.abs(gray * (1 - opacity) + shown[..., :3] * opacity - heat_map(gray, values, box))
                assert np.median(difference) < 8, "they resize in another way"
                assert difference.max() < 60


def test_the_maps_of_a_photo_stay_with_it_and_those_of_an_earlier_one_can_be_shown(
    browser: Browser, photo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jpg"
    other.write_bytes(jpeg(photo_like(240, 320, seed=3)))
    with serving() as address, opened(browser, address, size=PHONE) as page:
        page.locator("#photo").set_input_files(photo)
        page.locator("#explain").click()
        expect(page.locator("#map-text")).to_contain_text("upper left")
        page.locator("#photo").set_input_files(other)
        expect(page.locator("#explain")).to_have_attribute("aria-pressed", "false")
        expect(page.locator("#map")).to_be_hidden()
        first = page.locator("#cards button").nth(1)
        first.click()
        expect(page.locator("#explain")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#map")).to_be_visible()
        page.locator("#cards button").nth(0).click()
        page.locator("#explain").click()
        expect(page.locator("#map-text")).to_contain_text("upper left")
        assert page.evaluate(ORANGE_SHARES)["size"] == [240, 320]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        keep(page, "landing-map-phone")


def test_a_photo_without_a_class_offers_no_map_and_a_service_that_is_away_is_reported(
    browser: Browser, photo: Path
) -> None:
    with serving(scores=DomainScores(2.5, 0.02)) as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_have_text("No pet found")
        expect(page.locator("#explain")).to_be_hidden()
    with serving() as address, opened(browser, address) as page:
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".headline")).to_have_text("<b>calm</b>")
        page.route("**/explain", lambda route: route.abort())
        page.locator("#explain").click()
        expect(page.locator("#map-text")).to_have_text(re.compile("can't be reached"))
        page.unroute("**/explain")
        page.locator("#explain").click()
        expect(page.locator("#map-text")).to_contain_text("upper left")
