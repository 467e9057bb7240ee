"""Tests of the contact sheet: sections and cards, escaping, bounded memory, and failed writes."""

import errno
import re
import subprocess
import sys
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path

import pytest

from petmood.core.domain import DomainWarning
from petmood.core.errors import CorruptImage, OutputError
from petmood.core.prediction import PRACTICE_MODEL, Prediction
from petmood.core.schemas import ModelInfo
from petmood.reports import contact_sheet
from petmood.reports.contact_sheet import ContactSheet, SheetFacts
from tests.support.images import jpeg, photo_like

MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)
KINDS = ("confident", "not-confident", "out-of-domain", "rejected")
FACTS = SheetFacts("3 photos.")
VOID = {"meta", "img"}


class Page(HTMLParser):
    """The elements of a page: tags with attributes, texts by tag, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open:
            self.texts.append((self.open[-1], data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self, *tags: str) -> list[str]:
        """Return the texts that stand directly in elements of some kinds."""
        return [text for tag, text in self.texts if tag in tags]


def prediction(
    label: str | None,
    *,
    confident: bool = False,
    warnings: tuple[str, ...] = (),
    domain_warning: DomainWarning | None = None,
) -> Prediction:
    return Prediction(
        label,
        0.84,
        {"sad": 0.84},
        confident,
        ("sad",),
        MODEL,
        warnings=warnings,
        confidence_threshold=0.88,
        domain_warning=domain_warning,
    )


def written(file: Path) -> Page:
    page = Page(file.read_text("utf-8"))
    assert page.open == []
    return page


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "rex.jpg"
    path.write_bytes(jpeg(photo_like(400, 200)))
    return path


def test_photos_are_grouped_by_answer_with_links_and_counts(tmp_path: Path, photo: Path) -> None:
    with ContactSheet(tmp_path / "new/sheet.html", KINDS) as sheet:
        sheet.add("half.jpg", CorruptImage("Expected a complete image."), kind="rejected", photo=None)
        sheet.add("1.jpg", prediction("sad"), kind="not-confident", photo=photo)
        sheet.add(
            "cup.jpg", prediction(None, domain_warning="no_animal"), kind="out-of-domain", photo=photo.read_bytes()
        )
        sheet.add("2.jpg", prediction("sad", confident=True), kind="confident", photo=photo)
        sheet.add("3.jpg", prediction("happy", confident=True), kind="confident", photo=photo)
        sheet.add("4.jpg", prediction("sad", confident=True, warnings=("Small photo.",)), kind="confident", photo=photo)
        sheet.write(SheetFacts("6 photos.", models=["demo, version 1"], notices=["Practice."], folder="shelter"))
    page = written(tmp_path / "new/sheet.html")
    titles = ["Confident: happy (1)", "Confident: sad (2)", "Not confident: best guess sad (1)"]
    titles += ["Out of domain (1)", "Rejected (1)"]
    assert page.words("h1") == ["Photos and answers"]
    assert page.words("h2") == page.words("a") == titles
    anchors = [one["id"] for one in page.all("section")]
    assert [one["href"] for one in page.all("a")] == [f"#{anchor}" for anchor in anchors]
    assert [one["aria-labelledby"] for one in page.all("section")] == [one["id"] for one in page.all("h2")]
    assert page.words("dt", "dd") == ["Model", "demo, version 1", "Folder", "shelter"]
    assert page.words("p") == [
        *("6 photos.", "Practice."),
        *("3.jpg", "Happy 84%"),
        *("2.jpg", "Sad 84%"),
        *("4.jpg", "Sad 84%", "Small photo."),
        *("1.jpg", "Not sure, probably sad 84%", "Confident from 88%"),
        *(
            "cup.jpg",
            "No pet found",
            "The model found no animal in this photo, so it gives no result. If a pet is in it, go closer.",
        ),
        *("half.jpg", "Rejected", "Expected a complete image."),
    ]
    images = page.all("img")
    assert [one["alt"] for one in images] == [f"Photo {name}.jpg" for name in ("3", "2", "4", "1", "cup")]
    assert all((one["src"] or "").startswith("data:image/jpeg;base64,") for one in images)
    assert [one["popovertarget"] for one in page.all("button")] == [one["id"] for one in images], "each opens large"
    assert len({one["id"] for one in images}) == 5
    assert page.words("div") == ["No preview"]
    assert (page.all("html")[0]["lang"], len(page.all("main")), len(page.all("nav"))) == ("en", 1, 1)


def test_a_page_loads_nothing_and_has_no_script(tmp_path: Path, photo: Path) -> None:
    with ContactSheet(tmp_path / "sheet.html", KINDS) as sheet:
        sheet.add("1.jpg", prediction("sad"), kind="not-confident", photo=photo)
        sheet.write(FACTS)
    text = (tmp_path / "sheet.html").read_text("utf-8")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert not re.search(r"<script|<link|@import|url\(|https?:", text)
    assert "prefers-color-scheme: dark" in text


def test_words_of_strangers_are_text(tmp_path: Path, photo: Path) -> None:
    evil = '<img src=x onerror="alert(1)">\u202e\n&caf\udce9.jpg'
    shown = '<img src=x onerror="alert(1)">\\u202e\\n&caf\\xe9.jpg'
    with ContactSheet(tmp_path / "sheet.html", KINDS) as sheet:
        sheet.add(evil, prediction(evil, warnings=(evil,)), kind="not-confident", photo=photo)
        sheet.add(evil, prediction(evil, confident=True), kind="confident", photo=photo)
        sheet.add(evil, CorruptImage(evil), kind="rejected", photo=None)
        sheet.write(SheetFacts(evil, models=[evil], notices=[evil], folder=evil))
    page = written(tmp_path / "sheet.html")
    assert [one["alt"] for one in page.all("img")] == [f"Photo {shown}"] * 2
    assert page.words("h2")[:2] == [f"Confident: {shown} (1)", f"Not confident: best guess {shown} (1)"]
    assert page.words("dd") == [shown, shown]
    assert page.words("p").count(shown) == 2 + 3 + 2  # facts, names, a warning and a message


def test_what_holds_for_every_answer_is_not_repeated_on_the_cards(tmp_path: Path, photo: Path) -> None:
    with ContactSheet(tmp_path / "sheet.html", KINDS) as sheet:
        sheet.add("1.jpg", prediction("sad", warnings=(PRACTICE_MODEL,)), kind="not-confident", photo=photo)
        sheet.write(SheetFacts("1 photo.", notices=[PRACTICE_MODEL]))
    assert written(tmp_path / "sheet.html").words("p").count(PRACTICE_MODEL) == 1


def test_a_page_without_cards_says_so(tmp_path: Path) -> None:
    with ContactSheet(tmp_path / "sheet.html", KINDS) as sheet:
        sheet.write(FACTS)
    page = written(tmp_path / "sheet.html")
    assert page.words("p") == ["3 photos.", "No photo has such an answer."]
    assert page.words("dd") == ["none of the photos has an answer"]
    assert page.all("nav") == page.all("section") == []


def test_a_photo_that_can_not_be_read_has_a_card_without_an_image(tmp_path: Path) -> None:
    with ContactSheet(tmp_path / "sheet.html", KINDS) as sheet:
        sheet.add("gone.jpg", prediction("sad"), kind="not-confident", photo=tmp_path / "gone.jpg")
        sheet.add("half.jpg", prediction("sad"), kind="not-confident", photo=b"\xff\xd8 half")
        sheet.write(FACTS)
    page = written(tmp_path / "sheet.html")
    assert (page.words("div"), page.all("img")) == (["No preview"] * 2, [])


def test_memory_does_not_grow_with_the_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "photo_uri", lambda *_, **__: "data:image/jpeg;base64," + "A" * 20_000)
    tracemalloc.start()
    try:
        with ContactSheet(tmp_path / "sheet.html", KINDS) as sheet:
            for number in range(1000):
                sheet.add(f"{number}.jpg", prediction("sad"), kind="not-confident", photo=b"")
            sheet.write(FACTS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "sheet.html").stat().st_size > 20_000_000
    assert peak < 8_000_000


def test_until_it_is_written_an_old_page_stays_and_nothing_is_beside_it(tmp_path: Path, photo: Path) -> None:
    file = tmp_path / "pages/sheet.html"
    file.parent.mkdir()
    file.write_text("old")
    with ContactSheet(file, KINDS) as sheet:
        sheet.add("1.jpg", prediction("sad"), kind="not-confident", photo=photo)
        assert ([one.name for one in file.parent.iterdir()], file.read_text()) == (["sheet.html"], "old")
        sheet.write(FACTS)
    assert [one.name for one in file.parent.iterdir()] == ["sheet.html"]
    assert "1.jpg" in file.read_text()


def test_a_full_disk_is_one_line_and_the_old_page_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "sheet.html"
    file.write_text("old")
    monkeypatch.setattr(contact_sheet, "atomic_write_chunks", full)
    message = f"{file} can't be written (No space left on device). Free disk space, or choose another folder."
    with ContactSheet(file, KINDS) as sheet, pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        sheet.write(FACTS)
    assert file.read_text() == "old"


def test_a_folder_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = f"{tmp_path}/file/sheet.html can't be written"
    with ContactSheet(tmp_path / "file/sheet.html", KINDS) as sheet, pytest.raises(OutputError, match=message):
        sheet.add("1.jpg", prediction("sad"), kind="not-confident", photo=None)


def test_the_page_needs_nothing_that_a_serving_install_lacks() -> None:
    program = (
        "import sys, petmood.reports.contact_sheet\n"
        "print({'jinja2', 'markupsafe', 'matplotlib', 'torch', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
