"""Learning curves as an event file, read back by its format: records of a length, two checksums and a protobuf."""

import struct
from collections.abc import Iterator
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from petmood.cloud.event_file import event_file


def events(data: bytes) -> Iterator[Event]:
    """Yield the records of an event file."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += 12 + length + 4


def test_each_value_of_the_table_is_a_scalar_of_its_epoch(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text("epoch,train/loss,val/loss,val/accuracy\n0,1.5,1.25,0.5\n1,1.0,,\n")
    made = event_file(table)
    assert made is not None
    found = {(value.tag, one.step): value.simple_value for one in events(made) for value in one.summary.value}
    assert found == {
        ("train/loss", 0): 1.5,
        ("val/loss", 0): 1.25,
        ("val/accuracy", 0): 0.5,
        ("train/loss", 1): 1.0,
    }


def test_a_table_without_rows_has_no_event_file(tmp_path: Path) -> None:
    assert event_file(tmp_path / "metrics.csv") is None
    (tmp_path / "metrics.csv").write_text("epoch,train/loss\n")
    assert event_file(tmp_path / "metrics.csv") is None
