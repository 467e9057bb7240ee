"""Tests of detached signatures: what is signed is verified, and anything else is refused in one line."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from model_signing import verifying

from petmood.core.errors import BundleError, ConfigError, SignatureError
from petmood.core.signature import SIGNATURE_BYTES, check_signature, read_signature, sign, signature_path
from tests.support.bundles import forge, word_bundle
from tests.support.signing import KeyPair, key_pair


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """Return a pair of keys."""
    return key_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def folder(tmp_path: Path, keys: KeyPair) -> Path:
    """Return a signed bundle."""
    made = word_bundle(tmp_path / "bundles", "one")
    sign(made, key=keys.private)
    return made


def check(folder: Path, public_key: Path) -> None:
    """Check the signature beside a bundle."""
    check_signature(folder, read_signature(folder), public_key=public_key)


def test_a_signature_lies_beside_the_bundle_and_is_valid_for_its_key(folder: Path, keys: KeyPair) -> None:
    assert signature_path(folder) == folder.with_name("one.sig")
    assert "one.sig" not in {path.name for path in folder.iterdir()}
    check(folder, keys.public)


def test_a_copy_under_another_name_is_as_valid_and_so_is_one_seen_by_a_file_manager(
    folder: Path, keys: KeyPair, tmp_path: Path
) -> None:
    copy = tmp_path / "dir ü" / "other name"
    shutil.copytree(folder, copy)
    shutil.copyfile(signature_path(folder), signature_path(copy))
    (copy / ".DS_Store").write_bytes(b"view")
    (copy / "._card.md").write_bytes(b"fork")
    check(copy, keys.public)


@pytest.mark.parametrize("curve", [ec.SECP384R1, ec.SECP521R1])
def test_longer_curves_sign_too(tmp_path: Path, curve: type[ec.EllipticCurve]) -> None:
    pair, folder = key_pair(tmp_path, curve=curve), word_bundle(tmp_path, "one")
    sign(folder, key=pair.private)
    check(folder, pair.public)


def test_keys_of_the_openssl_that_the_message_names_are_taken(tmp_path: Path) -> None:
    folder, key, public = word_bundle(tmp_path, "one"), tmp_path / "k.pem", tmp_path / "k.pub"
    make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(["openssl", "ec", "-in", str(key), "-pubout", "-out", str(public)], check=True, capture_output=True)
    sign(folder, key=key)
    check(folder, public)


def test_the_tool_of_the_standard_accepts_the_signature(folder: Path, keys: KeyPair) -> None:
    """Whoever has no petmood verifies with OpenSSF's own command."""
    config: Any = verifying.Config  # without types
    config().use_elliptic_key_verifier(public_key=keys.public).verify(folder, signature_path(folder))


def test_no_signature_is_refused_with_the_command_that_makes_one(folder: Path, keys: KeyPair) -> None:
    signature_path(folder).unlink()
    with pytest.raises(SignatureError, match=r"has no signature.*petmood bundle sign .* --key KEY$"):
        check(folder, keys.public)


def test_another_key_is_refused(folder: Path, tmp_path: Path) -> None:
    other = key_pair(tmp_path / "other")
    with pytest.raises(SignatureError, match="Key mismatch"):
        check(folder, other.public)
    sign(folder, key=other.private)
    check(folder, other.public)


def test_a_bundle_that_was_changed_and_sealed_again_is_refused(folder: Path, keys: KeyPair) -> None:
    """Hashes alone don't notice this: whoever can write files can write the manifest too."""
    forge(folder, "model.onnx", b"another network")
    with pytest.raises(SignatureError, match=r"Hash mismatch for 'manifest\.json'"):
        check(folder, keys.public)


@pytest.mark.parametrize("name", ["model.onnx", "card.md", "golden.npz", "reference.npz"])
def test_a_changed_file_is_refused(folder: Path, keys: KeyPair, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(SignatureError, match="Hash mismatch"):
        check(folder, keys.public)


def test_a_file_too_many_and_a_file_too_few_are_refused(folder: Path, keys: KeyPair) -> None:
    (folder / "extra.onnx").write_bytes(b"extra")
    with pytest.raises(SignatureError, match=r"extra\.onnx"):
        check(folder, keys.public)
    (folder / "extra.onnx").unlink()
    (folder / "card.md").unlink()
    with pytest.raises(SignatureError, match=r"card\.md"):
        check(folder, keys.public)


def test_the_signature_of_another_bundle_is_refused(folder: Path, keys: KeyPair, tmp_path: Path) -> None:
    other = word_bundle(tmp_path, "two")
    shutil.copyfile(signature_path(folder), signature_path(other))
    with pytest.raises(SignatureError, match="Hash mismatch"):
        check(other, keys.public)


def changed(signature: bytes, change: Callable[[dict[str, object]], None]) -> bytes:
    """Return a signature whose signed statement was changed."""
    bundle = json.loads(signature)
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    change(statement)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps(bundle).encode()


def ignore_everything(statement: dict[str, object]) -> None:
    """Let a statement ignore every file."""
    statement["predicate"] = {"serialization": {"method": "files", "ignore_paths": ["."]}, "resources": []}


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"\xff\xfe", id="no text"),
        pytest.param(lambda _: b"[]", id="a list"),
        pytest.param(lambda _: b"{}", id="an object"),
        pytest.param(lambda one: one[: len(one) // 2], id="half"),
        pytest.param(lambda one: changed(one, ignore_everything), id="another statement"),
        pytest.param(lambda one: one.replace(b'"signatures"', b'"signed"'), id="without signatures"),
        pytest.param(lambda _: b"[" * 100_000, id="nested"),
    ],
)
def test_a_damaged_signature_is_one_line(
    folder: Path, keys: KeyPair, forged: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SignatureError, match="its signature is not valid") as raised:
        check_signature(folder, forged(signature_path(folder).read_bytes()), public_key=keys.public)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000
    assert capsys.readouterr().out == ""


def test_a_huge_signature_is_not_read(folder: Path, keys: KeyPair) -> None:
    with signature_path(folder).open("wb") as file:
        file.truncate(SIGNATURE_BYTES + 1)
    with pytest.raises(SignatureError, match="at most 1,000,000 bytes"):
        check(folder, keys.public)


@pytest.mark.parametrize("text", [None, "", "no key", "folder"])
def test_what_is_no_key_is_one_line_that_says_how_to_make_one(folder: Path, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "no.pem"
    if text == "folder":
        path.mkdir()
    elif text is not None:
        path.write_text(text, "utf-8")
    before = signature_path(folder).read_bytes()
    for use in (lambda: check(folder, path), lambda: sign(folder, key=path)):
        with pytest.raises(ConfigError, match=r"no\.pem: expected a \w+ elliptic curve key") as raised:
            use()
        assert "\n" not in str(raised.value)
        assert "openssl ecparam" in str(raised.value)
    assert signature_path(folder).read_bytes() == before


def test_a_public_key_does_not_sign_and_a_key_of_another_curve_does_nothing(folder: Path, tmp_path: Path) -> None:
    pair, other = key_pair(tmp_path), key_pair(tmp_path / "k", curve=ec.SECP256K1)
    with pytest.raises(ConfigError, match="expected a private elliptic curve key"):
        sign(folder, key=pair.public)
    with pytest.raises(ConfigError, match="Unsupported key for curve"):
        sign(folder, key=other.private)
    with pytest.raises(ConfigError, match="Unsupported key for curve"):
        check(folder, other.public)


def test_a_damaged_bundle_is_not_signed(tmp_path: Path, keys: KeyPair) -> None:
    folder = word_bundle(tmp_path, "one")
    (folder / "card.md").write_bytes(b"changed")
    with pytest.raises(BundleError, match=r"card\.md was changed"):
        sign(folder, key=keys.private)
    assert not signature_path(folder).exists()


def test_what_is_no_bundle_is_called_so(tmp_path: Path, keys: KeyPair) -> None:
    with pytest.raises(BundleError, match="No bundle at"):
        check(tmp_path / "nothing", keys.public)
