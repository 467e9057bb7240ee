"""JSON round trip of every kind of entry, and rejection of anything else."""

import math

import pytest
from pydantic import ValidationError

from petmood.core.errors import TrackingError
from petmood.training.tracking.events import Entry, Metrics, RunStarted, TrackerSpec, as_line, from_line


def test_every_kind_of_entry_reads_back_equal_from_its_one_line(begun: RunStarted, entries: list[Entry]) -> None:
    for entry in [begun, *entries]:
        line = as_line(entry)
        assert line.count(b"\n") == 1
        assert repr(from_line(line)) == repr(entry)


@pytest.mark.parametrize("value", [0.1 + 0.2, 5e-324, float("inf"), float("-inf")])
def test_numbers_read_back_to_the_last_bit(value: float) -> None:
    (found,) = Metrics.model_validate_json(as_line(Metrics(values={"x": value}))).values.values()
    assert found == value


def test_no_number_is_still_none_when_read_back() -> None:
    entry = from_line(as_line(Metrics(values={"x": math.nan})))
    assert isinstance(entry, Metrics)
    assert math.isnan(entry.values["x"])


@pytest.mark.parametrize("line", [b"", b"{}", b"no json", b'{"kind": "other", "at_ms": 1}', b'{"kind": "status"}'])
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(TrackingError, match="Expected an entry of a tracking journal"):
        from_line(line)


def test_a_run_has_an_id_that_every_tracker_takes(begun: RunStarted) -> None:
    with pytest.raises(ValidationError):
        RunStarted(run_id="../x", name="x", home=".", tracker=TrackerSpec())
    assert begun.run_id.isalnum()
