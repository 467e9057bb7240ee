"""Tests of the load test plot, with and without a saturation point or errors."""

import io
import sys

import pytest
from PIL import Image

from petmood.core.errors import MissingDependency
from petmood.serving.loadtest.limits import Limits
from petmood.serving.loadtest.plot import ramp_png
from petmood.serving.loadtest.report import report_of
from petmood.serving.loadtest.steps import Step
from tests.load.steps import step

RISING = [step(1, 30, 33), step(2, 60, 34)]


@pytest.mark.parametrize("more", [[], [step(4, 61, 70)], [step(4, 61, 70, e503=2)], [step(4, 0, None)]])
def test_a_ramp_becomes_an_image_of_two_panels(more: list[Step]) -> None:
    data = ramp_png(report_of([*RISING, *more], url="http://127.0.0.1:8000/predict", limits=Limits()))
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("PNG", (960, 780))


def test_without_matplotlib_the_command_to_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependency, match=r"pip install 'petmood\[loadtest\]'"):
        ramp_png(report_of(RISING, url="http://127.0.0.1:8000/predict", limits=Limits()))
