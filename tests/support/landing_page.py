"""Service with a predictor of its own for tests of the landing page, and the page in Chromium."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from playwright.sync_api import Browser, Page, expect

from petmood.core.domain import DomainRule, DomainScores
from petmood.core.errors import PhotoError
from petmood.core.explanation import Explanation
from petmood.core.image import Box, ImageSpec
from petmood.core.listening import bind
from petmood.core.photo import decode
from petmood.core.prediction import DecisionRule, Prediction, decide
from petmood.core.schemas import ModelCardResponse
from petmood.inference.base import Answer, Explained, try_prepare
from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.drain import DrainState
from petmood.serving.server import DrainingServer, config_for
from petmood.serving.settings import Settings
from tests.support.generous import GENEROUS

CLASSES = ("<b>calm</b>", "relaxed", "tense")
DOMAIN = DomainRule(features="own", animal_threshold=0.5, target_false_alarms=0.02)
CARD = "# Card\n<img src=x onerror=alert(1)>"
PHONE, DESK = (390, 844), (1200, 900)
WITHIN_MS = 180_000


class OwnClasses(FakePredictor):
    """Predictor with three classes of its own, one of which looks like HTML."""

    received: ClassVar[list[int]] = []
    """Sizes of the photos in bytes."""

    def __init__(
        self, *, confidence_threshold: float, data_kind: str | None, scores: DomainScores | None, by_brightness: bool
    ) -> None:
        super().__init__(name="own")
        self._kind, self._scores, self._by_brightness = data_kind, scores, by_brightness
        self._rule = DecisionRule(
            CLASSES, confidence_threshold=confidence_threshold, conformal_quantile=0.9, domain=DOMAIN
        )

    def card(self) -> ModelCardResponse:
        manifest = {"data_kind": self._kind, "confidence_threshold": 0.8, "target_error": 0.15}
        return ModelCardResponse(model=self.model, classes=list(CLASSES), manifest=manifest, card=CARD)

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        self.received.extend(len(photo) for photo in photos if isinstance(photo, bytes))
        return [self._answer(photo) for photo in photos]

    def explain_photo(self, photo: bytes | Path) -> Explained:
        """Return a map of class 0 with its largest value at the upper left, of class 1 with none above 0, and of 2."""
        answer = self._answer(photo)
        if not isinstance(answer, Prediction):
            return answer
        maps = np.zeros((len(CLASSES), 4, 4), dtype=np.float32)
        maps[0, 0, 0], maps[0, 2, 2], maps[1, 1, 1], maps[2, 3, 3] = 2.0, 0.5, -1.0, 1.0
        return Explanation(answer, "hirescam", dict(zip(CLASSES, maps, strict=True)), Box(0.125, 0.0, 0.875, 1.0))

    def _answer(self, photo: bytes | Path) -> Answer:
        """Return class 0 with 73%; by brightness, a dark photo is no animal, and a bright one has 57%."""
        prepared = try_prepare(photo, ImageSpec(side_px=32))
        if isinstance(prepared, PhotoError):
            return prepared
        scores, logits = self._scores, np.array([2.0, 1.0, -4.0])
        if self._by_brightness:
            brightness = decode(photo).pixels.mean()
            scores = DomainScores(2.5, 0.02) if brightness < 40 else DomainScores(0.5, 0.98)
            logits[1] = 1.7 if brightness > 215 else 1.0
        return decide(logits, self._rule, model=self.model, scores=scores)


@contextmanager
def serving(
    *,
    confidence_threshold: float = 0.5,
    token: str | None = None,
    data_kind: str | None = None,
    scores: DomainScores | None = None,
    by_brightness: bool = False,
    log: Path | None = None,
) -> Iterator[str]:
    """Serve the predictor in a thread of this process; yield the address. ``log`` is a folder for a prediction log."""
    logged = (
        {} if log is None else {"prediction_log": f"sqlite:///{log}/log.db", "prediction_log_spool": f"{log}/spool"}
    )
    settings = Settings.model_validate({"threads": 1, "token": token, **logged, **GENEROUS})
    drain = DrainState()
    predictor = OwnClasses(
        confidence_threshold=confidence_threshold, data_kind=data_kind, scores=scores, by_brightness=by_brightness
    )
    app = create_app(predictor, settings=settings, drain=drain)
    server = DrainingServer(config_for(app, settings), drain=drain, settings=settings)
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def opened(
    browser: Browser, address: str, *, size: tuple[int, int] = DESK, scheme: str = "light", scripts: bool = True
) -> Iterator[Page]:
    """Open a page; check that it asks no other host and keeps to its content security policy."""
    asked, said = list[str](), list[str]()
    expect.set_options(timeout=WITHIN_MS)
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type] # one of its two words
        java_script_enabled=scripts,
    )
    context.set_default_timeout(WITHIN_MS)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.goto(address)
    yield page
    origin = "/".join(address.split("/")[:3])
    assert [url for url in asked if not url.startswith((origin, "data:", "blob:"))] == []
    assert [text for text in said if "Content Security Policy" in text or text.startswith("error:")] == []
    context.close()


def keep(page: Page, name: str) -> None:
    """Keep a picture of the page for whoever wants to look at it."""
    if folder := os.environ.get("PETMOOD_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
