"""Dataset validation: every photo is read again and every rule is checked."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.relations import RelationRow, read_relations
from petmood.data.duplicates.shared_region_file import SharedPhotos, read_shared_regions
from petmood.data.import_errors import REJECTED_NAME, ImportProblem, read_problems
from petmood.data.index import PHOTOS, DataIndex, IndexRow, Role, Split, labels_in, read_index
from petmood.data.photo_info import PhotoInfo, read_photo_info
from petmood.data.split import find_group_leaks
from petmood.data.wording import counted

__all__ = ["ODD_DESCRIPTIONS", "Issue", "LabelConflict", "ValidationReport", "find_conflicts", "validate_dataset"]

ODD_DESCRIPTIONS = {
    "mode": "in a color mode other than RGB or grayscale",
    "exif": "rotated by EXIF",
    "small": "unusually small",
    "large": "unusually large",
    "animated": "animated, first frame used",
    "repaired": "without an end marker or with damaged metadata; viewers show them whole",
}
IMBALANCE_RATIO = 3.0
"""Classes whose counts differ by more than this factor are reported as imbalanced."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding: a code, a message, the photos, and whether it makes evaluation on this data invalid."""

    code: str
    message: str
    paths: tuple[str, ...]
    is_blocking: bool = False


@dataclass(frozen=True, slots=True)
class LabelConflict:
    """A group with photos under two classes, whose labels need manual review."""

    group_id: str
    rows: tuple[IndexRow, ...]
    relations: tuple[RelationRow, ...]


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """All findings of the validation of one dataset."""

    name: str
    index: DataIndex
    issues: tuple[Issue, ...]
    conflicts: tuple[LabelConflict, ...]
    relations: tuple[RelationRow, ...]
    rejected: tuple[ImportProblem, ...]
    shared: tuple[SharedPhotos, ...] = ()

    @property
    def has_blocking_issues(self) -> bool:
        """Whether evaluation on this data would be invalid; `petmood data check` then exits with status 1."""
        return any(finding.is_blocking for finding in self.issues)

    @property
    def counts(self) -> Mapping[tuple[str, str, str], int]:
        """Number of photos by (class, split, role); absent keys are 0."""
        return Counter((row.label, row.split, row.role) for row in self.index)

    def summary(self) -> str:
        """Return the counts, issues and verdict in a few lines for a terminal."""
        roles = Counter(row.role for row in self.index)
        counts, classes = self.counts, labels_in(self.index)
        width = max([8, *(len(label) + 2 for label in classes)])
        lines = [
            (
                f"{self.name}: {len(self.index)} photos: {roles[Role.ORIGINAL]} originals, "
                f"{roles[Role.NEAR_DUPLICATE]} near-duplicates, "
                f"{roles[Role.EXCLUDED]} excluded, {len(self.rejected)} rejected at import"
            ),
            f"{'originals':<10}" + "".join(f"{label:>{width}}" for label in classes),
        ]
        lines += [
            f"{split:<10}" + "".join(f"{counts.get((label, split, Role.ORIGINAL), 0):>{width}}" for label in classes)
            for split in Split
        ]
        for finding in self.issues:
            shown = ", ".join(finding.paths[:3]) + (", ..." if len(finding.paths) > 3 else "")
            mark = "BLOCKING" if finding.is_blocking else "note"
            lines.append(f"[{mark}] {finding.message}" + (f": {shown}" if shown else ""))
        verdict = "blocking issues; fix them before training" if self.has_blocking_issues else "valid"
        return "\n".join([*lines, f"Verdict: {verdict}."])


def validate_dataset(folder: Path, *, progress: ProgressBar = no_progress) -> ValidationReport:
    """Read every photo of a dataset again and check index, hashes, duplicates, labels, splits and balance.

    Raises DataError if the folder is not a dataset.
    """
    index = read_index(folder)
    links, rejected = read_relations(folder), read_problems(folder / REJECTED_NAME)
    seen = [
        (row, read_photo_info(folder / row.path)[0])
        for row in progress(index.rows, total=len(index), what="checking photos")
    ]
    conflicts, shared = find_conflicts(index, links), read_shared_regions(folder)
    findings = [
        *_broken(seen),
        *_leaks(index),
        *_duplicates(index),
        *_extra(folder, index),
        *_label_conflicts(conflicts),
        *_shared_regions(index, shared),
        *_balance(index),
        *_odd_photos(seen),
        *_excluded(index, rejected),
    ]
    findings.sort(key=lambda finding: not finding.is_blocking)
    return ValidationReport(folder.resolve().name, index, tuple(findings), conflicts, links, rejected, shared)


def _shared_regions(index: DataIndex, shared: Iterable[SharedPhotos]) -> Iterator[Issue]:
    label_of = {row.path: row.label for row in index}
    for one in shared:
        classes = {label_of[path] for path in one.paths if path in label_of}
        message = (
            f"{len(one.paths)} photos of {counted(len(classes), 'class', 'classes')} share the same region: "
            f"{one.region}; a model may learn it in place of the animal"
        )
        yield Issue("shared_region", message, one.paths)


def _broken(seen: Iterable[tuple[IndexRow, PhotoInfo]]) -> Iterator[Issue]:
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
        yield Issue(code, f"{counted(len(paths), 'photo')} {words[code]}", tuple(paths), is_blocking=True)


def _leaks(index: DataIndex) -> Iterator[Issue]:
    leaks = find_group_leaks(index)
    if leaks:
        paths = tuple(path for leak in leaks for _, path in leak.paths)
        count = counted(len(leaks), "group has", "groups have")
        yield Issue("leak", f"{count} photos in several splits (group leakage)", paths, is_blocking=True)


def _duplicates(index: DataIndex) -> Iterator[Issue]:
    groups: dict[str, list[IndexRow]] = defaultdict(list)
    for row in index:
        if row.role != Role.EXCLUDED:
            groups[row.sha256].append(row)
    for across, where in ((True, "in different splits"), (False, "within a split")):
        paths = [
            row.path
            for group in groups.values()
            if len(group) > 1 and (len({row.split for row in group}) > 1) is across
            for row in group
        ]
        if paths:
            yield Issue(
                "duplicate", f"{counted(len(paths), 'photo')} identical to another {where}", tuple(paths), across
            )


def _extra(folder: Path, index: DataIndex) -> Iterator[Issue]:
    known = {row.path for row in index}
    present = (p.relative_to(folder).as_posix() for p in (folder / PHOTOS).rglob("*") if p.is_file())
    extra = tuple(sorted(name for name in present if name not in known))
    if extra:
        yield Issue("unindexed_file", f"{counted(len(extra), 'file')} in {PHOTOS}/ not in the index", extra)


def find_conflicts(index: DataIndex, links: Iterable[RelationRow]) -> tuple[LabelConflict, ...]:
    """Return the groups with photos under two classes, sorted, each with the relations between the classes."""
    members: dict[str, list[IndexRow]] = defaultdict(list)
    for row in index:
        members[row.group_id].append(row)
    split_minded = {group: rows for group, rows in members.items() if len({row.label for row in rows}) > 1}
    label = {row.path: row.label for rows in split_minded.values() for row in rows}
    of = {row.path: group for group, rows in split_minded.items() for row in rows}
    pairs: dict[str, list[RelationRow]] = defaultdict(list)
    for link in links:
        if link.first in of and link.second in of and label[link.first] != label[link.second]:
            pairs[of[link.first]].append(link)
    return tuple(LabelConflict(group, tuple(rows), tuple(pairs[group])) for group, rows in sorted(split_minded.items()))


def _label_conflicts(conflicts: tuple[LabelConflict, ...]) -> Iterator[Issue]:
    if conflicts:
        paths = tuple(row.path for conflict in conflicts for row in conflict.rows)
        count = counted(len(conflicts), "group has", "groups have")
        yield Issue("label_conflict", f"{count} photos with two labels: correct one of them", paths)


def _balance(index: DataIndex) -> Iterator[Issue]:
    held = Counter((row.label, row.split) for row in index if row.role == Role.ORIGINAL)
    classes = labels_in(index)
    if len(classes) < 2:
        got = ", ".join(f"'{label}'" for label in classes) or "no photo"
        yield Issue("one_class", f"Expected photos of two classes or more, got {got}", (), is_blocking=True)
        return
    for label in classes:
        for split in (Split.TRAIN, Split.VALID):
            if not held[label, split]:
                yield Issue("empty_class", f"Class '{label}' has no original in {split}", (), is_blocking=True)
    totals = {label: sum(held[label, split] for split in Split) for label in classes}
    least, most = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
    if totals[most] > IMBALANCE_RATIO * totals[least]:
        yield Issue(
            "class_imbalance", f"Class imbalance: {totals[most]} '{most}' against {totals[least]} '{least}'", ()
        )
    if not any(held[label, Split.TEST] for label in classes):
        yield Issue("no_test", "There is no test split: use cross-validation for scores", ())


def _odd_photos(seen: Iterable[tuple[IndexRow, PhotoInfo]]) -> Iterator[Issue]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for row, facts in seen:
        for code in facts.flags:
            kinds[code].append(row.path)
    for code, paths in sorted(kinds.items()):
        yield Issue(code, f"{counted(len(paths), 'photo')} {ODD_DESCRIPTIONS[code]}", tuple(paths))


def _excluded(index: DataIndex, rejected: tuple[ImportProblem, ...]) -> Iterator[Issue]:
    dropped = tuple(row.path for row in index if row.role == Role.EXCLUDED)
    if dropped:
        yield Issue("excluded", f"{counted(len(dropped), 'photo')} excluded (see the notes)", dropped)
    if rejected:
        names = tuple(problem.path for problem in rejected)
        yield Issue("rejected", f"{counted(len(names), 'file')} rejected at import", names)
