"""Tests of the checks on a bundle's target folder."""

import json
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
    with pytest.raises(
        BundleError, match=r"pets exists, and bundles are immutable\. Choose another folder with --output"
    ):
        check_target(bundle)


@pytest.mark.parametrize(
    "changes", [{"version": "edited"}, {"schema_version": 7}, {"manifest_digest": ""}, {"classes": []}]
)
def test_a_damaged_bundle_is_known_by_its_manifest(bundle: Path, changes: dict[str, object]) -> None:
    rewrite(bundle, **changes)
    (bundle / "model.onnx").write_bytes(b"damaged")
    (bundle / "card.md").unlink()
    assert is_bundle(bundle)
    check_target(bundle, replace=True)


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
    with pytest.raises(BundleError, match=r"^bundles/pets is a bundle with other files in it, ") as refusal:
        refuse_foreign_files(bundle, shown=Path("bundles/pets"))
    assert f", and replacing it would delete {name}. Nothing was changed. " in str(refusal.value)
    assert "\n" not in str(refusal.value)
    with pytest.raises(BundleError), bundle_directory(bundle, replace=True):
        pass
    assert mine.exists()


def test_a_link_in_place_of_a_bundle_s_file_or_manifest_protects_it(bundle: Path) -> None:
    for name in ("card.md", MANIFEST):
        (bundle / name).rename(bundle.parent / name)
        (bundle / name).symlink_to(bundle.parent / name)
        with pytest.raises(BundleError, match="would delete"):
            check_target(bundle, replace=True)


def test_a_file_and_a_place_that_can_t_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match=r"Expected a bundle folder at .*file, got a file"):
        check_target(tmp_path / "file", replace=True)
    with pytest.raises(OutputError, match="can't be written"):
        check_target(tmp_path / "file/bundle", replace=True)


def test_a_file_that_came_while_the_bundle_was_made_is_kept(bundle: Path) -> None:
    def leave_a_note() -> None:
        (bundle / "NOTES.md").write_text("mine")

    with pytest.raises(BundleError, match=r"would delete NOTES\.md"), bundle_directory(bundle, replace=True):
        leave_a_note()
    assert (bundle / "NOTES.md").read_text() == "mine"
