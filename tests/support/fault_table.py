"""Markdown table of the service's behavior under each fault, independent of test order and timing."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from petmood.core.files import atomic_write_bytes

TABLE_VARIABLE: Final = "PETMOOD_FAULT_TABLE"
HEAD: Final = "| fault | input | status | code | memory grows by less than, MB |\n|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault's outcome, and the bound on the largest memory meanwhile where that was looked at."""

    fault: int
    given: str
    status: str
    code: str = ""
    below_mb: float | None = None

    def line(self) -> str:
        """Return the row as Markdown."""
        below = "" if self.below_mb is None else f"{self.below_mb:.0f}"
        code = f"`{self.code}`" if self.code else ""
        return f"| {self.fault} | {self.given} | {self.status} | {code} | {below} |"


@dataclass(slots=True)
class FaultTable:
    """Collects the rows of one process; every process of a test run adds its rows to one table."""

    rows: list[Row] = field(default_factory=list)

    def add(self, fault: int, given: str, status: int | str, code: str = "", *, below_mb: float | None = None) -> None:
        """Note an outcome."""
        self.rows.append(Row(fault, given, str(status), code, below_mb))

    def write(self, folder: Path, *, part: str) -> Path:
        """Write these rows as one part, and the table of all parts so far to ``faults.md`` in the folder.

        Where ``PETMOOD_FAULT_TABLE`` names a file, its table is replaced, and the text around it stays.
        """
        own = [asdict(row) for row in self.rows]
        with (folder / "faults.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            atomic_write_bytes(folder / f"faults-{part}.json", json.dumps(own).encode())
            rows = {Row(**row) for path in folder.glob("faults-*.json") for row in json.loads(path.read_bytes())}
            table = HEAD + "".join(f"{row.line()}\n" for row in sorted(rows, key=lambda row: (row.fault, row.given)))
            atomic_write_bytes(folder / "faults.md", table.encode())
            if wanted := os.environ.get(TABLE_VARIABLE):
                path = Path(wanted)
                atomic_write_bytes(path, with_table(path.read_text("utf-8") if path.exists() else "", table).encode())
        return folder / "faults.md"


def with_table(text: str, table: str) -> str:
    """Return a page with its table of faults replaced, or appended where it has none."""
    lines = text.splitlines(keepends=True)
    inside = [number for number, line in enumerate(lines) if line.startswith("|")]
    if not inside:
        return text + table
    return "".join(lines[: inside[0]]) + table + "".join(lines[inside[-1] + 1 :])
