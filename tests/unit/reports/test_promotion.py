"""Tests of the promotion report: same content in JSON, Markdown and HTML, all text escaped."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from petmood.promotion.compare import BundleInfo
from petmood.promotion.records import Check, HeldOut, PromotionReport
from petmood.reports.promotion import markdown, photos_text, render_promotion_report, write_promotion_report
from tests.support.promotion import ALL, REPORT

HOSTILE = (
    "<script>alert(1)</script> @everyone #12 [x](https://evil.example) ![y](//evil.example/z.png) www.evil.example"
    ' | a\n\n# b `c` $d$ **e** me@evil.example "f" onclick=1'
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


def hostile() -> PromotionReport:
    """Return a report whose free texts all contain markup."""
    subject = BundleInfo(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1)
    check = Check("integrity", False, HOSTILE, HOSTILE, HOSTILE, parts=(replace(ALL, name=HOSTILE),))
    held_out = HeldOut(HOSTILE, HOSTILE, {HOSTILE: 3}, 3, 0)
    return PromotionReport(subject, subject, held_out, {"criterion": HOSTILE}, (check,), (HOSTILE,), HOSTILE)


def test_the_three_files_say_the_same(tmp_path: Path) -> None:
    write_promotion_report(REPORT, tmp_path / "deep" / "folder")
    assert sorted(path.name for path in (tmp_path / "deep/folder").iterdir()) == [
        "promotion.html",
        "promotion.json",
        "promotion.md",
    ]
    stored = json.loads((tmp_path / "deep/folder/promotion.json").read_text())
    assert (stored["schema_version"], stored["verdict"], stored["failed"]) == (1, "refused", list(REPORT.failed))
    assert stored["candidate"]["sha256"] == "a" * 64
    counts = {"classes": {"happy": 90, "sad": 30}, "groups": 110, "excluded": 7, "photos": 120}
    counts |= {"excluded_by_bytes": 7, "excluded_by_content": 0, "by_bytes_only": []}
    assert stored["held_out"] == {"data_hash": "f" * 64, "test_set": "e" * 64, "split": "test", **counts}
    assert stored["checks"][1]["parts"][0]["difference"] == {"value": -0.3, "low": -0.62, "high": -0.1, "n": 30}
    pages = (tmp_path / "deep/folder/promotion.md").read_text(), Page(render_promotion_report(REPORT)).text
    for page in pages:
        for said in ("new abc123", "old def456", "failed 1 of 2 checks", "Found more seldom: sad.", "7 left out"):
            assert said in page
        assert "120 test photos of 110 groups" in page
        assert "Can't tell what old learned from." in page


def test_validation_photos_are_called_so() -> None:
    assert REPORT.held_out is not None
    assert photos_text(replace(REPORT.held_out, split="valid")).startswith("Evaluated on 120 validation photos of 110 ")


def test_the_comment_has_a_row_for_each_check() -> None:
    page = Page(MarkdownIt("gfm-like").render(markdown(REPORT)))
    assert [tag for tag, _ in page.tags].count("tr") == 3
    assert "per_class_recall refused sad -30.0 none below" in page.text


def test_a_candidate_that_is_not_whole_never_came_to_photos() -> None:
    broken = replace(
        REPORT, champion=None, held_out=None, checks=(Check("integrity", False, "corrupted", "intact", "Flipped."),)
    )
    for page in (markdown(broken), Page(render_promotion_report(broken)).text):
        assert "No photos were used." in page
        assert "without a champion" in page
    assert json.loads(json.dumps(broken.to_json()))["held_out"] is None


def test_nothing_in_the_page_is_taken_for_code() -> None:
    page = Page(render_promotion_report(hostile()))
    assert {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe"} == set()
    links = ["#checks", "#differences", "#notes", "#facts", "#glossary"]
    assert [given for tag, given in page.tags if tag == "a" or "href" in given] == [{"href": link} for link in links]
    assert not any(name.startswith("on") or name == "src" for _, given in page.tags for name in given)
    assert page.text.count("<script>alert(1)</script>") > 8


def test_nothing_in_the_comment_is_taken_for_markup_a_link_or_a_mention() -> None:
    """Render as GitHub-flavored Markdown, which also links bare URLs."""
    text = markdown(hostile())
    page = Page(MarkdownIt("gfm-like").render(text))
    tags = [tag for tag, _ in page.tags]
    assert set(tags) <= {"h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong"}
    assert (tags.count("h2"), tags.count("tr"), tags.count("td")) == (1, 2, 4)
    assert "<script>alert(1)</script>" in page.text
    assert not re.search(r"@\w|#\d|://|\$d", re.sub(r"\\\$", "", text))


def test_the_page_needs_nothing_else_and_marks_what_is_significantly_up_and_down() -> None:
    text = render_promotion_report(REPORT)
    assert not re.search(r"https?://|@import|url\(|<script|<link|<iframe", text)
    page = Page(text)
    kinds = [given["class"] for tag, given in page.tags if tag == "li" and "class" in given]
    assert kinds == ["up all", "down"]
    reaches = [str(given["style"]) for tag, given in page.tags if given.get("class") == "reach"]
    assert reaches == ["left:57.14%;width:14.29%", "left:5.71%;width:37.14%"]


@pytest.mark.parametrize("excluded", [0, 3])
def test_left_out_photos_are_reported_where_there_are_any(excluded: int) -> None:
    assert REPORT.held_out is not None
    report = replace(REPORT, held_out=replace(REPORT.held_out, excluded=excluded))
    assert ("left out" in markdown(report)) == (excluded > 0)


def test_photos_left_out_are_counted_by_bytes_and_by_content_in_every_format() -> None:
    assert REPORT.held_out is not None
    held_out = replace(REPORT.held_out, excluded_by_content=4, by_bytes_only=("old def456",))
    report = replace(REPORT, held_out=held_out)
    assert report.to_json()["held_out"] == held_out.to_json()
    assert (held_out.to_json()["excluded_by_bytes"], held_out.to_json()["excluded_by_content"]) == (3, 4)
    for text in (markdown(report), Page(render_promotion_report(report)).text):
        assert "7 left out (3 by bytes, 4 by content)" in text
        assert "The photos that old def456 saw were matched by bytes only" in text
