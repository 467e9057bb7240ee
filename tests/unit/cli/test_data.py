"""Dataset commands: import of a folder, and exit status 1 if validation finds group leakage."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import Split, read_index, write_index
from petmood.data.validation import issues
from tests.support.images import jpeg, photo_like
from tests.support.read_only import deny_writes
from tests.support.small_sets import write_small_set


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return class folders with three unlike photos each."""
    folder = tmp_path / "photos"
    for number, label in enumerate(np.repeat(DEFAULT_CLASSES, 3)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number}.jpg").write_bytes(jpeg(photo_like(120, 90, seed=50 + number)))
    return folder


def test_a_folder_is_imported_and_found_fit(petmood: Callable[..., Any], photos: Path, tmp_path: Path) -> None:
    done = petmood("data", "import", "folder", photos, "--output", tmp_path / "pets")
    assert (done.code, done.err) == (0, "")
    index = read_index(tmp_path / "pets")
    assert f"version {index.hash[:12]}. Next: petmood data check {tmp_path}/pets\n" in done.out
    assert len(index) == 12
    done = petmood("data", "check", tmp_path / "pets")
    assert done.code == 0
    assert "Verdict: valid." in done.out
    assert (tmp_path / "pets/check.html").is_file()


def test_an_empty_class_is_refused_in_one_line_or_report(
    petmood: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    for photo in (photos / "sad").iterdir():
        photo.unlink()
    done = petmood("data", "import", "folder", photos, "--output", tmp_path / "pets")
    assert (done.code, done.out) == (2, "")
    assert "sad" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "pets").exists()


def test_a_leak_makes_the_check_end_with_1(petmood: Callable[..., Any], tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "leaky", train=8, valid=4, test=4)
    rows = list(read_index(data))
    first = next(row for row in rows if row.split == "test")
    write_index(
        data, [replace(row, group_id=first.group_id) if row.path.endswith("train-000.png") else row for row in rows]
    )
    done = petmood("data", "check", data)
    assert done.code == 1
    assert "[BLOCKING]" in done.out
    assert "train-000.png" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "nowhere", "x", "--output", "y"], "nowhere"),
        (["import", "folder", "missing", "--output", "y"], "missing"),
        (["check", "missing"], "Expected a dataset with an index.csv in 'missing'"),
    ],
)
def test_what_is_missing_is_one_line_and_code_2(petmood: Callable[..., Any], arguments: list[str], said: str) -> None:
    done = petmood("data", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("output", [True, False])
def test_the_report_of_a_check_goes_where_its_link_led_at_the_start(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: bool
) -> None:
    folder = write_small_set(tmp_path / "pets")
    link = tmp_path / "report.html" if output else folder / "check.html"
    (tmp_path / "first.html").touch()
    (tmp_path / "theirs.html").write_text("not ours")
    link.symlink_to(tmp_path / "first.html")

    def checked(*given: Any, real: Callable[..., Any] = issues.validate_dataset, **options: Any) -> Any:  # noqa: ANN401 - as the function it stands for
        link.unlink()
        link.symlink_to(tmp_path / "theirs.html")
        return real(*given, **options)

    monkeypatch.setattr(issues, "validate_dataset", checked)
    petmood("data", "check", folder, *(["--output", link] if output else []))
    assert (tmp_path / "theirs.html").read_text() == "not ours"
    assert "<html" in (tmp_path / "first.html").read_text()


def test_the_report_of_a_check_goes_where_it_is_asked_to(petmood: Callable[..., Any], tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    done = petmood("data", "check", data, "--output", tmp_path / "pages/check.html")
    assert done.code == 0
    assert (tmp_path / "pages/check.html").is_file()
    assert not (data / "check.html").exists()


def test_a_version_is_reported_and_a_bad_one_ends_with_1(petmood: Callable[..., Any], tmp_path: Path) -> None:
    last, new = write_small_set(tmp_path / "last"), write_small_set(tmp_path / "new")
    asked = ("data", "diff", new, "--baseline", last, "--output", tmp_path / "out")
    assert petmood(*asked).code == 0
    write_index(
        new, [replace(row, split=Split.TEST) if row.path.endswith("000.png") else row for row in read_index(new)]
    )
    done = petmood(*asked)
    assert done.code == 1
    assert "[VIOLATION] 1 evaluation photos were training photos" in done.out.replace("2 eval", "1 eval")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.html", "report.md", "report.json"}


def test_the_limits_of_a_report_are_options(petmood: Callable[..., Any], tmp_path: Path) -> None:
    last, new = write_small_set(tmp_path / "last"), write_small_set(tmp_path / "new")
    angry = [row.path for row in read_index(new) if row.label == "angry" and row.split == "train"]
    write_index(new, [replace(row, label="sad") if row.path in angry[:6] else row for row in read_index(new)])
    asked = ("data", "diff", new, "--baseline", last, "--output", tmp_path / "out")
    done = petmood(*asked)
    assert (done.code, "have another label, over 5.0%" in done.out) == (1, True)
    assert petmood(*asked, "--max-relabelled", "0.5").code == 0


def test_changed_data_without_a_repository_is_one_line_and_code_2(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = petmood("data", "diff", "--since", "main", "--output", "out")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("petmood: --since needs a Git repository, and ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("new", "--since", "main"), ("--baseline", "old", "--since", "main")])
def test_a_diff_takes_a_folder_or_a_commit_and_not_both(petmood: Callable[..., Any], words: tuple[str, ...]) -> None:
    refused = petmood("data", "diff", *words, "--output", "out")
    assert refused.code == 2
    assert "Expected a FOLDER (with --baseline FOLDER), or --since COMMIT alone." in refused.err


def test_other_classes_are_taken_slips_are_refused_and_a_map_decides(
    petmood: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    (photos / "other").rename(photos / "Relaxed")
    (photos / "happy").rename(photos / "hapy")
    target = tmp_path / "pets"
    done = petmood("data", "import", "folder", photos, "--output", target)
    assert (done.code, done.out) == (2, "")
    assert "'hapy' (3 photos) looks like 'happy'" in done.err
    assert not target.exists()
    done = petmood("data", "import", "folder", photos, "--output", target, "--map", "hapy=hapy")
    assert (done.code, done.err) == (0, "")
    assert "taken as they are: hapy (3 photos), relaxed (3 photos)." in done.out
    assert read_index(target).classes == ("angry", "hapy", "relaxed", "sad")
    arguments = ["--map", "hapy=happy", "--map", "relaxed=sad", "--classes", "happy,sad", "--skip-bad"]
    done = petmood("data", "import", "folder", photos, "--output", target, *arguments)
    assert (done.code, done.err) == (0, "")
    assert read_index(target).classes == ("happy", "sad")
    assert "3 rejected" in done.out


def test_leaking_photos_are_dropped_by_the_option_that_the_refusal_names(
    petmood: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    for label in DEFAULT_CLASSES:
        for split, photo in zip(("train", "valid", "test"), sorted((photos / label).iterdir()), strict=True):
            place = tmp_path / "official" / split / label / photo.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(photo.read_bytes())
    twin = tmp_path / "official/train/sad/twin.jpg"
    twin.write_bytes(next((tmp_path / "official/test/sad").iterdir()).read_bytes())
    asked = ["data", "import", "folder", tmp_path / "official", "--output", tmp_path / "pets"]
    done = petmood(*asked)
    assert done.code == 2
    assert "Import with --drop-leaking" in done.err
    done = petmood(*asked, "--drop-leaking")
    assert (done.code, done.err) == (0, "")
    assert "Dropped from training, since a photo of the group is evaluated on: 1." in done.out


def test_a_read_only_data_set_is_checked_and_its_report_is_kept_elsewhere(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    before = sorted(data.rglob("*"))
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "user"))
    deny_writes(monkeypatch, data)
    done = petmood("data", "check", data)
    assert (done.code, done.err) == (0, ""), done.out
    (page,) = (tmp_path / "user").rglob("check.html")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(f"Verdict: valid.\nReport: {page}\n")
    assert sorted(data.rglob("*")) == before


def test_the_verdict_is_printed_before_the_report_is_written(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    data = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    monkeypatch.setattr("petmood.reports.dataset_check.write_check_report", full)
    monkeypatch.setattr("petmood.reports.dataset_diff.write_dataset_diff", full)
    for words in (["check", data], ["diff", data, "--baseline", data, "--output", tmp_path / "diff"]):
        done = petmood("data", *words)
        assert (done.code, done.err) == (2, "petmood: No space left on device\n")
        assert "Verdict: " in done.out or "no rule is violated" in done.out.lower(), done.out


@pytest.mark.parametrize("verb", ["check", "diff"])
def test_a_report_that_can_not_be_written_is_refused_before_the_first_photo(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    data = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    (tmp_path / "file").touch()
    monkeypatch.setattr("petmood.data.validation.issues.validate_dataset", None)
    monkeypatch.setattr("petmood.data.validation.diff_rules.check_diff", None)
    done = petmood("data", verb, data, "--output", tmp_path / "file/report")
    assert (done.code, done.out) == (2, "")
    assert f"can't be written: {tmp_path}/file is not a writable folder" in done.err


def test_a_report_is_written_where_its_link_points(petmood: Callable[..., Any], tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    (tmp_path / "there").mkdir()
    (tmp_path / "link.html").symlink_to("there/page.html")
    done = petmood("data", "check", data, "--output", tmp_path / "link.html")
    assert done.out.endswith(f"Report: {tmp_path}/link.html\n")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "there/page.html").stat().st_size > 1000
