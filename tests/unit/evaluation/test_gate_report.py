"""Does the gate's report say the same in JSON, Markdown and HTML, and is nothing in it ever taken for code?"""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.gate_report import (
    Check,
    GateReport,
    HeldOut,
    Part,
    markdown,
    render_gate_report,
    write_gate_report,
)
from petmood.evaluation.judging import Subject

HOSTILE = (
    "<script>alert(1)</script> @everyone #12 [x](https://evil.example) ![y](//evil.example/z.png) www.evil.example"
    ' | a\n\n# b `c` $d$ **e** me@evil.example "f" onclick=1'
)

ALL = Part("all photos", 0.9, 0.7, Estimate(0.2, 0.1, 0.3, 120))
SAD = Part("sad", 0.5, 0.8, Estimate(-0.3, -0.62, -0.1, 30))
REPORT = GateReport(
    candidate=Subject("new", "abc123", "a" * 64, "d" * 64, 2_000_000),
    champion=Subject("old", "def456", "b" * 64, "e" * 64, 1_000_000),
    held_out=HeldOut("f" * 64, "test", {"happy": 90, "sad": 30}, 110, 7),
    limits={"must": "better", "max_class_drop": 0.15},
    checks=(
        Check("better", True, "+20.0 points", "interval above 0", "It is better.", {"p_value": 0.001}, (ALL,)),
        Check("classes", False, "sad -30.0", "none below", "Found more seldom: sad.", parts=(SAD,)),
    ),
    notes=("Can't tell what old learned from.",),
    created="2026-01-01T00:00:00Z",
)


class Page(HTMLParser):
    """Collect tags and text, and check that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def hostile() -> GateReport:
    """Return a report every free text of which wants to be more than text."""
    subject = Subject(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1)
    check = Check("whole", False, HOSTILE, HOSTILE, HOSTILE, parts=(replace(ALL, name=HOSTILE),))
    held_out = HeldOut(HOSTILE, HOSTILE, {HOSTILE: 3}, 3, 0)
    return GateReport(subject, subject, held_out, {"must": HOSTILE}, (check,), (HOSTILE,), HOSTILE)


def test_one_failed_check_is_a_refusal_and_a_report_without_checks_is_no_proof() -> None:
    assert (REPORT.passed, REPORT.verdict) == (False, "refused")
    assert REPORT.failed == ("classes: Found more seldom: sad. Allowed: none below.",)
    fine = replace(REPORT, checks=REPORT.checks[:1])
    assert (fine.passed, fine.verdict, fine.failed) == (True, "passed", ())
    assert not replace(REPORT, checks=()).passed


def test_the_three_files_say_the_same(tmp_path: Path) -> None:
    write_gate_report(REPORT, tmp_path / "deep" / "folder")
    assert sorted(path.name for path in (tmp_path / "deep/folder").iterdir()) == ["gate.html", "gate.json", "gate.md"]
    stored = json.loads((tmp_path / "deep/folder/gate.json").read_text())
    assert (stored["schema_version"], stored["verdict"], stored["failed"]) == (1, "refused", list(REPORT.failed))
    assert stored["candidate"]["sha256"] == "a" * 64
    counts = {"moods": {"happy": 90, "sad": 30}, "families": 110, "excluded": 7, "photos": 120}
    assert stored["held_out"] == {"data_hash": "f" * 64, "split": "test", **counts}
    assert stored["checks"][1]["parts"][0]["difference"] == {"value": -0.3, "low": -0.62, "high": -0.1, "n": 30}
    pages = (tmp_path / "deep/folder/gate.md").read_text(), Page(render_gate_report(REPORT)).text
    for page in pages:
        for said in ("new abc123", "old def456", "failed 1 of 2 checks", "Found more seldom: sad.", "7 left out"):
            assert said in page
        assert "120 test photos of 110 families" in page
        assert "Can't tell what old learned from." in page


def test_the_comment_has_a_row_for_each_check() -> None:
    page = Page(MarkdownIt("gfm-like").render(markdown(REPORT)))
    assert [tag for tag, _ in page.tags].count("tr") == 3
    assert "classes refused sad -30.0 none below" in page.text


def test_a_candidate_that_is_not_whole_never_came_to_photos() -> None:
    broken = replace(
        REPORT, champion=None, held_out=None, checks=(Check("whole", False, "broken", "whole", "Flipped."),)
    )
    for page in (markdown(broken), Page(render_gate_report(broken)).text):
        assert "No photo was looked at." in page
        assert "without a champion" in page
    assert json.loads(json.dumps(broken.to_json()))["held_out"] is None


def test_numbers_that_are_not_known_become_null() -> None:
    check = Check("better", True, "", "", "", {"p_value": float("nan")})
    assert check.to_json()["numbers"] == {"p_value": None}


def test_nothing_in_the_page_is_taken_for_code() -> None:
    page = Page(render_gate_report(hostile()))
    assert {tag for tag, _ in page.tags} & {"script", "a", "img", "link", "iframe"} == set()
    assert not any(name.startswith("on") or name in {"href", "src"} for _, given in page.tags for name in given)
    assert page.text.count("<script>alert(1)</script>") > 8


def test_nothing_in_the_comment_is_taken_for_markup_a_link_or_a_mention() -> None:
    """Read by the reader of GitHub's dialect, which also links bare addresses."""
    text = markdown(hostile())
    page = Page(MarkdownIt("gfm-like").render(text))
    tags = [tag for tag, _ in page.tags]
    assert set(tags) <= {"h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong"}
    assert (tags.count("h2"), tags.count("tr"), tags.count("td")) == (1, 2, 4)
    assert "<script>alert(1)</script>" in page.text
    assert not re.search(r"@\w|#\d|://|\$d", re.sub(r"\\\$", "", text))


def test_the_page_needs_nothing_else_and_marks_what_is_surely_up_and_down() -> None:
    text = render_gate_report(REPORT)
    assert not re.search(r"https?://|@import|url\(|<script|<link|<iframe", text)
    page = Page(text)
    kinds = [given["class"] for tag, given in page.tags if tag == "li" and "class" in given]
    assert kinds == ["up all", "down"]
    reaches = [str(given["style"]) for tag, given in page.tags if given.get("class") == "reach"]
    assert reaches == ["left:57.14%;width:14.29%", "left:5.71%;width:37.14%"]


@pytest.mark.parametrize("excluded", [0, 3])
def test_left_out_photos_are_told_where_there_are_any(excluded: int) -> None:
    assert REPORT.held_out is not None
    report = replace(REPORT, held_out=replace(REPORT.held_out, excluded=excluded))
    assert ("left out" in markdown(report)) == (excluded > 0)
