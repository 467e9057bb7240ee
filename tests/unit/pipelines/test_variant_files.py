"""Tests of a run's variant in an export: added, refused with its reason, or not of this run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.core.bundle import verify
from petmood.core.errors import BundleError, ConfigError, RunError
from petmood.core.files import atomic_write_json
from petmood.inference.load import load_bundle
from petmood.pipelines.export import export_run
from petmood.pipelines.run_folder import RunFolder


@pytest.fixture
def run(optimized_run: RunFolder, tmp_path: Path) -> RunFolder:
    """Return a copy of the run with a variant, to change."""
    return RunFolder(Path(shutil.copytree(optimized_run.path, tmp_path / "run")))


def edit(run: RunFolder, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what was measured."""
    path = run.optimized / "optimize.json"
    found = json.loads(path.read_bytes())
    change(found)
    atomic_write_json(path, found)


def test_an_accepted_variant_is_in_the_bundle_with_its_golden_outputs_and_is_run_when_asked_for(
    optimized_run: RunFolder, tmp_path: Path
) -> None:
    made = export_run(optimized_run, to=tmp_path / "both", variant="int8")
    (info,) = verify(made.folder).manifest.variants
    assert (info.name, info.split, info.photos, info.calibrated_on) == ("int8", "test", 16, 24)
    assert load_bundle(made.folder).variant == "fp32"
    assert load_bundle(made.folder, variant="int8").variant == "int8"


def test_export_refuses_a_variant_that_loses_too_much_and_leaves_nothing(run: RunFolder, tmp_path: Path) -> None:
    edit(run, lambda found: found["rows"][1].update(refusal="its accuracy changes by -5.0 points"))
    with pytest.raises(BundleError, match=r"int8 of .* is refused: its accuracy changes by -5.0 points\. Nothing was"):
        export_run(run, to=tmp_path / "bundle", variant="int8")
    assert not (tmp_path / "bundle").exists()


def _other_weights(run: RunFolder) -> None:
    edit(run, lambda found: found["variant"].update(weights="0" * 64))


def _damaged_network(run: RunFolder) -> None:
    (run.optimized / "model.int8.onnx").write_bytes(b"other")


def _missing_network(run: RunFolder) -> None:
    (run.optimized / "model.int8.onnx").unlink()


def _damaged_record(run: RunFolder) -> None:
    (run.optimized / "optimize.json").write_bytes(b"{")


def _none(run: RunFolder) -> None:
    shutil.rmtree(run.optimized)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_other_weights, "was trained again since its variant was made"),
        (_damaged_network, r"model.int8.onnx was changed or damaged"),
        (_missing_network, r"model.int8.onnx can't be read"),
        (_damaged_record, r"optimize.json can't be read"),
        (_none, "has no variant int8. Make one with: .* optimize"),
    ],
)
def test_a_variant_that_is_not_of_this_run_is_refused_in_one_line(
    run: RunFolder, tmp_path: Path, change: Callable[[RunFolder], None], told: str
) -> None:
    change(run)
    with pytest.raises(RunError, match=told) as raised:
        export_run(run, to=tmp_path / "bundle", variant="int8")
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "bundle").exists()


def test_an_unknown_variant_is_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Expected the variant int8, got 'int4'"):
        export_run(run, to=tmp_path / "bundle", variant="int4")
