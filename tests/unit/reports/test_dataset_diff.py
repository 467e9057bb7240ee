"""Tests of the dataset diff report: thumbnails, escaped names, no external resources, and the JSON file."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from petmood.data.index import Role, Split, read_index, write_index
from petmood.data.validation.diff_rules import check_diff
from petmood.reports.dataset_diff import SHOWN, write_dataset_diff
from tests.support.small_sets import write_small_set

HOSTILE = "photos/<script>alert(1)</script>\"onerror='x'.png"


class Tags(HTMLParser):
    """Collect the tags of a page and the URLs in them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a tag."""
        self.names.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]
        assert not [name for name, _ in attrs if name.startswith("on")]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Write the report of a version with all kinds of changes, one of them in a photo with a hostile name."""
    last, new = write_small_set(tmp_path / "last"), write_small_set(tmp_path / "pets", test=32)
    by_name = {row.path.rsplit("/", 1)[-1]: row for row in read_index(new)}
    first = by_name["train-000.png"]
    (new / HOSTILE).parent.mkdir(parents=True, exist_ok=True)
    (new / first.path).rename(new / HOSTILE)
    changed = {
        first.path: replace(first, path=HOSTILE, label="sad"),
        by_name["train-004.png"].path: replace(by_name["train-004.png"], split=Split.VALID),
        by_name["train-005.png"].path: replace(by_name["train-005.png"], role=Role.EXCLUDED),
    }
    write_index(new, [changed.get(row.path, row) for row in read_index(new)])
    write_dataset_diff(check_diff(new, against=last), new, against=last, to=tmp_path / "out")
    return tmp_path / "out"


def test_three_files_are_written_the_same_each_time(written: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == ["report.html", "report.json", "report.md"]
    again = tmp_path / "again"
    last, new = tmp_path / "last", tmp_path / "pets"
    write_dataset_diff(check_diff(new, against=last), new, against=last, to=again)
    assert [path.read_bytes() for path in sorted(again.iterdir())] == [
        path.read_bytes() for path in sorted(written.iterdir())
    ]


def test_a_hostile_name_is_text_and_the_page_loads_nothing(written: Path) -> None:
    tags = Tags()
    tags.feed((written / "report.html").read_text("utf-8"))
    assert "script" not in tags.names
    assert tags.addresses.count("#glossary") == 1
    links = [address for address in tags.addresses if address.startswith("#")]
    others = [address for address in tags.addresses if address not in links]
    assert links == ["#originals", "#drift", "#photos-1", "#photos-2", "#photos-3", "#photos-4", "#notes", "#glossary"]
    assert others
    assert all(address.startswith("data:image/jpeg;base64,") for address in others)


def test_the_page_shows_images_of_what_came_went_and_changed(written: Path) -> None:
    page = (written / "report.html").read_text("utf-8")
    for title in ("Added", "Removed", "Relabeled", "In another split"):
        assert re.search(rf'<h2 id="photos-\d">{title}</h2>', page)
    assert "train -&gt; valid" in page
    assert "Rejected as the next version" in page
    shown = [part.partition('"')[0] for part in page.split("data:image/jpeg;base64,")[1:]]
    for image in shown:
        assert max(Image.open(io.BytesIO(base64.b64decode(image))).size) <= 120
    added = page.partition(">Added</h2>")[2].partition("<h2")[0]
    assert added.count("<img") == SHOWN


def test_the_facts_are_json(written: Path) -> None:
    facts = json.loads((written / "report.json").read_bytes())
    assert facts["has_violations"] is True
    assert [reason["code"] for reason in facts["violations"]] == ["train_test_leak"]
    assert [entry["path"] for entry in facts["relabelled"]] == [HOSTILE]
    assert facts["moved"] == [{"path": "photos/train-004.png", "old": "train", "new": "valid"}]
    assert "photos/train-005.png" in facts["removed"]
    assert {drift["statistic"] for drift in facts["drift"]} == {"brightness", "contrast", "sharpness", "aspect", "size"}


def test_a_first_version_shows_its_photos(tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "pets")
    write_dataset_diff(check_diff(data), data, to=tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert '<h2 id="photos-1">Photos</h2>' in page
    assert "Accepted as the next version" in page
    assert json.loads((tmp_path / "out/report.json").read_bytes())["old"] is None


def test_a_photo_that_cannot_be_read_has_no_image(tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "pets", train=4, valid=4, test=0)
    for row in read_index(data):
        (data / row.path).write_bytes(b"never a photo")
    write_dataset_diff(check_diff(data), data, to=tmp_path / "out")
    assert (tmp_path / "out/report.html").read_text("utf-8").count("no image") == 8
