"""What did each fault do to the service? One row for each, kept as Markdown."""

import os
from dataclasses import dataclass, field
from pathlib import Path

TABLE_VARIABLE = "PETMOOD_FAULT_TABLE"
HEAD = "| fault | input | status | code | memory growth, MB | seconds |\n|---|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault's outcome; growth is of the largest memory meanwhile, nothing where it wasn't looked at."""

    fault: int
    given: str
    status: str
    code: str = ""
    growth_mb: float | None = None
    seconds: float | None = None

    def line(self) -> str:
        """Return the row as Markdown."""
        growth = "" if self.growth_mb is None else f"{max(0.0, self.growth_mb):.0f}"
        seconds = "" if self.seconds is None else f"{self.seconds:.2f}"
        code = f"`{self.code}`" if self.code else ""
        return f"| {self.fault} | {self.given} | {self.status} | {code} | {growth} | {seconds} |"


@dataclass(slots=True)
class FaultTable:
    """Collects rows, and writes them in the faults' order."""

    rows: list[Row] = field(default_factory=list)

    def add(self, fault: int, given: str, status: int | str, code: str = "", **numbers: float) -> None:
        """Note an outcome."""
        self.rows.append(Row(fault, given, str(status), code, **numbers))

    def write(self, path: Path) -> Path:
        """Write the table to a file, and where ``PETMOOD_FAULT_TABLE`` names one, to that too."""
        text = HEAD + "".join(f"{row.line()}\n" for row in sorted(self.rows, key=lambda row: row.fault))
        wanted = os.environ.get(TABLE_VARIABLE)
        for target in [path, *([Path(wanted)] if wanted else [])]:
            target.write_text(text, encoding="utf-8")
        return path
