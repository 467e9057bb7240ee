"""Tests of the page of a drift test."""

import re
from pathlib import Path

import numpy as np
import pytest

from petmood.core.bundle import Bundle
from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.drift.tester import DriftTester
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.reports.drift import DriftPhotos, drift_page, histogram_chart
from tests.support.drifting import log_photos, new_log
from tests.support.images import faces, png


@pytest.fixture
def tester(shared_bundle: Bundle) -> DriftTester:
    """Return the tiny bundle with its reference."""
    return DriftTester(shared_bundle)


def test_a_page_says_what_changed(shared_bundle: Bundle, tester: DriftTester, tmp_path: Path) -> None:
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 60, darkened=True)
    page = drift_page(tester, tester.window(engine))
    engine.dispose()
    assert "The photos have drifted." in page
    assert "brightness is lower" in page
    assert page.count("<svg") == 6
    assert "60 predictions from 2026-09-21 14:13 UTC to 2026-09-21 14:14 UTC, compared with 60 reference photos" in page
    assert "<code>request-" in page
    assert "This page shows no photos." in page
    assert "--keep-photos" not in page
    assert re.findall(r"(?:src|href)=\"(?!#|data:)", page) == []


def test_kept_photos_and_reference_photos_are_shown_now_and_then(
    shared_bundle: Bundle, tester: DriftTester, tmp_path: Path
) -> None:
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 60, darkened=True)
    window = tester.window(engine)
    engine.dispose()
    kept = KeptPhotos(tmp_path / "kept")
    kept.create(days=1)
    photos = [png(photo) for photo in faces(60, side_px=32, seed=1)]
    first, second, *others = window.result.typical
    kept.write(first, photos[0])
    kept.write(second, b"no photo")
    files = [tmp_path / f"<b>{number}.png" for number in range(60)]
    for file, photo in zip(files, photos, strict=True):
        file.write_bytes(photo)
    page = drift_page(tester, window, photos=DriftPhotos(kept.read, files))
    assert page.count("data:image/jpeg") == 1 + 9
    assert f"<figcaption>{first.request_id}</figcaption>" in page
    assert f"<figcaption>&lt;b&gt;{window.result.typical_before[0]}.png</figcaption>" in page
    assert "<b>" + str(window.result.typical_before[0]) not in page
    assert not any(f"<code>{key.request_id}</code>" in page for key in others)
    assert "--keep-photos" not in page
    assert "--data" not in page
    assert re.findall(r"(?:src|href)=\"(?!#|data:)", page) == []


def test_without_photos_the_page_says_how_to_show_them(
    shared_bundle: Bundle, tester: DriftTester, tmp_path: Path
) -> None:
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 60, darkened=True)
    window = tester.window(engine)
    engine.dispose()
    page = drift_page(tester, window, photos=DriftPhotos(KeptPhotos(tmp_path / "none").read))
    assert "data:image/jpeg" not in page
    assert "<code>--keep-photos DAYS</code>" in page
    assert page.count("<code>--data DATASET</code>") == 1
    assert [name for name in STATISTICS if f"Distribution of {name}" not in page] == []


def test_a_page_of_too_few_rows_has_the_verdict_alone(tester: DriftTester, tmp_path: Path) -> None:
    engine = new_log(tmp_path)
    page = drift_page(tester, tester.window(engine))
    engine.dispose()
    assert "There are too few photos for a test." in page
    assert "<svg" not in page


def test_a_chart_shows_shares_over_common_bins() -> None:
    chart = histogram_chart("brightness", np.array([0.0, 1.0], np.float32), np.full(3, 0.5, np.float32))
    assert "reference: median 0.5; window: median 0.5" in chart
    assert chart.count('class="line-') == 2


def test_a_number_that_is_the_same_for_all_photos_can_be_drawn() -> None:
    assert "<svg" in histogram_chart("residual", np.ones(3, np.float32), np.ones(2, np.float32))
