"""Tests of the synthetic demo source."""

import tempfile
from pathlib import Path

import pytest

from petmood.core.progress import no_progress
from petmood.data.sources.demo import DEMO_PHOTOS, DemoSource
from petmood.data.synthetic.animal_faces import SPECIES
from tests.support.progress import RecordedProgress


def test_drawn_photos_have_classes_and_species_and_vanish_with_the_source() -> None:
    source = DemoSource(photos=32, seed=1)
    found = source.scan(no_progress)
    paths = [entry.path for entry in found]
    good = [entry for entry in found if "flaw" not in entry.name]
    assert len(good) == 32
    assert all(entry.label and entry.split is None and entry.species in SPECIES for entry in good)
    assert {entry.species for entry in found if "flaw" in entry.name} == {""}
    assert all(path.is_file() for path in paths)
    source.close()
    assert not any(path.exists() for path in paths)
    source.close()


def test_scanning_again_draws_the_same_and_leaves_no_stale_files() -> None:
    source = DemoSource(photos=32, flaws=False)
    first = source.scan(no_progress)
    again = source.scan(no_progress)
    assert [entry.name for entry in first] == [entry.name for entry in again]
    assert not first[0].path.exists()
    source.close()


def test_the_demo_has_eight_hundred_photos_by_default() -> None:
    assert DemoSource().photos == DEMO_PHOTOS == 800


def test_by_default_the_same_photos_are_drawn_with_flaws() -> None:
    assert (DemoSource().seed, DemoSource().flaws) == (0, True)


def test_the_photos_lie_in_a_temporary_folder_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source, progress = DemoSource(photos=32, seed=3, flaws=False), RecordedProgress()
    found = source.scan(progress)
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("petmood-demo-")
    assert {entry.path.relative_to(folder).as_posix() for entry in found} == {entry.name for entry in found}
    assert progress.loops == [(32, "drawing pets"), (32, "scanning folders")]
    other = DemoSource(photos=32, seed=4, flaws=False)
    assert [entry.path.read_bytes() for entry in other.scan(no_progress)] != [
        entry.path.read_bytes() for entry in found
    ]
    for each in (source, other):
        each.close()
    assert list(tmp_path.iterdir()) == []
