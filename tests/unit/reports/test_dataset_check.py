"""Tests of the dataset validation page: self-contained, names escaped, limited size."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from petmood.data.import_errors import ImportProblem
from petmood.data.index import Split, read_index, write_index
from petmood.data.validation.issues import validate_dataset
from petmood.reports.dataset_check import write_check_report
from tests.support.trees import bring_in, photo_bytes, put, tree


class Tags(HTMLParser):
    """Collect tags and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def page(folder: Path, *, to: Path) -> str:
    write_check_report(validate_dataset(folder), folder, to=to)
    return to.read_text()


def data_set(tmp_path: Path, *, evil: str = "plain") -> Path:
    source = tree(tmp_path / "in")
    put(source, f"sad/{evil}.png", photo_bytes(0, mirrored=True))
    put(source, f"sad/{evil}-bad.jpg", b"")
    bring_in(source, to=tmp_path / "pets", skip_bad=True)
    return tmp_path / "pets"


def test_the_page_shows_counts_conflicts_groups_and_rejects(tmp_path: Path) -> None:
    html = page(data_set(tmp_path), to=tmp_path / "check.html")
    for words in (
        "Valid: no group",
        "Label conflicts",
        "angry or sad?",
        "Groups",
        "Rejected at import",
        "empty_file",
    ):
        assert words in html
    assert "Leaks" not in html


def test_the_page_is_complete_in_itself_and_fits_a_phone_and_a_dark_screen(tmp_path: Path) -> None:
    html = page(data_set(tmp_path), to=tmp_path / "check.html")
    tags = Tags()
    tags.feed(html)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags.seen}
    sources = [attrs.get("src") or "" for tag, attrs in tags.seen if tag == "img"]
    assert len(sources) >= 16
    opened = [attrs["popovertarget"] for tag, attrs in tags.seen if tag == "button"]
    assert opened == [attrs["id"] for tag, attrs in tags.seen if tag == "img"], "each opens large"
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"url\(|@import|https?://", html)
    assert "width=device-width" in html
    assert "prefers-color-scheme: dark" in html
    assert str(tmp_path) not in html


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>&\"'"
    html = page(data_set(tmp_path, evil=evil), to=tmp_path / "check.html")
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;" in html


def test_leaks_and_missing_photos_are_shown_without_failing(tmp_path: Path) -> None:
    folder = data_set(tmp_path)
    rows = [
        replace(row, split=Split.TEST if "plain" in row.path else Split.TRAIN) if row.group_id else row
        for row in read_index(folder)
    ]
    write_index(folder, rows)
    (folder / "photos/happy/0.png").unlink()
    html = page(folder, to=tmp_path / "check.html")
    assert "has blocking issues" in html
    assert re.search(r'<h2 id="photos-\d">Leaks</h2>', html)
    assert "no image" in html


def test_the_same_check_gives_the_same_page(tmp_path: Path) -> None:
    folder = data_set(tmp_path)
    assert page(folder, to=tmp_path / "a.html") == page(folder, to=tmp_path / "b.html")


def test_long_lists_are_cut_and_counted_so_the_page_stays_small(tmp_path: Path) -> None:
    folder = data_set(tmp_path)
    report = validate_dataset(folder)
    rows = tuple(
        replace(row, path=f"photos/{k}/{row.path[7:]}", group_id=f"{row.group_id}{k % 40}")
        for k in range(300)
        for row in report.index
    )
    for k in range(300):
        (folder / f"photos/{k}").symlink_to(folder / "photos")
    odd = tuple(replace(f, paths=tuple(row.path for row in rows)) for f in report.issues if f.code == "small")
    rejected = tuple(ImportProblem(f"{k}.jpg", "empty_file", "nothing in it") for k in range(5000))
    big = replace(report, index=replace(report.index, rows=rows), rejected=rejected, issues=odd)
    write_check_report(big, folder, to=tmp_path / "check.html")
    html = (tmp_path / "check.html").read_text()
    assert "and 4800 more, see rejected.csv" in html
    assert len(html) < 3_000_000
