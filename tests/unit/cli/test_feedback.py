"""Tests of `petmood feedback`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from petmood.cli.app import petmood
from petmood.core.errors import ConfigError, DataError, OutputError
from petmood.monitoring.feedback.records import Feedback
from petmood.monitoring.feedback.store import FeedbackStore
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.photo_folders import remember_photo_folder
from petmood.monitoring.prediction_log.database import migrate
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.images import jpeg, photo_like
from tests.support.logged import START_US, row, sqlite
from tests.support.small_sets import write_small_set


def run(*words: str) -> Result:
    """Run a command that works."""
    result = CliRunner().invoke(petmood, ["feedback", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a log with three predictions of "happy", and feedback of three visitors on two of them."""
    monkeypatch.delenv("PETMOOD_KEEP_PHOTOS_FOLDER", raising=False)
    rows, store = LogStore(sqlite(tmp_path)), FeedbackStore(sqlite(tmp_path))
    rows.insert([row(number) for number in range(3)])
    for number, visitor, label, note in (
        (0, "a", None, None),
        (1, "a", "angry", "ears\nback"),
        (1, "b", "angry", None),
        (1, "c", None, None),
    ):
        key = PhotoKey(f"request-{number}")
        store.write(Feedback(key, visitor * 64, label, note, START_US + len(visitor) + number))
    rows.close()
    store.close()
    return f"sqlite:///{tmp_path}/log.db"


def test_feedback_is_listed(log: str) -> None:
    lines = run("list", "--log", log).output.splitlines()
    assert lines[0] == "2026-09-21T14:13:20+00:00 request-0: happy: right"
    assert lines[1] == r"2026-09-21T14:13:20+00:00 request-1: happy: wrong, angry (ears\nback)"
    assert len(lines) == 4
    first, second, *_ = json.loads(run("list", "--json", "--log", log).output)
    assert (first["request_id"], first["right"], first["label"], first["note"]) == ("request-0", True, "happy", None)
    assert (second["predicted"], second["right"], second["label"]) == ("happy", False, "angry")
    assert (second["note"], second["bundle"], second["visitor"]) == ("ears\nback", "pets", "a" * 64)
    assert run("list", "--log", log, "--since", "30m").output == "There is no feedback yet.\n"


def test_feedback_on_kept_photos_is_exported_and_imported(log: str, tmp_path: Path) -> None:
    photos = KeptPhotos(tmp_path / "log.db.photos")
    photos.create(days=1)
    photos.write(PhotoKey("request-1"), jpeg(photo_like(200, 160)))
    output = run("export", "--log", log, "--output", str(tmp_path / "out")).output.splitlines()
    assert output[:3] == [
        f"{tmp_path / 'out'}: 1 photos, 1 with a corrected label",
        "Left out: 1 as no photo was kept.",
        "Visitors disagree on 1 of them: these have the label of most visitors.",
    ]
    assert f"data import csv {tmp_path / 'out' / 'labels.csv'} --output data/feedback" in output[3]


def test_tasks_of_label_studio_name_the_photos_of_the_export(log: str, tmp_path: Path) -> None:
    photos = KeptPhotos(tmp_path / "log.db.photos")
    photos.create(days=1)
    photos.write(PhotoKey("request-1"), jpeg(photo_like(200, 160)))
    words = ("export", "--log", log, "--output", str(tmp_path / "out"), "--label-studio", str(tmp_path / "tasks.json"))
    told = run(*words).output
    assert f"Label Studio: {tmp_path / 'tasks.json'}, and its labeling configuration {tmp_path / 'tasks.xml'}" in told
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert (tmp_path / "out" / task["data"]["image"].removeprefix("/data/local-files/?d=")).is_file()
    assert task["annotations"][0]["result"][0]["value"] == {"choices": ["angry"]}
    assert (task["predictions"][0]["model_version"], task["predictions"][0]["score"]) == ("pets 1", 0.75)
    again = ["feedback", *words[:4], str(tmp_path / "again"), "--label-studio", str(tmp_path / "tasks.xml")]
    with pytest.raises(OutputError, match=r"Name it \.json"):
        CliRunner().invoke(petmood, again, catch_exceptions=False)
    assert not (tmp_path / "again").exists()


def test_a_folder_elsewhere_is_named(log: str, tmp_path: Path) -> None:
    photos = KeptPhotos(tmp_path / "elsewhere")
    photos.create(days=1)
    photos.write(PhotoKey("request-0"), jpeg(photo_like(64, 48)))
    found = run("export", "--log", log, "--photos", str(photos.folder), "--output", str(tmp_path / "out")).output
    assert "1 photos, 0 with a corrected label" in found


def test_photos_are_found_in_each_folder_that_the_log_names_and_one_that_is_not_here_is_named(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = sqlite(tmp_path)
    for number, name in enumerate(("first", "second")):
        photos = KeptPhotos(tmp_path / name)
        photos.create(days=1)
        photos.write(PhotoKey(f"request-{number}"), jpeg(photo_like(64, 48, seed=number)))
        remember_photo_folder(engine, photos.folder)
    engine.dispose()
    assert "2 photos, 1 with a corrected label" in run("export", "--log", log, "--output", str(tmp_path / "a")).output
    monkeypatch.setenv("PETMOOD_KEEP_PHOTOS_FOLDER", str(tmp_path / "second"))
    assert "2 photos, 1 with a corrected label" in run("export", "--log", log, "--output", str(tmp_path / "b")).output
    (tmp_path / "first").rename(tmp_path / "moved")
    found = run("export", "--log", log, "--output", str(tmp_path / "c"))
    assert "Left out: 1 as no photo was kept." in found.stdout
    assert found.stderr == f"Folders that are not here were not searched: {tmp_path / 'first'}.\n"


def test_what_can_not_be_exported_is_one_line(log: str, tmp_path: Path) -> None:
    words = ["feedback", "export", "--log", log, "--output", str(tmp_path / "out")]
    with pytest.raises(DataError, match=r"got none \(2 as no photo was kept\)"):
        CliRunner().invoke(petmood, words, catch_exceptions=False)
    engine = sqlite(tmp_path)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE petmood_log_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(ConfigError, match="a newer petmood wrote it"):
        CliRunner().invoke(petmood, words, catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_an_empty_log_has_no_feedback(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    migrate(engine)
    engine.dispose()
    assert run("list", "--log", f"sqlite:///{tmp_path}/log.db").output == "There is no feedback yet.\n"


def test_an_export_with_a_dataset_has_its_photos_too(log: str, tmp_path: Path) -> None:
    photos = KeptPhotos(tmp_path / "log.db.photos")
    photos.create(days=30)
    photos.write(PhotoKey("request-1"), jpeg(photo_like(64, 64)))
    dataset = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    told = run("export", "--log", log, "--output", str(tmp_path / "out"), "--with", str(dataset)).output
    assert f"With 16 photos of {dataset}, which keep their splits." in told
    assert len((tmp_path / "out" / "labels.csv").read_text().splitlines()) == 18


def test_a_review_without_kept_photos_is_refused(log: str) -> None:
    with pytest.raises(ConfigError, match=r"Expected a folder of kept photos, .* --keep-photos DAYS"):
        CliRunner().invoke(petmood, ["feedback", "review", "--log", log], catch_exceptions=False)
