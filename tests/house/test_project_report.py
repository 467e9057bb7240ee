"""The checker of the project report: limits, placeholders and images, on planted faults and on the report itself."""

import base64
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "reports" / "report.py"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("project_report", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


REPORT = _load()


def _answer(question: object) -> str:
    words, images = getattr(question, "words"), getattr(question, "images")  # noqa: B009 - loaded without types
    count = words[1] if words else 3
    return " ".join(["word"] * count) + "\n" + "\n".join(["![a](one.png)"] * (images[0] if images else 0))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Return a report in which every answer is as long as its limit."""
    (tmp_path / "one.png").write_bytes(PIXEL)
    parts = [f"## {q.number}. {q.subject}\n\n> Which one?\n\n{_answer(q)}\n" for q in REPORT.QUESTIONS]
    file = tmp_path / "README.md"
    file.write_text("# Report\n\n- [x] data versions\n- [ ] cloud\n\n" + "\n".join(parts), encoding="utf-8")
    return file


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)


def test_a_report_within_its_limits_passes(report: Path) -> None:
    done = _run("check", report)
    assert done.returncode == 0, done.stdout
    assert done.stdout == "31 of 31 answers are within their limits.\n"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "## 7. Tests\n\n> Which one?\n\nword",
            "## 7. Tests\n\n> Which one?\n\nword and",
            "7. Tests: expected 50 to 100 words, got 101 words.",
        ),
        (
            "## 3. Third-party package",
            "## 3. A package",
            "3. Third-party package: expected this heading, got 'A package'.",
        ),
        ("## 9. Branches and reviews", "### 9. Branches", "9. Branches and reviews: expected one answer, got 0."),
        ("## 31. Contributions", "## 30. Contributions", "31. Contributions: expected one answer, got 0."),
        (
            "## 1. Group\n\n> Which one?\n\nword",
            "## 1. Group\n\n> Which one?\n\nTODO",
            "1. Group: the placeholder 'TODO' is left.",
        ),
        (
            "## 2. Members\n\n> Which one?\n\nword word word",
            "## 2. Members\n\n> Which one?\n",
            "2. Members: expected an answer, got none.",
        ),
        ("![a](one.png)", "![a](two.png)", "14. Experiment tracking: the image two.png doesn't exist."),
        ("![a](one.png)", "", "14. Experiment tracking: expected 200 to 300 words, 1 to 3 images, got 0 images."),
        (
            "![a](one.png)",
            "![a](https://example.org/one.png)",
            "14. Experiment tracking: expected an image beside the report, got the address https://example.org/one.png.",
        ),
        ("- [x] data versions", "- [y] data versions", "Checklist: expected [x] or [ ], got [y]."),
        (
            "- [x] data versions\n- [ ] cloud\n",
            "",
            "Checklist: expected lines such as '- [x] data versions' before question 1, got none.",
        ),
    ],
)
def test_a_planted_fault_is_one_line_and_exit_code_1(report: Path, old: str, new: str, fault: str) -> None:
    text = report.read_text(encoding="utf-8")
    assert old in text
    report.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = _run("check", report)
    assert done.returncode == 1
    assert fault in done.stdout.splitlines()


def test_code_images_comments_and_addresses_are_no_words() -> None:
    prose = "One [two](https://a.b/c d) ![x y](z.png) <!-- no no -->"
    text = f"## 1. Group\n\n> A question of five words.\n\n{prose}\n\n```\na b c\n```\n"
    (answer,) = REPORT.read_answers(text)
    assert (answer.words, answer.images) == (2, ["z.png"])


def test_an_optional_answer_may_be_empty(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    report.write_text(
        re.sub(r"(## 28\. Extras\n\n> Which one\?\n)\n.*?\n\n## 29", r"\1\n## 29", text, flags=re.DOTALL),
        encoding="utf-8",
    )
    assert _run("check", report).returncode == 0


def test_the_page_is_complete_in_one_file(report: Path) -> None:
    done = _run("html", report)
    assert done.returncode == 0
    page = report.with_name("report.html").read_text(encoding="utf-8")
    assert page.count("<h2 id=") == 31
    assert set(re.findall(r'src="([^"]{10})', page)) == {"data:image"}
    assert "Limits: 50 to 100 words. This answer: 100 words, 0 images." in page
    assert "&#9745;" in page


def test_a_page_with_a_missing_image_is_one_line(report: Path) -> None:
    (report.parent / "one.png").unlink()
    done = _run("html", report)
    assert done.returncode == 1
    assert "one.png: No such file or directory" in done.stderr
    assert not report.with_name("report.html").exists()


def test_the_projects_own_report_passes() -> None:
    done = _run("check")
    assert done.returncode == 0, done.stdout
