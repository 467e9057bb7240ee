"""Self-contained HTML page of a sweep, without scripts."""

import base64
import re
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import create_trial

from petmood.configs.load import compose, from_file
from petmood.tuning.report import SearchReport, rows_of
from petmood.tuning.report_html import page_text, write_reports


@pytest.fixture
def study() -> optuna.Study:
    """Return a study with three finished trials."""
    made = optuna.create_study()
    for value in (0.5, 0.25, 0.75):
        ranges: dict[str, BaseDistribution] = {"optimizer.lr": FloatDistribution(0, 1)}
        made.add_trial(create_trial(value=value, params={"optimizer.lr": value / 2}, distributions=ranges))
    return made


@pytest.fixture
def report(study: optuna.Study, tmp_path: Path) -> SearchReport:
    """Return what was found by it."""
    rows, folder = rows_of(study), tmp_path / "sweep"
    return SearchReport("first", folder, "val/loss", rows, rows[0], folder / "trials/001", 40, ("petmood", "train"))


def test_a_table_the_best_settings_images_and_a_page_are_written(study: optuna.Study, report: SearchReport) -> None:
    config = compose(["optimizer.lr=0.125"])
    write_reports(report, study, settings=config)
    assert from_file(report.folder / "best.yaml") == config
    assert len((report.folder / "trials.csv").read_text().splitlines()) == 4
    images = {path.stem: path.read_bytes() for path in (report.folder / "plots").iterdir()}
    assert images.keys() == {"history", "importances", "parallel", "slice"}
    page = (report.folder / "sweep.html").read_text()
    shown = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(text) for text in shown] == [
        images[name] for name in ("history", "importances", "parallel", "slice")
    ]


def test_images_of_before_go_when_they_can_t_be_drawn_any_more(study: optuna.Study, report: SearchReport) -> None:
    write_reports(report, study, settings=compose())
    write_reports(report, optuna.create_study(), settings=compose())
    assert list((report.folder / "plots").iterdir()) == []


def test_the_page_needs_no_network_and_says_what_the_number_is_worth(report: SearchReport) -> None:
    page = page_text(report, {})
    assert not re.search(r'(?:src|href)="(?!data:|#)|<script|@import|url\(', page)
    assert "0.2500" in page
    assert "3 finished, 0 pruned, 0 failed" in page
    assert report.caveat in page
    assert page.count("<tr") == 4


def test_what_a_name_holds_is_text_and_nothing_that_runs(report: SearchReport) -> None:
    rows = tuple(replace(row, settings={"<b>x</b>": "<script>1</script>"}) for row in report.rows)
    page = page_text(replace(report, name="<img>", rows=rows), {})
    assert "<script>" not in page
    assert "<b>x" not in page
    assert "<img>" not in page


def test_a_best_run_on_another_machine_is_reported_with_its_place(report: SearchReport) -> None:
    best = replace(report.best, run="far:/runs/001")
    assert "The best run is at far:/runs/001" in page_text(replace(report, best=best, best_run=None), {})
