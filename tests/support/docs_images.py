"""Screenshots of pages for ``docs/images``, taken in Chromium from what the commands leave.

python -m tests.support.docs_images docs/images

The demo is trained, a weaker model of it is promoted before it, and a sweep of ten trials is run, all in a temporary
folder. It takes about ten minutes of two cores.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

import petmood
from tests.support.browser import chromium
from tests.support.e2e_servers import running
from tests.support.streamlit_page import answers, opened, page_for, settled

__all__ = ["main"]

QUICK: Final = ("tracker=none", "evaluation.baselines=false", "evaluation.robustness=0")
TRIALS: Final = 10
PAGE: Final = (820, 1250)
WIDTH_PX: Final = 1100


def main() -> None:
    """Take every screenshot, replacing the files of those names in the folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.docs_images")
    parser.add_argument("images", type=Path, help="folder that gets report.png, page.png, promotion.png and sweep.png")
    images = parser.parse_args().images.resolve()
    with tempfile.TemporaryDirectory(prefix="petmood-images-") as name, chromium() as browser:
        work = Path(name)
        _petmood(work, "run", "tracker=none")
        _report(browser, next(work.glob("runs/demo-*/report.html")), images / "report.png", height_px=1000)
        _page(browser, work, images / "page.png")
        _promotion(work)
        _report(browser, work / "checked/promotion.html", images / "promotion.png", height_px=1500)
        _petmood(work, "sweep", "search=first", f"n_trials={TRIALS}", "epochs=8", "search.name=first", "tracker=none")
        _report(browser, work / "runs/sweeps/first/sweep.html", images / "sweep.png", height_px=1500)


def _promotion(work: Path) -> None:
    """Promote a model of eight epochs, then the demo's, with a report of the checks in ``checked``."""
    first = ("experiment=demo", "data=data/demo", "trainer.max_epochs=8", "name=first", "--bundles", "first")
    _petmood(work, "run", *first, *QUICK)
    registry = ("--registry", "registry")
    _petmood(work, "registry", "push", "first/demo", *registry)
    _petmood(work, "registry", "push", "bundles/demo", *registry)
    data = ("--data", "data/demo")
    _petmood(work, "registry", "promote", "1", "--to", "champion", *data, *registry)
    _petmood(work, "registry", "promote", "2", "--to", "champion", *data, "--report", "checked", *registry)


def _page(browser: Browser, work: Path, to: Path) -> None:
    """Open the page with a photo that the demo's model is confident of, and one that it isn't."""
    home, chosen = work / "home", [next(_photos(work, confident=yes)) for yes in (False, True)]
    command = (sys.executable, "-m", "petmood", "serve", work / "bundles/demo", "--port", "{port}")
    with (
        running(command, home=home, ready="/healthz") as service,
        page_for(str(service.base_url)) as address,
        opened(browser, address, size=PAGE) as page,
    ):
        page.locator("input[type=file]").set_input_files(chosen)  # the last one is shown first
        answers(page, len(chosen))
        settled(page)
        page.screenshot(path=to)


def _photos(work: Path, *, confident: bool) -> Iterator[Path]:
    """Yield photos of the demo that get a class, and for which the model is confident or not."""
    bundle = petmood.load_bundle(work / "bundles/demo")
    for photo in sorted((work / "data/demo/photos").rglob("*.jpg")):
        found = bundle.predict(photo)
        if found.label is not None and found.confident is confident:
            yield photo


def _report(browser: Browser, page: Path, to: Path, *, height_px: int) -> None:
    """Take a screenshot of the upper part of a page."""
    shown = browser.new_page(viewport={"width": WIDTH_PX, "height": height_px}, color_scheme="light")
    shown.goto(page.as_uri())
    shown.screenshot(path=to)
    shown.close()


def _petmood(work: Path, *words: str) -> None:
    command = [sys.executable, "-m", "petmood", *words]
    subprocess.run(command, cwd=work, env=os.environ | {"OMP_NUM_THREADS": "2"}, check=True)


if __name__ == "__main__":
    main()
