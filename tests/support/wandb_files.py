"""Reader of W&B's offline files: records by the file format, parsed with W&B's own messages.

The file is a log in LevelDB's format: a header of seven bytes, then blocks of 32 KiB. Each chunk has a checksum (4
bytes), a length (2) and a kind (1: complete, 2: first, 3: middle, 4: last).
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as messages

BLOCK, HEADER, CHUNK = 32_768, 7, 7


def records_of(path: Path) -> list[Any]:
    """Return every record of a run's file."""
    found = []
    for data in _joined(path.read_bytes()):
        record = messages.Record()  # type: ignore[attr-defined]  # made at run time
        record.ParseFromString(data)
        found.append(record)
    return found


def settings_in(records: list[Any]) -> dict[str, Any]:
    """Return the settings of a run, W&B's own left out."""
    found: dict[str, Any] = {}
    for record in records:
        config = record.run.config if record.HasField("run") else record.config
        found |= {_name(item): json.loads(item.value_json) for item in config.update}
    return {name: value for name, value in found.items() if not name.startswith("_")}


def steps_in(records: list[Any]) -> list[dict[str, Any]]:
    """Return the rows of a run's history, W&B's own values left out."""
    rows = []
    for record in records:
        if record.HasField("history"):
            row = {_name(item): json.loads(item.value_json) for item in record.history.item}
            rows.append({name: value for name, value in row.items() if not name.startswith("_")})
    return rows


def summary_in(records: list[Any]) -> dict[str, Any]:
    """Return the final numbers of a run."""
    updates = [item for record in records if record.HasField("summary") for item in record.summary.update]
    return {_name(item): json.loads(item.value_json) for item in updates}


def _name(item: Any) -> str:  # noqa: ANN401 - one of W&B's messages
    return item.key or ".".join(item.nested_key)


def _joined(data: bytes) -> Iterator[bytes]:
    assert data[:4] == b":W&B"
    place, parts = HEADER, b""
    while place + CHUNK <= len(data):
        if BLOCK - place % BLOCK < CHUNK:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + CHUNK])
        parts += data[place + CHUNK : place + CHUNK + length]
        place += CHUNK + length
        if kind in {1, 4}:
            yield parts
            parts = b""
