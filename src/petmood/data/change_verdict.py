"""May a new version of a data set take the place of the last one? Every reason against it, in plain sentences."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from petmood.core.moods import MOODS
from petmood.core.progress import Track, silent
from petmood.data.change import Change, compare
from petmood.data.change_drift import Drift, look_at, measure_drift
from petmood.data.index import DataIndex, read_index
from petmood.data.quality import CheckReport, check

__all__ = ["ChangeReport", "Limits", "Reason", "report_change"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may change unasked, as shares from 0 to 1.

    ``drift``: the distance of a fact's distributions, see ``change_drift``; ``relabelled``: of the photos that stayed.
    """

    drift: float = 0.2
    relabelled: float = 0.05


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason against a version: a code, a sentence, and the photos."""

    code: str
    message: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """All that is to be said of one version beside the last one; ``last`` is None for the first version."""

    check: CheckReport
    last: DataIndex | None
    change: Change
    drifts: tuple[Drift, ...]
    reasons: tuple[Reason, ...]

    @property
    def bad(self) -> bool:
        """Say whether anything speaks against this version; `petmood data report` then ends with 1."""
        return bool(self.reasons)

    def summary(self) -> str:
        """Say in a few lines what has changed and what speaks against it."""
        change, last = self.change, f"against {self.last.hash[:12]}" if self.last else "the first version"
        counts = (
            f"{len(change.added)} photos added, {len(change.removed)} removed, "
            f"{len(change.relabelled)} relabelled, {len(change.moved)} in another split"
        )
        lines = [f"{self.check.name}: version {self.check.index.hash[:12]}, {last}: {counts}"]
        lines += [f"[BAD] {reason.message}{_some(reason.paths)}" for reason in self.reasons]
        return "\n".join([*lines, f"Verdict: {'not fit to be the next version' if self.bad else 'fit'}."])


def report_change(
    folder: Path, *, against: Path | None = None, limits: Limits | None = None, track: Track = silent
) -> ChangeReport:
    """Check a data set and compare it with the last version of it, if there is one.

    Raises:
        DataError: one of the two folders is no data set.
    """
    last = read_index(against) if against else None
    checked = check(folder, track=track)
    change = compare(last or (), checked.index)
    drifts: tuple[Drift, ...] = ()
    if against and last:
        before = look_at(against, last, track=track)
        drifts = measure_drift(before, look_at(folder, checked.index, known=before, track=track))
    reasons = (*_spoiled(checked), *_against(last, checked.index, change, drifts, limits or Limits()))
    return ChangeReport(checked, last, change, drifts, reasons)


def _spoiled(checked: CheckReport) -> Iterator[Reason]:
    for finding in checked.findings:
        if finding.spoils:
            yield Reason(finding.code, finding.message, finding.paths)


def _against(
    last: DataIndex | None, new: DataIndex, change: Change, drifts: tuple[Drift, ...], limits: Limits
) -> Iterator[Reason]:
    if last is None:
        return
    if change.leaked:
        names = tuple(both.new.path for both in change.leaked)
        yield Reason("leak_over_time", f"{len(names)} to be judged by were trained on in the last version", names)
    if change.trained_kin:
        names = tuple(row.path for row in change.trained_kin)
        yield Reason("kin_over_time", f"{len(names)} new to be judged by are kin of photos trained on before", names)
    for mood in MOODS:
        if _has(last, mood) and not _has(new, mood):
            yield Reason("mood_gone", f"No original of mood '{mood}' is left")
    relabelled = len(change.relabelled)
    if relabelled > limits.relabelled * len(change.stayed):
        names = tuple(both.new.path for both in change.relabelled)
        share = f"{relabelled / len(change.stayed):.1%}"
        yield Reason(
            "relabelled", f"{share} of the photos that stayed have another mood, over {limits.relabelled:.1%}", names
        )
    for drift in drifts:
        if drift.exceeds(limits.drift):
            moved = f"{drift.fact} moved from {drift.last:.3g} to {drift.new:.3g} (medians)"
            yield Reason(
                "drift", f"{moved}: distance {drift.distance:.2f} over {limits.drift:.2f}, p = {drift.p_value:.2g}"
            )


def _has(rows: DataIndex, mood: str) -> bool:
    return any(row.mood == mood and row.role == "original" for row in rows)


def _some(paths: tuple[str, ...], *, shown: int = 3) -> str:
    """Return the first names for a terminal, signs that steer it spelled out."""
    names = ["".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in path) for path in paths[:shown]]
    return f": {', '.join(names)}{', ...' if len(paths) > shown else ''}" if names else ""
