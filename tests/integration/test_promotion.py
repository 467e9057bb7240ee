"""Promotion of a better model, and rejection of every other one by the check that applies."""

import json
import shutil
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from petmood.configs.load import compose
from petmood.core.bundle import DATA_NAME, Bundle, write
from petmood.core.errors import BundleError, DataError
from petmood.core.golden import read_golden
from petmood.core.graph_outputs import LOGITS
from petmood.data.index import Role, Split, index_text, read_index, write_index
from petmood.export.onnx import to_onnx
from petmood.pipelines.export import export_run
from petmood.pipelines.networks import load_network
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from petmood.promotion import run_checks
from petmood.promotion.compare import measure_latency
from petmood.promotion.limits import Criterion, PromotionLimits
from petmood.promotion.records import PromotionReport
from petmood.promotion.run_checks import run_promotion_checks
from petmood.reports.promotion import write_promotion_report
from tests.support.latency import equal_latencies
from tests.support.networks import repacked
from tests.support.small_sets import SMALL, write_small_set

pytestmark = pytest.mark.proof

NOISE = 120.0


@pytest.fixture(autouse=True)
def equally_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model answer in the same time."""
    equal_latencies(monkeypatch)


@dataclass(frozen=True)
class Scene:
    """A data set, a run that learned it, its bundle, and the bundle of a run that saw few photos of another set."""

    data: Path
    run: RunFolder
    good: Bundle
    weak: Bundle


def learned(data: Path, name: str, *, epochs: int) -> RunFolder:
    """Train the tiny network."""
    positions = (f"data={data}", f"run.folder={data.parent}/runs", f"name={name}")
    return train(compose([*SMALL, *positions, f"epochs={epochs}", "evaluation.baselines=false"]))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("gate")
    data = write_small_set(folder / "data", train=240, valid=40, test=120, noise=NOISE)
    few = write_small_set(folder / "few", train=64, valid=40, test=8, noise=NOISE, seed=5)
    run = learned(data, "good", epochs=6)
    good = export_run(run, to=folder / "good")
    return Scene(data, run, good, export_run(learned(few, "weak", epochs=5), to=folder / "weak"))


def changed(bundle: Bundle, to: Path, *, files: dict[str, bytes] | None = None, **fields: Any) -> Path:  # noqa: ANN401 - any field of the manifest
    """Write a copy of a bundle in which some files and fields are others; it is whole again."""
    kept = {name: (bundle.folder / name).read_bytes() for name in bundle.manifest.files}
    write(to, bundle.manifest.model_copy(update=fields), {**kept, **(files or {})})
    return to


def slowed(model: bytes, *, layers: int = 40, side: int = 64) -> bytes:
    """Append convolutions that change nothing to a network: each is an identity over a wide field."""
    proto = onnx.load_from_string(model)
    graph = proto.graph
    out = next(one for one in graph.output if one.name == LOGITS)
    for node in graph.node:
        node.output[:] = ["before" if name == out.name else name for name in node.output]
    identity = np.zeros((4, 4, 3, 3), np.float32)
    identity[range(4), range(4), 1, 1] = 1.0
    constants = {"axes": np.array([2, 3]), "wide": np.array([1, 1, side, side]), "identity": identity}
    constants |= {"first": np.array([0, 0]), "second": np.array([1, 1])}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.append(helper.make_node("Unsqueeze", ["before", "axes"], ["layer0"], name="up"))
    graph.node.append(helper.make_node("Expand", ["layer0", "wide"], ["layer1"], name="wide"))
    for number in range(1, layers + 1):
        names = [f"layer{number}", "identity"], [f"layer{number + 1}"]
        graph.node.append(helper.make_node("Conv", *names, name=f"same{number}", pads=[1, 1, 1, 1]))
    sliced = [f"layer{layers + 1}", "first", "second", "axes"]
    graph.node.append(helper.make_node("Slice", sliced, ["corner"], name="corner"))
    graph.node.append(helper.make_node("Squeeze", ["corner", "axes"], [out.name], name="down"))
    assert out.type.tensor_type.elem_type == TensorProto.FLOAT
    return bytes(proto.SerializeToString())


def failing(report: PromotionReport) -> list[str]:
    return [check.name for check in report.checks if not check.passed]


def test_a_better_model_takes_the_place_of_a_weak_one(scene: Scene, tmp_path: Path) -> None:
    report = run_promotion_checks(scene.good.folder, scene.weak.folder, data=scene.data, created="2026-01-01T00:00:00Z")
    assert report.failed == ()
    assert report.passed
    assert [check.name for check in report.checks] == [
        *(
            "integrity",
            "same_classes",
            "held_out",
            "superiority",
            "per_class_recall",
            "calibration",
            "robustness",
            "latency",
            "size",
            "domain",
        ),
    ]
    assert report.held_out is not None
    assert (report.held_out.split, report.held_out.photos, report.held_out.excluded) == ("test", 120, 0)
    assert report.notes == ()
    write_promotion_report(report, tmp_path)
    stored = json.loads((tmp_path / "promotion.json").read_text())
    assert stored == json.loads(json.dumps(report.to_json()))
    assert (stored["verdict"], stored["candidate"]["sha256"]) == ("passed", scene.good.sha256)
    assert stored["champion"]["sha256"] == scene.weak.sha256


def test_a_worse_model_is_refused_because_it_is_worse(scene: Scene) -> None:
    report = run_promotion_checks(scene.weak.folder, scene.good.folder, data=scene.data)
    assert {"superiority", "per_class_recall", "robustness"} <= set(failing(report))
    assert set(failing(report)) <= {"superiority", "per_class_recall", "robustness", "calibration"}
    assert report.failed[0].startswith("superiority: ")


def test_an_equal_model_is_not_better_but_no_worse(scene: Scene) -> None:
    assert failing(run_promotion_checks(scene.good.folder, scene.good.folder, data=scene.data)) == ["superiority"]
    limits = PromotionLimits(criterion=Criterion.NON_INFERIOR)
    assert run_promotion_checks(scene.good.folder, scene.good.folder, data=scene.data, limits=limits).failed == ()


@pytest.mark.parametrize("temperature", [8.0, 60.0])
def test_a_miscalibrated_model_is_refused_for_its_calibration_alone(
    scene: Scene, tmp_path: Path, temperature: float
) -> None:
    """The same network, but for a temperature that makes it unsure of everything it knows."""
    model = to_onnx(load_network(scene.run), side_px=24, temperature=temperature)
    fields = {"temperature": temperature, "outputs": (LOGITS,)}
    unsure = changed(scene.good, tmp_path / "unsure", files={"model.onnx": model}, **fields)
    limits = PromotionLimits(criterion=Criterion.NON_INFERIOR)
    assert failing(run_promotion_checks(unsure, scene.good.folder, data=scene.data, limits=limits)) == ["calibration"]


def test_a_slow_model_is_refused_for_its_latency_alone(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured by the processor time of this thread, in which a network runs: neighbors take none of it."""
    monkeypatch.setattr(run_checks, "measure_latency", partial(measure_latency, clock=time.thread_time))
    model = slowed((scene.good.folder / "model.onnx").read_bytes())
    slow = changed(scene.good, tmp_path / "slow", files={"model.onnx": model})
    report = run_promotion_checks(slow, scene.weak.folder, data=scene.data)
    assert failing(report) == ["latency"]
    assert next(check for check in report.checks if check.name == "latency").numbers["ratio"] > 2


def test_a_large_model_is_refused_for_its_size_alone(scene: Scene, tmp_path: Path) -> None:
    proto = onnx.load_from_string((scene.good.folder / "model.onnx").read_bytes())
    ballast = np.random.default_rng(0).normal(size=(1300, 1000)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(ballast, "ballast"))
    large = changed(scene.good, tmp_path / "large", files={"model.onnx": bytes(proto.SerializeToString())})
    assert failing(run_promotion_checks(large, scene.weak.folder, data=scene.data)) == ["size"]


def flipped(folder: Path) -> None:
    """Flip one bit in the middle of a network."""
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(bytes(data))


def test_a_tampered_model_is_refused_before_it_is_run(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.good.folder, tmp_path / "tampered")
    flipped(tmp_path / "tampered")
    report = run_promotion_checks(tmp_path / "tampered", scene.weak.folder, data=scene.data)
    assert [(check.name, check.passed) for check in report.checks] == [("integrity", False)]
    assert "model.onnx was changed or damaged" in report.failed[0]
    assert report.candidate.name == "good"
    assert report.held_out is None


def test_a_network_that_was_exchanged_under_new_hashes_is_betrayed_by_its_golden_photos(
    scene: Scene, tmp_path: Path
) -> None:
    other = (scene.weak.folder / "model.onnx").read_bytes()
    exchanged = changed(scene.good, tmp_path / "exchanged", files={"model.onnx": other})
    report = run_promotion_checks(exchanged, scene.weak.folder, data=scene.data)
    assert failing(report) == ["integrity"]
    assert "golden photos differ from those of the trained network" in report.failed[0]


def test_a_broken_champion_is_an_error_and_no_verdict(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.weak.folder, tmp_path / "broken")
    flipped(tmp_path / "broken")
    with pytest.raises(BundleError, match=r"model\.onnx was changed"):
        run_promotion_checks(scene.good.folder, tmp_path / "broken", data=scene.data)


def test_a_first_model_has_to_beat_chance_alone(scene: Scene) -> None:
    report = run_promotion_checks(scene.good.folder, None, data=scene.data)
    assert report.passed
    assert [check.name for check in report.checks] == [
        "integrity",
        "same_classes",
        "held_out",
        "superiority",
        "calibration",
        "robustness",
        "latency",
        "size",
        "domain",
    ]


def test_photos_that_a_bundle_learned_from_and_their_relatives_are_left_out(scene: Scene, tmp_path: Path) -> None:
    """The candidate's own index had 30 of today's test photos in training, and a relative of ten more."""
    rows = list(read_index(scene.data))
    positions = [number for number, row in enumerate(rows) if row.split == "test"]
    for number in positions[:30]:
        rows[number] = replace(rows[number], split=Split.TRAIN)
    group_of = dict.fromkeys(positions[30:40], rows[positions[0]].group_id)
    before = [replace(row, group_id=group_of.get(number, row.group_id)) for number, row in enumerate(rows)]
    before = [replace(row, role=Role.EXCLUDED) if number in group_of else row for number, row in enumerate(before)]
    index = index_text(before).encode()
    leaky = changed(
        scene.good,
        tmp_path / "leaky",
        files={DATA_NAME: index},
        data_hash=write_index(tmp_path / "before", before).hash,
    )
    report = run_promotion_checks(leaky, scene.weak.folder, data=scene.data)
    assert report.held_out is not None
    assert (report.held_out.photos, report.held_out.excluded) == (80, 40)
    assert report.passed
    as_champion = run_promotion_checks(scene.good.folder, leaky, data=scene.data)
    assert as_champion.held_out == report.held_out


def test_too_few_photos_that_nobody_learned_from_are_no_proof(scene: Scene, tmp_path: Path) -> None:
    rows = [replace(row, split=Split.TRAIN) if row.path > "photos/test-010" else row for row in read_index(scene.data)]
    files = {DATA_NAME: index_text(rows).encode()}
    leaky = changed(scene.good, tmp_path / "leaky", files=files, data_hash=write_index(tmp_path / "then", rows).hash)
    report = run_promotion_checks(leaky, scene.weak.folder, data=scene.data)
    assert [check.name for check in report.checks] == ["integrity", "same_classes", "held_out"]
    assert failing(report) == ["held_out"]
    assert "10 photos of 4 classes" in report.failed[0]
    assert "110 left out (110 by bytes, 0 by content)" in report.failed[0]


def test_an_index_other_than_the_manifest_names_is_tampering(scene: Scene, tmp_path: Path) -> None:
    forged = changed(scene.good, tmp_path / "lying", files={DATA_NAME: (scene.weak.folder / DATA_NAME).read_bytes()})
    report = run_promotion_checks(forged, scene.weak.folder, data=scene.data)
    assert failing(report) == ["integrity"]
    assert "not the index that the manifest names" in report.failed[0]
    rubbish = changed(scene.good, tmp_path / "rubbish", files={DATA_NAME: b"\xff\x00"})
    assert (
        "data.csv can't be read. 'data.csv' isn't an index"
        in run_promotion_checks(rubbish, None, data=scene.data).failed[0]
    )


def test_a_model_of_other_classes_is_refused(scene: Scene, tmp_path: Path) -> None:
    foreign = changed(scene.good, tmp_path / "foreign", classes=("angry", "bored", "other", "sad"))
    report = run_promotion_checks(foreign, scene.weak.folder, data=scene.data)
    assert failing(report) == ["same_classes"]
    assert "The champion has the classes angry, happy, other, sad" in report.failed[0]
    other_way = run_promotion_checks(scene.good.folder, foreign, data=scene.data)
    assert failing(other_way) == ["same_classes"]
    assert "bored" in other_way.failed[0]


def test_classes_in_another_order_are_the_same_classes(scene: Scene, tmp_path: Path) -> None:
    golden, order = read_golden(scene.good), [3, 1, 0, 2]
    proto = onnx.load_from_string((scene.good.folder / "model.onnx").read_bytes())
    out = proto.graph.output[0]
    for node in proto.graph.node:
        node.output[:] = ["before" if name == out.name else name for name in node.output]
    proto.graph.initializer.append(numpy_helper.from_array(np.array(order), "order"))
    proto.graph.node.append(helper.make_node("Gather", ["before", "order"], [out.name], name="turn", axis=1))
    files = {
        "model.onnx": bytes(proto.SerializeToString()),
        "golden.npz": repacked(golden, logits=np.ascontiguousarray(golden.logits[:, order])),
    }
    classes = tuple(scene.good.manifest.classes[place] for place in order)
    turned = changed(scene.good, tmp_path / "turned", files=files, classes=classes)
    assert run_promotion_checks(turned, scene.weak.folder, data=scene.data).passed


def test_a_photo_that_is_not_what_the_index_says_evaluates_no_model(scene: Scene, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(scene.data, data)
    shutil.copy(data / "photos/test-001.png", data / "photos/test-000.png")
    with pytest.raises(DataError, match=r"test-000\.png' of .* differs from the photo in the index"):
        run_promotion_checks(scene.good.folder, None, data=data)
    (data / "photos/test-000.png").unlink()
    with pytest.raises(DataError, match=r"test-000\.png' of .* can't be read"):
        run_promotion_checks(scene.good.folder, None, data=data)
