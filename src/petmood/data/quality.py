"""Would anything in a data set spoil a measurement? Every photo is read again, every rule is checked."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from petmood.core.moods import MOODS
from petmood.core.progress import Track, silent
from petmood.data.cataloguing import PHOTOS
from petmood.data.index import SPLITS, DataIndex, IndexRow, read_index
from petmood.data.inspecting import PhotoFacts, inspect_photo
from petmood.data.links import Link, read_links
from petmood.data.problems import REJECTED_NAME, Problem, read_problems
from petmood.data.split import straddling

__all__ = ["ODD_WORDS", "CheckReport", "Conflict", "Finding", "check"]

ODD_WORDS = {
    "mode": "in another colour mode than RGB or grey",
    "exif": "turned by EXIF",
    "small": "unusually small",
    "large": "unusually large",
    "animated": "animated, first frame used",
}
UNEVEN = 3.0
"""Moods whose counts differ by more than this factor are called uneven."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: a code, a sentence, the photos, and whether it spoils a measurement."""

    code: str
    message: str
    paths: tuple[str, ...]
    spoils: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """A family with photos under two moods: a person should say which label is right."""

    family: str
    rows: tuple[IndexRow, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All that a check found out about one data set."""

    name: str
    index: DataIndex
    findings: tuple[Finding, ...]
    conflicts: tuple[Conflict, ...]
    links: tuple[Link, ...]
    rejected: tuple[Problem, ...]

    @property
    def spoils(self) -> bool:
        """Say whether a measurement on this data would be wrong; `petmood data check` then ends with 1."""
        return any(finding.spoils for finding in self.findings)

    @property
    def counts(self) -> Mapping[tuple[str, str, str], int]:
        """Count photos by (mood, split, role); absent keys are 0."""
        return Counter((row.mood, row.split, row.role) for row in self.index)

    def summary(self) -> str:
        """Say in a few lines for a terminal what there is and what was found."""
        roles = Counter(row.role for row in self.index)
        counts = self.counts
        lines = [
            (
                f"{self.name}: {len(self.index)} photos: {roles['original']} originals, {roles['copy']} copies, "
                f"{roles['dropped']} dropped, {len(self.rejected)} rejected at import"
            ),
            f"{'originals':<10}" + "".join(f"{mood:>8}" for mood in MOODS),
        ]
        lines += [
            f"{split:<10}" + "".join(f"{counts.get((mood, split, 'original'), 0):>8}" for mood in MOODS)
            for split in SPLITS
        ]
        for finding in self.findings:
            shown = ", ".join(finding.paths[:3]) + (", ..." if len(finding.paths) > 3 else "")
            mark = "SPOILS" if finding.spoils else "note"
            lines.append(f"[{mark}] {finding.message}" + (f": {shown}" if shown else ""))
        verdict = "would spoil a measurement; mend it before training" if self.spoils else "fit to measure on"
        return "\n".join([*lines, f"Verdict: {verdict}."])


def check(folder: Path, *, track: Track = silent) -> CheckReport:
    """Read every photo of a data set again and check index, hashes, duplicates, labels, splits and balance.

    Raises DataError where the folder is no data set.
    """
    index = read_index(folder)
    links, rejected = read_links(folder), read_problems(folder / REJECTED_NAME)
    seen = [
        (row, inspect_photo(folder / row.path)[0])
        for row in track(index.rows, total=len(index), what="checking photos")
    ]
    conflicts = tuple(_conflicts(index, links))
    findings = [
        *_broken(seen),
        *_leaks(index),
        *_duplicates(index),
        *_extra(folder, index),
        *_label_conflicts(conflicts),
        *_balance(index),
        *_odd(seen),
        *_left_out(index, rejected),
    ]
    findings.sort(key=lambda finding: not finding.spoils)
    return CheckReport(folder.resolve().name, index, tuple(findings), conflicts, links, rejected)


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _broken(seen: Iterable[tuple[IndexRow, PhotoFacts]]) -> Iterator[Finding]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for row, facts in seen:
        if facts.code == "unreadable":
            kinds["missing"].append(row.path)
        elif facts.sha256 != row.sha256:
            kinds["changed"].append(row.path)
        elif facts.problem:
            kinds["undecodable"].append(row.path)
    words = {
        "missing": "in the index but not on disk",
        "changed": "changed since the import",
        "undecodable": "that can't be decoded",
    }
    for code, paths in sorted(kinds.items()):
        yield Finding(code, f"{_number(len(paths), 'photo')} {words[code]}", tuple(paths), spoils=True)


def _leaks(index: DataIndex) -> Iterator[Finding]:
    leaks = straddling(index)
    if leaks:
        paths = tuple(path for leak in leaks for _, path in leak.paths)
        count = "1 family straddles" if len(leaks) == 1 else f"{len(leaks)} families straddle"
        yield Finding("leak", f"{count} splits: the same animal on both sides", paths, spoils=True)


def _duplicates(index: DataIndex) -> Iterator[Finding]:
    groups: dict[str, list[IndexRow]] = defaultdict(list)
    for row in index:
        if row.role != "dropped":
            groups[row.sha256].append(row)
    for spoils, where in ((True, "in different splits"), (False, "within a split")):
        paths = [
            row.path
            for group in groups.values()
            if len(group) > 1 and (len({row.split for row in group}) > 1) is spoils
            for row in group
        ]
        if paths:
            yield Finding(
                "duplicate", f"{_number(len(paths), 'photo')} byte-equal to another {where}", tuple(paths), spoils
            )


def _extra(folder: Path, index: DataIndex) -> Iterator[Finding]:
    known = {row.path for row in index}
    there = (p.relative_to(folder).as_posix() for p in (folder / PHOTOS).rglob("*") if p.is_file())
    extra = tuple(sorted(name for name in there if name not in known))
    if extra:
        yield Finding("extra", f"{_number(len(extra), 'file')} in {PHOTOS}/ that the index doesn't know", extra)


def _conflicts(index: DataIndex, links: Iterable[Link]) -> Iterator[Conflict]:
    members: dict[str, list[IndexRow]] = defaultdict(list)
    for row in index:
        members[row.family].append(row)
    split_minded = {family: rows for family, rows in members.items() if len({row.mood for row in rows}) > 1}
    mood = {row.path: row.mood for rows in split_minded.values() for row in rows}
    of = {row.path: family for family, rows in split_minded.items() for row in rows}
    pairs: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        if link.first in of and link.second in of and mood[link.first] != mood[link.second]:
            pairs[of[link.first]].append(link)
    for family, rows in sorted(split_minded.items()):
        yield Conflict(family, tuple(rows), tuple(pairs[family]))


def _label_conflicts(conflicts: tuple[Conflict, ...]) -> Iterator[Finding]:
    if conflicts:
        paths = tuple(row.path for conflict in conflicts for row in conflict.rows)
        count = "1 family has" if len(conflicts) == 1 else f"{len(conflicts)} families have"
        yield Finding("conflict", f"{count} photos under two moods: which label is right?", paths)


def _balance(index: DataIndex) -> Iterator[Finding]:
    held = Counter((row.mood, row.split) for row in index if row.role == "original")
    for mood in MOODS:
        for split in ("train", "valid"):
            if not held[mood, split]:
                yield Finding("empty_class", f"Mood '{mood}' has no original in {split}", (), spoils=True)
    totals = {mood: sum(held[mood, split] for split in SPLITS) for mood in MOODS}
    least, most = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
    if totals[most] > UNEVEN * totals[least]:
        yield Finding("uneven", f"Moods are uneven: {totals[most]} '{most}' against {totals[least]} '{least}'", ())
    if not any(held[mood, "test"] for mood in MOODS):
        yield Finding("no_test", "There is no test split: scores come from cross-validation alone", ())


def _odd(seen: Iterable[tuple[IndexRow, PhotoFacts]]) -> Iterator[Finding]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for row, facts in seen:
        for code in facts.oddities:
            kinds[code].append(row.path)
    for code, paths in sorted(kinds.items()):
        yield Finding(code, f"{_number(len(paths), 'photo')} {ODD_WORDS[code]}", tuple(paths))


def _left_out(index: DataIndex, rejected: tuple[Problem, ...]) -> Iterator[Finding]:
    dropped = tuple(row.path for row in index if row.role == "dropped")
    if dropped:
        yield Finding("dropped", f"{_number(len(dropped), 'photo')} dropped (the notes say why)", dropped)
    if rejected:
        names = tuple(problem.path for problem in rejected)
        yield Finding("rejected", f"{_number(len(names), 'file')} rejected at import", names)
