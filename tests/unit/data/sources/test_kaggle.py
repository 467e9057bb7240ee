"""Tests of the Kaggle source: local archive or folder, incomplete archives and failed downloads."""

import sys
import types
import zipfile
from pathlib import Path

import pytest

from petmood.core.errors import DataError, DownloadError
from petmood.core.progress import no_progress
from petmood.data.sources import open_source
from petmood.data.sources.kaggle import DATASET, KaggleSource

NAMES = ("train/Angry/1.jpg", "train/happy/2.jpg", "valid/Sad/3.jpg", "test/Other/4.jpg", "test/Other/readme.txt")
EXPECTED = {("train", "angry"), ("train", "happy"), ("valid", "sad"), ("test", "other")}


def archive(folder: Path, *entries: str, data: bytes = b"never decoded here") -> Path:
    path = folder / "pets.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for entry in entries:
            bundle.writestr(entry, data)
    return path


def labels(source: KaggleSource) -> set[tuple[str | None, str | None]]:
    return {(entry.split, entry.label) for entry in source.scan(no_progress)}


def test_an_archive_is_unpacked_for_the_scan_and_gone_when_closed(tmp_path: Path) -> None:
    source = KaggleSource(archive(tmp_path, *(f"Master Folder/{name}" for name in NAMES[:4])))
    assert labels(source) == EXPECTED
    paths = [entry.path for entry in source.scan(no_progress)]
    assert all(path.is_file() for path in paths)
    source.close()
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize("wrapping", ["", "Master Folder/", "archive/Master Folder/"])
def test_an_unpacked_folder_is_used_as_it_is(tmp_path: Path, wrapping: str) -> None:
    with zipfile.ZipFile(archive(tmp_path, *(wrapping + name for name in NAMES))) as bundle:
        bundle.extractall(tmp_path / "pets")
    source = open_source("kaggle", tmp_path / "pets")
    assert {(entry.split, entry.label) for entry in source.scan(no_progress) if not entry.problem} == EXPECTED
    source.close()
    assert (tmp_path / "pets").is_dir()


@pytest.mark.parametrize("cut", [0.0, 0.5])
def test_a_file_that_is_no_whole_archive_is_refused(tmp_path: Path, cut: float) -> None:
    path = archive(tmp_path, *NAMES)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)] or b"not a zip")
    with pytest.raises(DataError, match="complete zip archive"):
        KaggleSource(path).scan(no_progress)


def fake_kagglehub(monkeypatch: pytest.MonkeyPatch, answer: Path | Exception) -> list[str]:
    asked: list[str] = []

    def download(handle: str) -> str:
        asked.append(handle)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    module = types.ModuleType("kagglehub")
    module.dataset_download = download  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    return asked


def test_a_download_is_asked_for_by_its_name_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(archive(tmp_path, *(f"Master Folder/{name}" for name in NAMES))) as bundle:
        bundle.extractall(tmp_path / "cache")
    asked = fake_kagglehub(monkeypatch, tmp_path / "cache")
    source = KaggleSource()
    assert {(e.split, e.label) for e in source.scan(no_progress) if not e.problem} == EXPECTED
    assert asked == [DATASET]


@pytest.mark.parametrize("error", [ConnectionError("no network"), ValueError("unauthenticated"), RuntimeError("odd")])
def test_without_network_or_account_one_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fake_kagglehub(monkeypatch, error)
    with pytest.raises(DownloadError) as caught:
        open_source("kaggle").scan(no_progress)
    text = str(caught.value)
    assert "\n" not in text
    for word in ("kaggle.json", "KAGGLE_USERNAME", "KAGGLE_KEY", "petmood data import kaggle ARCHIVE.zip"):
        assert word in text


def test_the_real_client_without_network_gives_the_same_message() -> None:
    pytest.importorskip("kagglehub")
    with pytest.raises(DownloadError, match="Can't download"):
        KaggleSource().scan(no_progress)
