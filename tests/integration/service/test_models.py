"""Tests of model changes: bad bundles are rejected; loads and rollbacks fail no request."""

import json
import os
import pickle
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import pytest

from petmood.core.bundle import Bundle, write
from tests.support.fault_table import FaultTable
from tests.support.served import Answer, Served, serving
from tests.support.traffic import steady

pytestmark = pytest.mark.proof
TOKEN: Final = secrets.token_hex(16)
BEARER: Final = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
ROLLED_BACK_S: Final = 30
"""Seconds; six times the allowed rollback time, as the previous model is still in memory."""
REFUSED: Final = 'petmood_model_loads_total{result="refused"}'


@pytest.fixture(scope="module")
def admin(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve with admin routes."""
    log = tmp_path_factory.getbasetemp() / "admin.log"
    with serving(bundle.folder, log, PETMOOD_ADMIN_TOKEN=TOKEN) as served:
        yield served


def load(served: Served, folder: Path | str, **headers: str) -> Answer:
    """Request the load of another bundle."""
    body = json.dumps({"bundle": str(folder)}).encode()
    return served.ask("/models/load", method="POST", body=body, headers=BEARER | headers)


def roll_back(served: Served) -> Answer:
    """Request a rollback to the previous model."""
    return served.ask("/models/rollback", method="POST", headers=BEARER | {"X-Request-Id": "back"})


# --- 26, 27: bundles that must not be loaded --------------------------------------------------------------------------

Files = dict[str, bytes]


def repacked(bundle: Bundle, to: Path, change: Callable[[Files], Files], **manifest: Any) -> None:  # noqa: ANN401 - any field
    """Write a tampered bundle with recomputed hashes, as an attacker would."""
    files = {name: (bundle.folder / name).read_bytes() for name in bundle.manifest.files}
    write(to, bundle.manifest.model_copy(update=manifest), change(files))


def same(files: Files) -> Files:
    """Change nothing."""
    return files


def model_of(content: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    """Return a change of the network file only."""
    return lambda files: files | {"model.onnx": content(files["model.onnx"])}


def with_a_flipped_bit(data: bytes) -> bytes:
    """Flip the highest bit of one weight's exponent: such a network loads, and gives logits of 4e37."""
    model = onnx.load_from_string(data)
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    raw = bytearray(weights.raw_data)
    raw[3] ^= 0x40
    weights.raw_data = bytes(raw)
    return bytes(model.SerializeToString())


def with_external_data(data: bytes) -> bytes:
    """Keep a tensor in a file outside of the bundle."""
    model = onnx.load_from_string(data)
    tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "../../../etc/passwd"), ("offset", "0"), ("length", "4")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


class Harm:
    """Object that creates a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.trace),))


def objects(files: Files, trace: Path) -> Files:
    """Replace the golden photos by pickled objects."""
    path = trace.with_suffix(".npz")
    np.savez(path, pixels=np.array([Harm(trace)], dtype=object), logits=np.zeros((1, 4), np.float32))
    return files | {"golden.npz": path.read_bytes()}


def copied(bundle: Bundle, to: Path) -> Path:
    """Copy a bundle as it is."""
    shutil.copytree(bundle.folder, to)
    return to


def cut_file(bundle: Bundle, to: Path) -> None:
    """Truncate the network without updating the hashes."""
    path = copied(bundle, to) / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1000])


def without_classes(bundle: Bundle, to: Path) -> None:
    """Remove the class map from the manifest."""
    path = copied(bundle, to) / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["classes"]
    path.write_text(json.dumps(manifest))


def linked(bundle: Bundle, to: Path) -> None:
    """Replace the network by a symlink to a file outside."""
    path = copied(bundle, to) / "model.onnx"
    outside = path.rename(to.parent / "outside.onnx")
    path.symlink_to(outside)


def piped(bundle: Bundle, to: Path) -> None:
    """Replace the network by a named pipe, which would block the reader."""
    path = copied(bundle, to) / "model.onnx"
    path.unlink()
    os.mkfifo(path)


BAD: Final[dict[str, tuple[int, Callable[[Bundle, Path], None]]]] = {
    "a cut network": (26, cut_file),
    "a cut network, new hashes": (26, lambda b, to: repacked(b, to, model_of(lambda data: data[:-1000]))),
    "an empty network, new hashes": (26, lambda b, to: repacked(b, to, model_of(lambda _: b""))),
    "one flipped bit, new hashes": (26, lambda b, to: repacked(b, to, model_of(with_a_flipped_bit))),
    "no class map": (26, without_classes),
    "another temperature, new hashes": (
        26,
        lambda b, to: repacked(b, to, same, temperature=b.manifest.temperature * 1.1),
    ),
    "a pickle named model.onnx": (
        27,
        lambda b, to: repacked(b, to, model_of(lambda _: pickle.dumps(Harm(to.parent / "unpickled")))),
    ),
    "pickled golden photos": (
        27,
        lambda b, to: repacked(b, to, lambda files: objects(files, to.parent / "unpickled")),
    ),
    "external data": (27, lambda b, to: repacked(b, to, model_of(with_external_data))),
    "a link": (27, linked),
    "a pipe": (27, piped),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_bundle_is_refused_and_the_old_model_goes_on(
    admin: Served, bundle: Bundle, table: FaultTable, good: bytes, tmp_path: Path, name: str
) -> None:
    fault, build = BAD[name]
    build(bundle, tmp_path / "bad")
    refused, before = admin.count(REFUSED), admin.predict(good).body
    answer = load(admin, tmp_path / "bad", **{"X-Request-Id": f"load-{list(BAD).index(name)}"})
    table.add(fault, name, answer.status, answer.code)
    assert (answer.status, answer.code) == (422, "unprocessable_content")
    assert "the active model is unchanged" in answer.body["message"]
    assert admin.count(REFUSED) == refused + 1
    after = admin.predict(good).body
    assert (after["model"], after["probabilities"]) == (before["model"], before["probabilities"])
    assert admin.ask("/readyz").status == 200
    assert not (tmp_path / "unpickled").exists(), "something was unpickled"
    assert any(
        line.get("request_id") == f"load-{list(BAD).index(name)}" and "rejected" in line["message"]
        for line in admin.lines()
    )


@pytest.mark.parametrize(
    "folder", ["/nowhere", "a" * 1000, "\0", "/dev", "/proc/self/mem", "../../../etc", "http://x/"]
)
def test_what_is_no_bundle_is_refused(admin: Served, folder: str) -> None:
    refused = admin.count(REFUSED)
    assert (load(admin, folder).status, admin.count(REFUSED)) == (422, refused + 1)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"bundle": 1}', b'{"bundle": ""}', b'{"bundle": "a", "b": 1}', b"\xff"]
)
def test_what_is_no_order_is_refused(admin: Served, body: bytes) -> None:
    assert admin.ask("/models/load", method="POST", body=body, headers=BEARER).status == 400


# --- 28: hot swap -----------------------------------------------------------------------------------------------------


def test_models_change_under_requests_and_none_fails(
    bundle: Bundle, other_bundle: Bundle, table: FaultTable, good: bytes, tmp_path: Path, log: Path
) -> None:
    cut_file(bundle, tmp_path / "bad")
    with serving(bundle.folder, log, PETMOOD_ADMIN_TOKEN=TOKEN) as served:
        assert roll_back(served).status == 422, "there is nothing to go back to yet"
        with steady(served, good) as traffic:
            traffic.wait_for_more()
            assert load(served, tmp_path / "bad", **{"X-Request-Id": "bad"}).status == 422
            traffic.wait_for_more()
            swapped_at = time.monotonic()
            assert load(served, other_bundle.folder, **{"X-Request-Id": "there"}).status == 200
            there_at = time.monotonic()
            traffic.wait_for_more()
            before_back_at = time.monotonic()
            back = roll_back(served)
            back_at = time.monotonic()
            traffic.wait_for_more()
        versions = {one.sha256: one.manifest.version for one in (bundle, other_bundle)}
        numbers = served.numbers()
        logged = {
            line["request_id"]: line for line in served.lines() if line.get("logger", "").endswith("serving.service")
        }
    table.add(28, "a swap under requests", back.status)
    assert back.status == 200
    assert back.seconds < ROLLED_BACK_S
    assert traffic.failed() == []
    for one in traffic.asked:
        assert one.answer is not None
        model = one.answer.body["model"]
        assert versions[model["sha256"]] == model["version"]
    assert traffic.models(until=swapped_at) == traffic.models(since=back_at) == {bundle.sha256}
    assert traffic.models(since=there_at, until=before_back_at) == {other_bundle.sha256}
    loads = {
        result: numbers[f'petmood_model_loads_total{{result="{result}"}}']
        for result in ("loaded", "rolled_back", "refused")
    }
    assert loads == {"loaded": 1, "rolled_back": 1, "refused": 1}
    assert set(logged) == {"bad", "there", "back"}
    assert all(line["time"] for line in logged.values())
    assert logged["there"]["model"] == logged["back"]["model_before"] == other_bundle.sha256
