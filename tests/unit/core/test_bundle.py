"""Tests of writing, reading and verifying bundles, including damaged and forged ones."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.core import bundle
from petmood.core.atomic_directory import DirectoryDraft
from petmood.core.bundle import (
    Bundle,
    pack_arrays,
    read,
    verify,
    verify_file,
    write,
    write_into,
)
from petmood.core.domain import DomainRule
from petmood.core.errors import BundleError
from petmood.core.image import ImageSpec
from petmood.core.labels import DEFAULT_CLASSES
from tests.support.bundles import demo_files, demo_manifest

NAMES = ("model.onnx", "golden.npz", "reference.npz", "card.md")


@pytest.fixture
def whole(tmp_path: Path) -> Bundle:
    """Return a freshly written bundle."""
    return write(tmp_path / "demo", demo_manifest(), demo_files())


def rewrite(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - any JSON
    """Change the manifest's JSON as an editor would, without sealing it again."""
    raw = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**raw, **changes}), "utf-8")


# --- whole bundles ----------------------------------------------------------------------------------------------------


def test_what_was_written_is_read_and_verified(whole: Bundle) -> None:
    assert read(whole.folder) == whole.manifest
    assert verify(whole.folder) == whole
    assert sorted(whole.manifest.files) == sorted(NAMES)
    assert whole.sha256 == hashlib.sha256((whole.folder / "manifest.json").read_bytes()).hexdigest()
    assert sorted(path.name for path in whole.folder.parent.iterdir()) == ["demo"]


def test_a_manifest_is_a_text_of_indented_json(tmp_path: Path) -> None:
    sealed = write(tmp_path / "b", demo_manifest(metrics={}, config={}), demo_files()).manifest
    rows = "\n".join(f'    "{name}": "{sealed.files[name]}",' for name in sorted(NAMES)).removesuffix(",")
    assert (tmp_path / "b/manifest.json").read_text("utf-8") == (
        '{\n  "schema_version": 2,\n  "name": "demo",\n  "version": "1",\n'
        '  "classes": [\n    "angry",\n    "happy",\n    "other",\n    "sad"\n  ],\n'
        '  "image": {\n    "side_px": 16,\n    "resize": "center_crop",\n'
        '    "mean": [\n      0.485,\n      0.456,\n      0.406\n    ],\n'
        '    "std": [\n      0.229,\n      0.224,\n      0.225\n    ],\n'
        '    "background": [\n      128,\n      128,\n      128\n    ]\n  },\n'
        '  "temperature": 1.5,\n  "confidence_threshold": 0.6,\n  "target_error": null,\n'
        '  "conformal_quantile": 0.9,\n  "target_coverage": null,\n  "metrics": {},\n'
        f'  "backbone": "tiny",\n  "data_hash": "{"d" * 64}",\n  "code_version": "0",\n'
        '  "created": "2026-01-01T00:00:00Z",\n  "config": {},\n  "data_kind": null,\n'
        f'  "outputs": [\n    "logits"\n  ],\n  "files": {{\n{rows}\n  }},\n'
        f'  "manifest_digest": "{sealed.manifest_digest}"\n}}\n'
    )


def test_the_digest_of_a_manifest_is_that_of_its_compact_json_with_sorted_keys() -> None:
    """Bundles that were written before have this digest; it must never change."""
    listed = demo_manifest(files={"model.onnx": "0" * 64}, metrics={"b": 1, "a": [1.5, None]}, config={"ä": "ü"})
    text = (
        '{"backbone":"tiny","classes":["angry","happy","other","sad"],"code_version":"0","confidence_threshold":0.6,'
        r'"config":{"\u00e4":"\u00fc"},"conformal_quantile":0.9,"created":"2026-01-01T00:00:00Z",'
        f'"data_hash":"{"d" * 64}","data_kind":null,"files":{{"model.onnx":"{"0" * 64}"}},'
        '"image":{"background":[128,128,128],"mean":[0.485,0.456,0.406],"resize":"center_crop","side_px":16,'
        '"std":[0.229,0.224,0.225]},"metrics":{"a":[1.5,null],"b":1},"name":"demo","outputs":["logits"],'
        '"schema_version":2,"target_coverage":null,"target_error":null,"temperature":1.5,"version":"1"}'
    )
    sealed = listed.with_digest()
    assert sealed.manifest_digest == hashlib.sha256(text.encode("ascii")).hexdigest()
    assert sealed.with_digest() == sealed


def test_the_contents_are_every_file_and_the_manifest_last(whole: Bundle) -> None:
    found = dict(whole.contents())
    assert list(found) == [*sorted(NAMES), "manifest.json"]
    assert found == {**demo_files(), "manifest.json": (whole.folder / "manifest.json").read_bytes()}


def test_a_draft_expects_every_file_that_was_written_into_it(tmp_path: Path) -> None:
    draft = DirectoryDraft(tmp_path)
    written = write_into(draft, demo_manifest(), {**demo_files(), "data.csv": b"path,label\n"})
    assert draft.expected == {*NAMES, "data.csv", "manifest.json"}
    assert verify(tmp_path) == written == Bundle(tmp_path, read(tmp_path), written.sha256)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, whole: Bundle) -> None:
    again = write(tmp_path / "again", demo_manifest(), dict(reversed(demo_files().items())))
    assert again.sha256 == whole.sha256


def test_variants_of_the_model_travel_with_it(tmp_path: Path) -> None:
    written = write(tmp_path / "b", demo_manifest(), {**demo_files(), "model.int8.onnx": b"small"})
    assert "model.int8.onnx" in verify(written.folder).manifest.files


def test_the_manifest_gives_how_logits_become_answers(whole: Bundle) -> None:
    decision = whole.manifest.decision
    assert (decision.classes, decision.confidence_threshold, decision.conformal_quantile) == (DEFAULT_CLASSES, 0.6, 0.9)


def test_metrics_that_json_cant_say_survive_or_are_refused_when_written(tmp_path: Path) -> None:
    odd = demo_manifest(metrics={"x": float("nan"), "y": [float("inf")], "z": (1, 2)}, config={"path": {1: None}})
    written = write(tmp_path / "b", odd, demo_files())
    assert verify(written.folder).sha256 == written.sha256


def test_a_bundle_is_never_changed_unless_it_is_replaced_as_a_whole(whole: Bundle) -> None:
    told = (
        rf"^{re.escape(str(whole.folder))} exists, and bundles are immutable\. Choose another folder with --output\.$"
    )
    with pytest.raises(BundleError, match=told):
        write(whole.folder, demo_manifest(version="2"), demo_files())
    assert verify(whole.folder).manifest.version == "1"
    write(whole.folder, demo_manifest(version="2"), demo_files(), replace=True)
    assert verify(whole.folder).manifest.version == "2"


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_without_a_required_file_is_not_written(tmp_path: Path, name: str) -> None:
    some = {key: data for key, data in demo_files().items() if key != name}
    required = "A bundle with this manifest requires model.onnx, golden.npz, reference.npz, card.md"
    with pytest.raises(BundleError, match=f"^{re.escape(f'{required}; missing: {name}.')}$"):
        write(tmp_path / "b", demo_manifest(), some)
    with pytest.raises(BundleError, match=r"; missing: model\.onnx, golden\.npz, reference\.npz, card\.md\.$"):
        write(tmp_path / "b", demo_manifest(), {})
    assert list(tmp_path.iterdir()) == []


def test_objects_are_never_packed() -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        pack_arrays(evil=np.array([{}], dtype=object))


RULE = DomainRule(features="efficientnet_lite0", animal_threshold=0.4, target_false_alarms=0.02)


def test_a_domain_rule_is_written_and_read(tmp_path: Path) -> None:
    written = write(tmp_path / "b", demo_manifest(domain=RULE), {**demo_files(), "domain.onnx": b"graph"})
    assert verify(written.folder) == written
    assert written.manifest.domain == written.manifest.decision.domain == RULE
    assert json.loads((written.folder / "manifest.json").read_text("utf-8"))["domain"] == {
        "features": "efficientnet_lite0",
        "animal_threshold": 0.4,
        "target_false_alarms": 0.02,
    }


@pytest.mark.parametrize("changed", [{"animal_threshold": 0.3}, {"target_false_alarms": 0.5}, {"features": "other"}])
def test_an_edited_domain_rule_is_refused_by_the_digest(tmp_path: Path, changed: dict[str, Any]) -> None:
    folder = write(tmp_path / "b", demo_manifest(domain=RULE), {**demo_files(), "domain.onnx": b"graph"}).folder
    rewrite(folder, domain={**RULE.model_dump(), **changed})
    said = f"{folder / 'manifest.json'} was changed after it was written (manifest_digest differs)."
    assert refusal(folder) == f"{said} Export the run again."


def test_a_domain_rule_that_was_removed_is_refused_by_the_digest(tmp_path: Path) -> None:
    folder = write(tmp_path / "b", demo_manifest(domain=RULE), {**demo_files(), "domain.onnx": b"graph"}).folder
    rewrite(folder, domain=None)
    assert "manifest_digest differs" in refusal(folder)


def test_a_bundle_with_a_domain_rule_without_its_network_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    with pytest.raises(BundleError) as error:
        write(folder, demo_manifest(domain=RULE), demo_files())
    assert str(error.value) == (
        "A bundle with this manifest requires model.onnx, golden.npz, reference.npz, card.md, domain.onnx; "
        "missing: domain.onnx."
    )
    forged = write(folder, demo_manifest(), demo_files()).manifest.model_copy(update={"domain": RULE}).with_digest()
    (folder / "manifest.json").write_text(forged.model_dump_json(), "utf-8")
    assert refusal(folder, verify) == f"{folder}: the manifest does not list domain.onnx. Export the run again."


OLDER = """\
{
  "schema_version": 2,
  "name": "demo",
  "version": "1",
  "classes": [
    "happy",
    "sad"
  ],
  "image": {
    "side_px": 16,
    "resize": "center_crop",
    "mean": [
      0.485,
      0.456,
      0.406
    ],
    "std": [
      0.229,
      0.224,
      0.225
    ],
    "background": [
      128,
      128,
      128
    ]
  },
  "temperature": 1.5,
  "confidence_threshold": 0.6,
  "target_error": null,
  "conformal_quantile": 0.9,
  "target_coverage": null,
  "metrics": {
    "a": [
      1.5,
      null
    ]
  },
  "backbone": "tiny",
  "data_hash": "dddd",
  "code_version": "0",
  "created": "2026-01-01T00:00:00Z",
  "config": {},
  "data_kind": "photographs",
  "outputs": [
    "logits"
  ],
  "files": {
    "card.md": "6dd4fb8aa01a86fc598a4fe607826a52f739d75870e0dc6250a5640a90080e73",
    "golden.npz": "f9b6ba2e23c204a94d4da451704e165964ec96a0f0943d831617d4d890e0b319",
    "model.onnx": "d7c4b743081e6ccdf263598ab3a94f5df38c9f2aec014973c0806819d7762f26",
    "reference.npz": "d437223277e116dc8f88f62858027254b7a3e31d19c85277aabd09fbfc5a775b"
  },
  "manifest_digest": "6705d4060314c57086ebada4450bee38ebdbf567c62055a4bfe73a1ae9268a4c"
}
"""
"""A manifest that was written before manifests had the key ``domain``."""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Return a bundle that was written before manifests had the key ``domain``; each file holds its own name."""
    folder = tmp_path / "older"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(name)
    (folder / "manifest.json").write_text(OLDER)
    return folder


def test_a_bundle_of_before_the_domain_rule_is_verified_and_has_none(older: Path) -> None:
    found = verify(older)
    assert found.manifest.domain is None
    assert found.manifest.decision.domain is None
    assert found.sha256 == hashlib.sha256(OLDER.encode()).hexdigest()


def test_a_bundle_without_a_domain_rule_is_written_as_before_so_that_older_versions_read_it(
    older: Path, tmp_path: Path
) -> None:
    manifest = read(older).model_copy(update={"files": {}, "manifest_digest": ""})
    write(tmp_path / "again", manifest, {name: name.encode() for name in NAMES})
    assert (tmp_path / "again/manifest.json").read_text("utf-8") == OLDER


# --- 26 damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, "manifest.json"])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.97])
def test_one_flipped_bit_in_any_file_is_found(whole: Bundle, name: str, place: float) -> None:
    path = whole.folder / name
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError) as refusal:
        verify(whole.folder)
    assert "\n" not in str(refusal.value)


def test_every_single_bit_of_the_manifest_counts_or_changes_nothing(whole: Bundle) -> None:
    path = whole.folder / "manifest.json"
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes((data[place] ^ 4,)) + data[place + 1 :])
        try:
            found = read(whole.folder)
        except BundleError:
            continue
        assert found == whole.manifest


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("left", [0, 20])
def test_a_truncated_or_empty_file_is_found(whole: Bundle, name: str, left: int) -> None:
    os.truncate(whole.folder / name, min(left, (whole.folder / name).stat().st_size - 1))
    with pytest.raises(BundleError, match="changed or damaged"):
        verify(whole.folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(whole: Bundle, name: str) -> None:
    (whole.folder / name).unlink()
    said = f"{whole.folder}: {name} is missing. Export the run again, or copy the folder again."
    assert refusal(whole.folder, verify) == said


def test_a_folder_that_is_no_bundle_is_shown_how_to_make_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleError, match=f"petmood export RUN --output {re.escape(str(folder))}$"):
            verify(folder)


def refusal(folder: Path, check: Callable[[Path], object] = read) -> str:
    with pytest.raises(BundleError) as error:
        check(folder)
    return str(error.value)


def test_a_changed_file_and_one_in_another_folder_are_told_in_one_line(whole: Bundle) -> None:
    folder = whole.folder
    (folder / "sub").mkdir()
    (folder / "sub/card.md").write_bytes(b"# demo\n")
    (folder / "link.md").symlink_to("card.md")
    digest = hashlib.sha256(b"# demo\n").hexdigest()
    verify_file(folder, "card.md", digest)
    for name, expected, told in (
        ("card.md", "0" * 64, f"card.md was changed or damaged (SHA-256 differs). {AGAIN}"),
        ("model.onnx", digest, f"model.onnx was changed or damaged (SHA-256 differs). {AGAIN}"),
        ("sub/card.md", digest, f"expected 'sub/card.md' to be {INSIDE}"),
        ("link.md", digest, f"expected 'link.md' to be {INSIDE}"),
        ("sub", digest, "sub is missing. Export the run again, or copy the folder again."),
    ):
        with pytest.raises(BundleError) as error:
            verify_file(folder, name, expected)
        assert str(error.value) == f"{folder}: {told}"


AGAIN = "Copy or export the bundle again."
INSIDE = (
    "a regular file in this folder, got a link or a path outside it. Copy the bundle with cp -rL, or export it again."
)


def test_a_folder_that_does_not_exist_is_told_from_one_without_a_manifest(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert refusal(missing).startswith(f"No bundle at {missing}: the folder does not exist. Check the path, or export")
    assert refusal(tmp_path).startswith(f"{tmp_path} is not a bundle: manifest.json is missing. Export one with: ")


def test_a_file_in_place_of_a_bundle_is_named(whole: Bundle) -> None:
    path = whole.folder / "manifest.json"
    assert refusal(path) == f"{path} is a file, not a bundle. Give the bundle's folder."


def test_a_run_in_place_of_a_bundle_names_the_command_that_exports_it(tmp_path: Path) -> None:
    run = tmp_path / "first run"
    run.mkdir()
    (run / "run.json").touch()
    assert refusal(run).startswith(f"{run} is a run, not a bundle. Export it with: ")
    assert refusal(run).endswith(f"export '{run}' --output 'bundles/first run'")


def test_a_dataset_in_place_of_a_bundle_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.csv").touch()
    assert refusal(tmp_path) == f"{tmp_path} is a dataset, not a bundle. Give the bundle's folder."


def test_a_folder_of_bundles_names_them(whole: Bundle) -> None:
    write(whole.folder.with_name("another"), demo_manifest(), demo_files())
    (whole.folder.with_name("other")).mkdir()
    folder = whole.folder.parent
    assert refusal(folder) == f"{folder} is not a bundle: manifest.json is missing. Bundles in it: another, demo."


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 9.0},
        {"classes": ["sad", "happy", "other", "angry"]},
        {"confidence_threshold": 0.0},
        {"image": {**ImageSpec(side_px=16).model_dump(), "resize": "letterbox"}},
        {"files": {}},
        {"manifest_digest": ""},
    ],
)
def test_a_changed_manifest_is_refused_by_its_seal(whole: Bundle, changes: dict[str, Any]) -> None:
    rewrite(whole.folder, **changes)
    path = whole.folder / "manifest.json"
    said = f"{path} was changed after it was written (manifest_digest differs). Export the run again."
    assert refusal(whole.folder, verify) == said


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"temperature": 0}, "temperature: Expected a number greater than 0, got 0"),
        ({"temperature": {"unit": "K"}}, "temperature: Expected a number"),
        ({"classes": None}, "classes: Expected a list, got None"),
        ({"classes": ["one"]}, "classes: Expected a list with a length of 2 or more, got ['one']"),
        ({"conformal_quantile": 2}, "conformal_quantile: Expected a number of 1 or less, got 2"),
        ({"extra": 1}, "extra: Expected no such key, got 1"),
        ({"name": "../up"}, "name: Expected text that matches ^[a-z0-9][a-z0-9._-]{0,63}$, got '../up'"),
        ({"image": {"side_px": 7}}, "image.side_px: Expected a number of 8 or more, got 7"),
        ({"image": {"side_px": 7, "mean": 0}}, "image.side_px: Expected a number of 8 or more, got 7"),
        ({"classes": ["a", 2]}, "classes.1: Expected text, got 2"),
    ],
)
def test_an_impossible_manifest_is_refused_by_the_name_of_the_field(
    whole: Bundle, changes: dict[str, Any], told: str
) -> None:
    rewrite(whole.folder, **changes)
    assert refusal(whole.folder) == f"{whole.folder / 'manifest.json'} is damaged: {told}. Export the run again."


def test_of_an_error_with_several_lines_or_none_the_first_line_or_the_type_is_told(
    whole: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, told in ((ValueError("one\ntwo"), "one"), (RecursionError(), "RecursionError")):

        def fail(_: Path, error: Exception = error) -> bytes:
            raise error

        monkeypatch.setattr(bundle, "read_limited", fail)
        assert refusal(whole.folder) == f"{whole.folder / 'manifest.json'} is damaged: {told}. Export the run again."


@pytest.mark.parametrize("version", [None, 0, 3, "2"])
def test_another_schema_is_refused_with_the_expected_one(whole: Bundle, version: object) -> None:
    rewrite(whole.folder, schema_version=version)
    path = whole.folder / "manifest.json"
    assert refusal(whole.folder) == f"{path}: expected schema version 2, got {version!r}. Export the run again."
    path.write_text("[2]")
    assert refusal(whole.folder) == f"{path}: expected schema version 2, got None. Export the run again."


def test_the_first_schema_is_refused_with_the_command_that_converts_it(whole: Bundle) -> None:
    rewrite(whole.folder, schema_version=1)
    folder = str(whole.folder)
    told = re.escape(f"{folder}/manifest.json: expected schema version 2, got 1. Convert it with: ")
    command = re.escape(f"petmood bundle upgrade {folder} --output {folder}-v2")
    assert re.fullmatch(f"{told}.*{command}", refusal(whole.folder))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000])
def test_rubbish_for_a_manifest_is_refused_in_one_line(whole: Bundle, text: bytes) -> None:
    (whole.folder / "manifest.json").write_bytes(text)
    with pytest.raises(BundleError) as refusal:
        read(whole.folder)
    assert "\n" not in str(refusal.value)


# --- 27 what doesn't belong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._model.onnx"])
def test_a_file_manager_s_file_doesn_t_damage_a_bundle(whole: Bundle, name: str) -> None:
    (whole.folder / name).write_bytes(b"view")
    assert verify(whole.folder) == whole


def test_a_damaged_manifest_is_explained_in_the_project_s_words(whole: Bundle) -> None:
    path = whole.folder / "manifest.json"
    intact = json.loads(path.read_text())
    for change, said in (
        ({"temperature": "hot"}, "temperature: Expected a number, got 'hot'"),
        ({"extra": 1}, "extra: "),
    ):
        path.write_text(json.dumps({**intact, **change}))
        with pytest.raises(BundleError, match=said) as refusal:
            verify(whole.folder)
        assert "Input should" not in str(refusal.value)
        assert "permitted" not in str(refusal.value)


def test_a_foreign_file_or_folder_is_named(whole: Bundle) -> None:
    (whole.folder / "evil.so").touch()
    (whole.folder / "cache").mkdir()
    assert refusal(whole.folder, verify) == (
        f"{whole.folder} contains files that its manifest does not list: cache, evil.so. Remove them."
    )


@pytest.mark.parametrize("name", [*NAMES, "manifest.json"])
def test_a_link_in_place_of_a_file_is_refused_even_when_it_leads_to_the_same_bytes(whole: Bundle, name: str) -> None:
    outside = whole.folder.parent / "outside"
    (whole.folder / name).rename(outside)
    (whole.folder / name).symlink_to(outside)
    assert refusal(whole.folder, verify) == (
        f"Expected {whole.folder / name} to be a regular file, got a link. Copy the bundle with cp -rL."
        if name == "manifest.json"
        else f"{whole.folder}: expected {name!r} to be {INSIDE}"
    )


@pytest.mark.parametrize("name", ["../outside", "sub/file", "/etc/hostname", "..", "", "a\0b"])
def test_a_manifest_that_points_out_of_its_folder_is_refused(whole: Bundle, name: str) -> None:
    (whole.folder.parent / "outside").write_bytes(b"x")
    forged = whole.manifest.model_copy(update={"files": {**whole.manifest.files, name: "0" * 64}}).with_digest()
    (whole.folder / "manifest.json").write_text(forged.model_dump_json(), "utf-8")
    with pytest.raises(BundleError, match=r"outside it|missing"):
        verify(whole.folder)


def test_a_manifest_that_lists_no_model_is_refused(whole: Bundle) -> None:
    rest = {name: digest for name, digest in whole.manifest.files.items() if name != "model.onnx"}
    forged = whole.manifest.model_copy(update={"files": rest}).with_digest()
    (whole.folder / "manifest.json").write_text(forged.model_dump_json(), "utf-8")
    said = f"{whole.folder}: the manifest does not list model.onnx. Export the run again."
    assert refusal(whole.folder, verify) == said
