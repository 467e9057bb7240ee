"""Tests of bundle export and its refusals."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from petmood.core.bundle import Bundle, verify
from petmood.core.bundle_files import read_card
from petmood.core.drift_reference import ReferenceInfo
from petmood.core.errors import BundleError, DataError
from petmood.core.golden import read_golden
from petmood.core.image_statistics import STATISTICS_VERSION, image_statistics
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import Prediction
from petmood.export import bundle as exporting
from petmood.export import variant
from petmood.export.bundle import export_bundle
from petmood.export.domain import FittedDomain, domain_onnx, domain_outputs
from petmood.inference.load import load_bundle
from petmood.inference.onnx import OnnxSession
from petmood.models.network import NetworkSpec, build_network
from petmood.monitoring.drift.bundle_reference import read_reference
from tests.support.fitted_domains import random_domain
from tests.support.images import faces, png
from tests.support.networks import IMAGE, METRICS, TEMPERATURE, facts, reference_photos, tiny_network

GOLDEN = faces(16, side_px=IMAGE.side_px)
REFERENCE = reference_photos()


@pytest.fixture
def ready_graph(shared_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Let the export take the graph that this list holds, since making one takes seconds."""
    graph = [(shared_bundle.folder / "model.onnx").read_bytes()]
    monkeypatch.setattr(exporting, "to_onnx", lambda network, **_: network.eval() and graph[0])
    return graph


def export(folder: Path, **changes: object) -> Bundle:
    """Export the tiny network."""
    network = tiny_network()
    return export_bundle(network, facts(**changes), golden=GOLDEN, reference=REFERENCE, to=folder)


def refusal(folder: Path, **changes: object) -> str:
    """Return the one line with which an export is refused; it leaves nothing behind."""
    with pytest.raises(BundleError) as refused:
        export(folder, **changes)
    assert list(folder.parent.iterdir()) == []
    return str(refused.value)


def raw_logits() -> NDArray[np.float32]:
    """Return what torch says of the golden photos."""
    with torch.inference_mode():
        logits: NDArray[np.float32] = tiny_network()(torch.from_numpy(GOLDEN).permute(0, 3, 1, 2)).numpy()
    return logits


def test_a_bundle_is_whole_and_answers(shared_bundle: Bundle) -> None:
    assert verify(shared_bundle.folder) == shared_bundle
    assert set(shared_bundle.manifest.files) == {"model.onnx", "golden.npz", "reference.npz", "card.md"}
    assert load_bundle(shared_bundle.folder).model.name == "demo"


def test_the_manifest_says_everything_that_the_facts_do(shared_bundle: Bundle) -> None:
    manifest, given = shared_bundle.manifest, facts()
    for name in type(given).__dataclass_fields__:
        if name not in {"photos", "species"}:
            assert getattr(manifest, name) == getattr(given, name), name
    assert (manifest.classes, manifest.image, manifest.metrics) == (DEFAULT_CLASSES, IMAGE, METRICS)
    assert manifest.config == {"seed": 0}


def test_the_version_is_the_graph_s_hash(shared_bundle: Bundle) -> None:
    digest = hashlib.sha256((shared_bundle.folder / "model.onnx").read_bytes()).hexdigest()
    assert shared_bundle.manifest.version == digest[:12]


def test_golden_logits_are_torch_s_own_before_the_temperature(shared_bundle: Bundle) -> None:
    golden = read_golden(shared_bundle)
    assert np.array_equal(golden.pixels, GOLDEN)
    assert np.allclose(golden.logits, raw_logits(), rtol=1e-4, atol=1e-5)


def test_the_reference_is_of_the_given_photos_and_the_manifest_describes_it(shared_bundle: Bundle) -> None:
    found = read_reference(shared_bundle)
    assert np.array_equal(found.statistics, image_statistics(REFERENCE.pixels))
    assert found.embedding.shape == (60, 640)
    assert shared_bundle.manifest.outputs == ("logits", "maps", "embedding", "residual")
    info = shared_bundle.manifest.reference
    assert info == ReferenceInfo(photos="held_out", count=60, statistics_version=STATISTICS_VERSION)


def test_a_bundle_without_reference_photos_says_so(tmp_path: Path) -> None:
    none = replace(REFERENCE, pixels=REFERENCE.pixels[:0], labels=REFERENCE.labels[:0])
    made = export_bundle(tiny_network(), facts(), golden=GOLDEN, reference=none, to=tmp_path / "a")
    assert made.manifest.reference is not None
    assert made.manifest.reference.count == 0
    assert len(read_reference(made)) == 0


def test_a_projection_needs_photos_to_be_fitted_to(tmp_path: Path) -> None:
    one = replace(REFERENCE, fit_to=REFERENCE.fit_to[:1])
    with pytest.raises(DataError, match="2 photos or more"):
        export_bundle(tiny_network(), facts(), golden=GOLDEN, reference=one, to=tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_the_card_is_there(shared_bundle: Bundle) -> None:
    assert (shared_bundle.folder / "card.md").read_text("utf-8").startswith("---\n")
    text = read_card(shared_bundle.folder)
    assert text.startswith(f"# demo {shared_bundle.manifest.version}")
    assert "On 120 test photos" in text


def test_logits_do_not_depend_on_how_many_photos_are_computed_at_once() -> None:
    network = tiny_network()
    assert np.allclose(
        exporting._in_batches(network, GOLDEN, size=5), exporting._in_batches(network, GOLDEN), atol=1e-5
    )


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_an_existing_folder_is_refused_at_once_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "to_onnx", None)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine.txt").write_text("mine")
    with pytest.raises(BundleError, match="bundles are immutable"):
        export(tmp_path / "demo")
    assert [path.name for path in tmp_path.rglob("*")] == ["demo", "mine.txt"]


@pytest.mark.usefixtures("ready_graph")
def test_an_existing_bundle_is_replaced_when_that_is_asked_for(tmp_path: Path) -> None:
    first = export(tmp_path / "demo")
    network = tiny_network()
    again = export_bundle(
        network, facts(name="second"), golden=GOLDEN, reference=REFERENCE, to=first.folder, replace=True
    )
    assert verify(tmp_path / "demo").manifest.name == again.manifest.name == "second"


@pytest.mark.usefixtures("ready_graph")
def test_a_graph_with_another_temperature_is_refused(tmp_path: Path) -> None:
    assert "ONNX and torch disagree" in refusal(tmp_path / "b", temperature=TEMPERATURE * 1.01)


@pytest.mark.usefixtures("ready_graph")
def test_a_graph_of_another_network_is_refused(tmp_path: Path) -> None:
    other = tiny_network()
    with torch.no_grad():
        next(iter(other.head.parameters()))[0, 0] += 0.5
    with pytest.raises(BundleError, match="ONNX and torch disagree"):
        export_bundle(other, facts(), golden=GOLDEN, reference=REFERENCE, to=tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("ready_graph")
def test_another_order_of_the_classes_in_the_head_is_refused(tmp_path: Path) -> None:
    other = tiny_network()
    with torch.no_grad():
        for weight in other.head.parameters():
            weight.copy_(weight[[1, 0, 2, 3]].clone())
    with pytest.raises(BundleError, match="ONNX and torch disagree"):
        export_bundle(other, facts(), golden=GOLDEN, reference=REFERENCE, to=tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("ready_graph")
def test_an_untrained_network_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSpec("tiny"), image=IMAGE, classes=4)
    with pytest.raises(BundleError, match="The network has learned too little"):
        export_bundle(network, facts(), golden=GOLDEN, reference=REFERENCE, to=tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_can_t_be_run_is_refused(tmp_path: Path, ready_graph: list[bytes]) -> None:
    ready_graph[0] = ready_graph[0][:1000]
    assert "not a valid ONNX network" in refusal(tmp_path / "b")


# --- domain scores ----------------------------------------------------------------------------------------------------


def export_guarded(folder: Path, fitted: FittedDomain) -> Bundle:
    """Export the tiny network with a network of domain scores."""
    return export_bundle(tiny_network(), facts(), golden=GOLDEN, reference=REFERENCE, to=folder, domain=fitted)


@pytest.mark.usefixtures("ready_graph")
def test_a_bundle_with_a_domain_is_verified_and_answers_with_its_scores(tmp_path: Path, shared_bundle: Bundle) -> None:
    fitted = random_domain()
    made = export_guarded(tmp_path / "b", fitted)
    assert verify(tmp_path / "b") == made
    assert (made.manifest.domain, shared_bundle.manifest.domain) == (fitted.rule, None)
    assert set(made.manifest.files) == {"model.onnx", "domain.onnx", "golden.npz", "reference.npz", "card.md"}
    both = [(made.folder / name).read_bytes() for name in ("model.onnx", "domain.onnx")]
    assert made.manifest.version == hashlib.sha256(b"".join(both)).hexdigest()[:12] != shared_bundle.manifest.version
    expected, golden = domain_outputs(fitted, GOLDEN, side_px=IMAGE.side_px), read_golden(made)
    assert golden.scores.keys() == expected.keys() == {"novelty", "animal"}
    assert all(np.array_equal(golden.scores[name], expected[name]) for name in expected)
    (answer,) = load_bundle(made.folder).predict_batch([png(GOLDEN[3])])
    assert isinstance(answer, Prediction)
    assert answer.domain is not None
    assert answer.domain.novelty == pytest.approx(float(expected["novelty"][3]), rel=1e-3)
    assert answer.domain.animal_score == pytest.approx(float(expected["animal"][3]), abs=1e-3)


@pytest.mark.usefixtures("ready_graph")
def test_another_domain_is_another_version(tmp_path: Path) -> None:
    fitted = random_domain()
    one, other = (
        export_guarded(tmp_path / name, domain)
        for name, domain in (("one", fitted), ("other", replace(fitted, limit=fitted.limit * 2)))
    )
    assert one.manifest.version != other.manifest.version


@pytest.mark.usefixtures("ready_graph")
def test_a_domain_graph_that_disagrees_with_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = random_domain()
    other = domain_onnx(replace(fitted, limit=fitted.limit * 1.01), side_px=IMAGE.side_px)
    monkeypatch.setattr(exporting, "domain_onnx", lambda *_, **__: other)
    said = r"^ONNX and torch disagree on novelty at batch 1 \(largest difference 0\.\d+\)\. Nothing was exported\.$"
    with pytest.raises(BundleError, match=said):
        export_guarded(tmp_path / "b", fitted)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("ready_graph")
@pytest.mark.parametrize("output", ["maps", "novelty"])
def test_an_output_that_is_right_one_by_one_and_wrong_in_batches_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    class Mixing(OnnxSession):
        """Session that reverses batches of more than two photos."""

        def run(self, pixels: NDArray[np.uint8], *, only: Sequence[str] = ()) -> dict[str, NDArray[np.float32]]:
            found = super().run(pixels, only=only)
            return {name: array[:: -1 if len(pixels) > 2 and name == output else 1] for name, array in found.items()}

    monkeypatch.setattr(variant, "OnnxSession", Mixing)
    with pytest.raises(BundleError, match=f"ONNX and torch disagree on {output} at batch 7"):
        export_guarded(tmp_path / "b", random_domain())


@pytest.mark.usefixtures("ready_graph")
@pytest.mark.parametrize(("limit", "worst"), [(float("nan"), "nan"), (1e-45, "nan")])
def test_a_domain_whose_scores_are_not_finite_is_refused(tmp_path: Path, limit: float, worst: str) -> None:
    """An infinite score agrees with itself; such a bundle would be written, and refused at every load."""
    with pytest.raises(BundleError, match=rf"disagree on novelty at batch 1 \(largest difference {worst}\)"):
        export_guarded(tmp_path / "b", replace(random_domain(), limit=limit))
    assert list(tmp_path.iterdir()) == []
