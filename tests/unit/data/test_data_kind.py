"""Tests of the kind of a dataset's images."""

from pathlib import Path

import pytest

from petmood.data.data_kind import data_kind
from petmood.data.importer import import_photos
from petmood.data.sources.demo import DemoSource
from tests.support.trees import bring_in, tree


def test_the_demo_is_drawings_and_a_folder_may_hold_anything(tmp_path: Path) -> None:
    import_photos(DemoSource(photos=40, flaws=False), to=tmp_path / "demo")
    assert data_kind(tmp_path / "demo") == "drawings"
    bring_in(tree(tmp_path / "in"), to=tmp_path / "pets")
    assert data_kind(tmp_path / "pets") is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"source": "kaggle"}', "photographs"),
        ('{"source": "csv"}', None),
        ("{}", None),
        ("[]", None),
        ("half a fi", None),
        ("\xff", None),
    ],
)
def test_what_an_import_wrote_is_read_and_damage_is_unknown(tmp_path: Path, text: str, kind: str | None) -> None:
    assert data_kind(tmp_path) is None
    (tmp_path / "import.json").write_bytes(text.encode("latin-1"))
    assert data_kind(tmp_path) == kind
