"""Tests of the checks on a bundle's target folder."""

import json
import os
from pathlib import Path

import pytest

from petmood.core.bundle_files import MANIFEST
from petmood.core.bundle_target import bundle_directory, check_target, is_bundle, refuse_foreign_files
from petmood.core.errors import BundleError, OutputError
from tests.support.bundles import word_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the folder of a whole bundle."""
    return word_bundle(tmp_path, "pets")


def rewrite(folder: Path, **changes: object) -> None:
    """Change the manifest's JSON, which breaks its seal."""
    raw = json.loads((folder / MANIFEST).read_text("utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**raw, **changes}), "utf-8")


def test_nothing_an_empty_folder_and_a_bundle_may_be_replaced(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (bundle, tmp_path / "empty", tmp_path / "deep/new"):
        check_target(folder, replace=True)
    check_target(tmp_path / "deep/new")
    assert not (tmp_path / "deep").exists()
    (tmp_path / "link").symlink_to(bundle)
    for shown in (bundle, tmp_path / "link"):
        with pytest.raises(BundleError) as refusal:
            check_target(shown)
        assert str(refusal.value) == f"{shown} exists, and bundles are immutable. Choose another folder with --output."


@pytest.mark.parametrize(
    "changes", [{"version": "edited"}, {"schema_version": 7}, {"manifest_digest": ""}, {"classes": []}]
)
def test_a_damaged_bundle_is_known_by_its_manifest(bundle: Path, changes: dict[str, object]) -> None:
    rewrite(bundle, **changes)
    (bundle / "model.onnx").write_bytes(b"damaged")
    (bundle / "card.md").unlink()
    assert is_bundle(bundle)
    check_target(bundle, replace=True)


OWN: dict[str, object] = {"schema_version": 1, "classes": [], "image": None, "files": {"model.onnx": "0"}}
ELSEWHERE = (
    "Nothing was changed. Move these files, or choose another folder (run: --bundles; export and pull: --output)."
)


@pytest.mark.parametrize("key", ["none", *OWN])
def test_a_manifest_is_known_by_four_keys(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    (folder / "model.onnx").touch()
    (folder / MANIFEST).write_text(json.dumps({name: value for name, value in OWN.items() if name != key}))
    assert is_bundle(folder) is (key == "none")
    if key == "none":
        check_target(folder, replace=True)
        return
    with pytest.raises(BundleError) as refusal:
        check_target(folder, replace=True)
    assert str(refusal.value) == (
        f"{folder} is not a bundle, and replacing it would delete manifest.json, model.onnx. {ELSEWHERE}"
    )


def test_a_manifest_whose_files_are_a_list_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps({**OWN, "files": ["model.onnx"]}))
    assert not is_bundle(tmp_path)


def test_a_manifest_that_is_too_large_or_can_t_be_read_is_not_ours(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_bundle(bundle)
    with monkeypatch.context() as patch:

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        patch.setattr(Path, "open", refuse)
        assert not is_bundle(bundle)
    os.truncate(bundle / MANIFEST, 4_000_001)
    assert not is_bundle(bundle)


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", '{"name": "web app", "files": {}}', '{"schema_version": 1}', "\udcff", "[" * 100_000]
)
def test_a_manifest_that_is_not_ours_protects_the_whole_folder(bundle: Path, manifest: str) -> None:
    (bundle / MANIFEST).write_bytes(manifest.encode("utf-8", "surrogateescape"))
    assert not is_bundle(bundle)
    with pytest.raises(BundleError, match=r"pets is not a bundle, and replacing it would delete card\.md, golden\.npz"):
        check_target(bundle, replace=True)


@pytest.mark.parametrize("name", ["NOTES.md", "notes/a.txt", "empty/", ".hidden"])
def test_a_person_s_file_in_a_bundle_protects_it(bundle: Path, name: str) -> None:
    mine = bundle / name
    mine.parent.mkdir(exist_ok=True)
    mine.mkdir() if name.endswith("/") else mine.write_text("mine")
    (bundle / ".DS_Store").touch()
    said = f" is a bundle with other files in it, and replacing it would delete {name}. {ELSEWHERE}"
    with pytest.raises(BundleError) as refusal:
        refuse_foreign_files(bundle, shown=Path("bundles/pets"))
    assert str(refusal.value) == f"bundles/pets{said}"
    link = bundle.with_name("link")
    link.symlink_to(bundle)
    with pytest.raises(BundleError) as refusal:
        check_target(link, replace=True)
    assert str(refusal.value) == f"{link}{said}"
    with pytest.raises(BundleError), bundle_directory(bundle, replace=True):
        pass
    assert mine.exists()


def test_a_link_in_place_of_a_bundle_s_file_or_manifest_protects_it(bundle: Path) -> None:
    for name in ("card.md", MANIFEST):
        assert is_bundle(bundle)
        (bundle / name).rename(bundle.parent / name)
        (bundle / name).symlink_to(bundle.parent / name)
        with pytest.raises(BundleError, match="would delete"):
            check_target(bundle, replace=True)
    assert not is_bundle(bundle)


def test_a_file_and_a_place_that_can_t_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleError) as refusal:
        check_target(tmp_path / "file", replace=True)
    assert str(refusal.value) == f"Expected a bundle folder at {tmp_path}/file, got a file. {ELSEWHERE}"
    with pytest.raises(OutputError, match="can't be written"):
        check_target(tmp_path / "file/bundle", replace=True)


def test_a_file_that_came_while_the_bundle_was_made_is_kept(bundle: Path) -> None:
    def leave_a_note() -> None:
        (bundle / "NOTES.md").write_text("mine")

    with pytest.raises(BundleError, match=r"would delete NOTES\.md"), bundle_directory(bundle, replace=True):
        leave_a_note()
    assert (bundle / "NOTES.md").read_text() == "mine"
