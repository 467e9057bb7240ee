"""Tests of the synthetic dataset: class balance, copies, planted flaws and equal bytes for equal seeds."""

from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image
from scipy.stats import chi2_contingency

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.synthetic import dataset as demo
from petmood.data.synthetic.animal_faces import SPECIES
from petmood.data.synthetic.dataset import COPY_SHARE, FLAWS, write_demo


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder, photos=40, seed=4)
    return folder


def test_the_same_seed_writes_the_same_bytes_and_another_others(drawn: Path, tmp_path: Path) -> None:
    write_demo(tmp_path / "again", photos=40, seed=4)
    write_demo(tmp_path / "other", photos=40, seed=5, flaws=False)
    assert digests(tmp_path / "again") == digests(drawn)
    assert not set(digests(tmp_path / "other").values()) & set(digests(drawn).values())


def test_classes_come_equally_often_and_names_begin_with_the_species(drawn: Path) -> None:
    names = [name for name in digests(drawn) if "flaw" not in name]
    assert Counter(name.split("/")[0] for name in names) == dict.fromkeys(DEFAULT_CLASSES, 10)
    assert {name.split("/")[1].split("-")[0] for name in names} <= set(SPECIES)


def test_all_flaws_are_planted_and_are_what_they_say(drawn: Path) -> None:
    assert all((drawn / name).is_file() for name in FLAWS)
    assert (drawn / "happy/flaw-empty.jpg").stat().st_size == 0
    modes = {}
    for name in ("sad/flaw-cmyk.jpg", "sad/flaw-grey16.png", "angry/flaw-transparent.png", "angry/flaw-turned.jpg"):
        with Image.open(drawn / name) as image:
            modes[name.split("flaw-")[1]] = (image.mode, image.getexif().get(0x0112))
    assert modes == {
        "cmyk.jpg": ("CMYK", None),
        "grey16.png": ("I;16", None),
        "transparent.png": ("RGBA", None),
        "turned.jpg": ("RGB", 6),
    }
    assert Counter(digests(drawn).values()).most_common(1)[0][1] == 2


def test_without_flaws_there_are_photos_alone(tmp_path: Path) -> None:
    write_demo(tmp_path, photos=32, flaws=False)
    assert len(digests(tmp_path)) == 32


def test_a_tenth_are_copies_of_photos_of_the_same_label_and_species() -> None:
    plans = demo._plan(800, seed=0)
    copies = [plan for plan in plans if plan.copy_of is not None]
    assert len(copies) == 800 * COPY_SHARE
    twins = [plans[plan.copy_of] for plan in copies if plan.copy_of is not None]
    assert all(
        (c.label, c.species) == (t.label, t.species) and t.copy_of is None for c, t in zip(copies, twins, strict=True)
    )


def test_species_are_independent_of_classes() -> None:
    counts = Counter((plan.label, plan.species) for plan in demo._plan(4000, seed=0))
    table = [[counts[label, species] for species in SPECIES] for label in DEFAULT_CLASSES]
    assert chi2_contingency(table).pvalue > 0.01


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 32 demo photos, got 3"):
        write_demo(tmp_path, photos=3)
