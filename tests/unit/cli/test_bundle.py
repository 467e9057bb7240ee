"""Bundle commands: export, verification, and rejection of a bundle after one flipped bit."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.pipelines.run_folder import RunFolder
from tests.support.signing import key_pair


def test_a_run_becomes_a_bundle_that_is_whole(
    petmood: Callable[..., Any], small_run: RunFolder, tmp_path: Path
) -> None:
    done = petmood("export", small_run.path, "--output", tmp_path / "first", "--name", "pets-1")
    assert done.code == 0
    assert done.out.startswith(f"Bundle: {tmp_path}/first, pets-1 ")
    program, *words = shlex.split(done.out.partition("Next: ")[2])
    assert (program, words[:2]) == ("petmood", ["predict", f"{tmp_path}/first"])
    assert petmood(*words).code == 0
    done = petmood("bundle", "verify", tmp_path / "first")
    assert done.out.startswith(f"{tmp_path}/first is valid: pets-1 ")
    again = petmood("export", small_run.path, "--output", tmp_path / "first")
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert "bundles are immutable" in again.err


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "reference.npz", "card.md", "manifest.json"])
def test_one_flipped_bit_is_one_line_and_code_2(
    petmood: Callable[..., Any], small_bundle: Path, small_set: Path, tmp_path: Path, name: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(small_bundle, broken)
    data = bytearray((broken / name).read_bytes())
    data[len(data) // 2] ^= 1
    (broken / name).write_bytes(data)
    for arguments in (["bundle", "verify", broken], ["predict", broken, small_set / "photos/test-000.png"]):
        done = petmood(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("petmood: ")
        assert done.err.count("\n") == 1


def test_what_is_no_run_and_what_is_no_bundle_are_refused(petmood: Callable[..., Any], tmp_path: Path) -> None:
    done = petmood("export", tmp_path, "--output", tmp_path / "b")
    assert (done.code, done.err.count("\n")) == (2, 1)
    done = petmood("bundle", "verify", tmp_path)
    assert done.code == 2
    assert "is not a bundle: manifest.json is missing" in done.err


def test_a_bundle_is_signed_and_verified_and_what_is_not_signed_so_is_one_line(
    petmood: Callable[..., Any], small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, keys, other = tmp_path / "signed", key_pair(tmp_path / "keys"), key_pair(tmp_path / "other")
    shutil.copytree(small_bundle, folder)
    demanded = ["bundle", "verify", folder, "--public-key", keys.public]
    done = petmood(*demanded)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"petmood: {folder} has no signature" in done.err
    done = petmood("bundle", "sign", folder, "--key", keys.private)
    assert done.out == f"Signature: {folder}.sig. Next: petmood bundle verify {folder} --public-key PUB\n"
    done = petmood(*demanded)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(f", signed for {keys.public}.\n")
    monkeypatch.setenv("PETMOOD_PUBLIC_KEY", str(other.public))
    done = petmood("bundle", "verify", folder)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "its signature is not valid" in done.err


def test_the_bill_of_materials_is_printed_or_written(
    petmood: Callable[..., Any], small_bundle: Path, tmp_path: Path
) -> None:
    done = petmood("bundle", "bom", small_bundle)
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    to = tmp_path / "new/bom.json"
    assert petmood("bundle", "bom", small_bundle, "--output", to).out == f"Bill of materials: {to}\n"
    assert to.read_text("utf-8") == done.out
    refused = petmood("bundle", "bom", tmp_path)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
