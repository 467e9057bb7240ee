"""Dataset import: scan a source, group near-duplicates, assign splits and write the folder atomically.

The source is only read. Two imports of the same source write the same bytes. A process killed at any moment leaves the
old dataset or the new one under the name, and the next import removes leftover files. User files in an earlier dataset
are carried over.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from petmood.core.atomic_directory import (
    DirectoryDraft,
    atomic_directory,
)
from petmood.core.commands import shell_command
from petmood.core.errors import DataError
from petmood.core.files import atomic_write_json, atomic_write_text
from petmood.core.names import printable
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.classes import ClassOptions, ResolvedClasses, resolve_classes
from petmood.data.duplicates import near_duplicates as duplicates
from petmood.data.duplicates.feature_cache import keep_features
from petmood.data.duplicates.near_duplicates import Relation
from petmood.data.duplicates.relations import RELATIONS_NAME, relations_text
from petmood.data.duplicates.shared_region_file import SHARED_REGIONS_NAME, shared_regions_text
from petmood.data.import_errors import REJECTED_NAME, ImportProblem, problems_text
from petmood.data.import_target import (
    IMPORT_NAME,
    WRITTEN,
    foreign_files,
    known_splits,
    read_old_dataset,
    refuse_collisions,
    refuse_own_photos,
    refuse_unrelated,
    replacement_notices,
)
from petmood.data.index import INDEX_FORMAT, INDEX_NAME, PHOTOS, DataIndex, IndexRow, Role, Split, write_index
from petmood.data.index_builder import ScannedPhoto, SplitPlan, build_index, split_notices
from petmood.data.scanner import PhotoScanner, problems_path, refuse_lost_classes
from petmood.data.sources.base import Source
from petmood.data.split import DROPPED_AS_LEAKING, Fractions
from petmood.data.wording import counted

__all__ = ["FindRelations", "ImportOptions", "ImportReport", "import_photos"]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user chooses for an import.

    `skip_bad` None uses the source's default. `drop_leaking` excludes photos whose group has a photo in an evaluation
    split, instead of refusing them.
    """

    skip_bad: bool | None = None
    drop_leaking: bool = False
    seed: int = 0
    fractions: Fractions = field(default_factory=Fractions)
    classes: ClassOptions = field(default_factory=ClassOptions)


class FindRelations(Protocol):
    """Finds related photos; `near_duplicates.find_near_duplicates` is the implementation."""

    def __call__(
        self, photos: Iterable[NDArray[np.uint8]], *, total: int | None, progress: ProgressBar
    ) -> Sequence[Relation]:
        """Return relations between photos of a stream, by index in it; at most `total` photos come, each once."""
        ...


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import: the dataset written, rejected entries, leaking photos dropped, and label conflicts."""

    folder: Path
    index: DataIndex
    rejected: tuple[ImportProblem, ...]
    dropped_as_leaking: tuple[IndexRow, ...]
    """Photos excluded because their group has a photo in an evaluation split; the notes name that photo."""

    conflicts: int
    """Number of groups with photos under two classes."""

    notices: tuple[str, ...] = ()
    """Lines on what the source passed over or took, classes, splits, shared regions, and the replaced dataset."""

    @property
    def counts(self) -> dict[str, int]:
        """Counts of originals, near-duplicates, excluded photos, groups, conflicts, rejected entries and splits."""
        roles = Counter(row.role for row in self.index)
        used = [row for row in self.index if row.role != Role.EXCLUDED]
        return {
            "originals": roles[Role.ORIGINAL],
            "near_duplicates": roles[Role.NEAR_DUPLICATE],
            "excluded": roles[Role.EXCLUDED],
            "groups": len({row.group_id for row in used}),
            "conflicts": self.conflicts,
            "rejected": len(self.rejected),
        } | {name: sum(row.split == name for row in used) for name in Split}

    def summary(self) -> str:
        """Return a summary of the import in a few lines."""
        n = self.counts
        lines = [
            (
                f"{n['originals']} originals and {n['near_duplicates']} near-duplicates in {n['groups']} groups "
                f"({', '.join(f'{split} {n[split]}' for split in Split)}); "
                f"{n['excluded']} excluded, {n['rejected']} rejected."
            ),
            *self.notices,
        ]
        if self.dropped_as_leaking:
            lines.append(
                f"Dropped from training, since a photo of the group is evaluated on: {len(self.dropped_as_leaking)}."
            )
            lines += [printable(f"  {row.path}: {row.note}") for row in self.dropped_as_leaking[:20]]
            if len(self.dropped_as_leaking) > 20:
                lines.append(f"  ... and {len(self.dropped_as_leaking) - 20} more, see the notes in {INDEX_NAME}")
        if self.conflicts:
            groups = counted(self.conflicts, "group has", "groups have")
            lines.append(f"{groups} photos with two labels: see `{shell_command('data', 'check', self.folder)}`.")
        return "\n".join(lines)


def import_photos(
    source: Source,
    *,
    to: Path,
    options: ImportOptions | None = None,
    replace_unrelated: bool = False,
    find_near_duplicates: FindRelations | None = None,
    progress: ProgressBar = no_progress,
) -> ImportReport:
    """Import a source into the dataset folder `to`; an earlier import there is replaced, known splits are kept.

    Files in an earlier dataset that no import wrote are carried over. An earlier dataset that has no photo in common
    with the source is only replaced with `replace_unrelated`. Raises DataError with one report of all problems
    if bad photos aren't skipped (full list: `TO.problems.csv`). Raises it also for classes that `resolve_classes`
    refuses or that have too few photos, for group leakage across given splits without `drop_leaking`, and if `to` isn't
    a dataset. Raises OutputError if `to` can't be written or another process is writing it.
    """
    chosen = options or ImportOptions()
    skip = source.skip_bad_by_default if chosen.skip_bad is None else chosen.skip_bad
    try:
        with atomic_directory(to, existing=lambda resolved: foreign_files(resolved, shown=to)) as draft:
            resolved, old = _scan(
                source, to=to, classes=chosen.classes, skip=skip, unrelated=replace_unrelated, progress=progress
            )
            intake = PhotoScanner(resolved.entries, skip_bad=skip, to=to)
            relations = (find_near_duplicates or duplicates.find_near_duplicates)(
                intake, total=len(resolved.entries), progress=progress
            )
            plan = SplitPlan(
                chosen.fractions, chosen.seed, known_splits(to), chosen.drop_leaking, classes=resolved.classes
            )
            entries = intake.entries(relations)
            rows = build_index(entries, plan=plan, pick_originals=lambda used: intake.originals(relations, used=used))
            found = (intake.shared_notices(relations), split_notices(entries, rows), replacement_notices(old, rows))
            notices = (*source.notices, *resolved.notices, *chain.from_iterable(found))
            report = _report(to, rows, rejected=intake.problems, notices=notices)
            _copy(entries, to=draft, progress=progress)
            write_index(draft.path, rows)
            _write_findings(draft.path, intake, relations)
            if features := intake.features(relations):
                keep_features(draft.path, features, shown=to)
            atomic_write_json(draft.path / IMPORT_NAME, _facts(source, report, asdict(replace(chosen, skip_bad=skip))))
            draft.expect([*WRITTEN, *(row.path for row in rows)])
    finally:
        source.close()
    problems_path(to).unlink(missing_ok=True)
    return report


def _scan(
    source: Source, *, to: Path, classes: ClassOptions, skip: bool, unrelated: bool, progress: ProgressBar
) -> tuple[ResolvedClasses, DataIndex | None]:
    """Return the source's photos with their classes, and the dataset that they would replace; refuse what would lose.

    Raises DataError for refused classes, and for photos that can't be imported into this folder.
    """
    scanned = source.scan(progress)
    try:
        resolved = resolve_classes(scanned, classes, known=source.classes)
    except DataError:
        refuse_lost_classes(scanned, skip_bad=skip, to=to)
        raise
    refuse_own_photos(resolved.entries, to=to)
    refuse_collisions(resolved.entries, to=to)
    old = read_old_dataset(to)
    if not unrelated:
        refuse_unrelated(resolved.entries, old, to=to)
    return resolved, old


def _write_findings(folder: Path, intake: PhotoScanner, relations: Sequence[Relation]) -> None:
    """Write which entries were rejected, which photos are related, and what unrelated photos share."""
    atomic_write_text(folder / REJECTED_NAME, problems_text(intake.problems))
    atomic_write_text(folder / RELATIONS_NAME, relations_text(intake.links(relations)))
    atomic_write_text(folder / SHARED_REGIONS_NAME, shared_regions_text(intake.shared_regions(relations)))


def _facts(source: Source, report: ImportReport, options: dict[str, object]) -> dict[str, object]:
    return {
        "schema_version": INDEX_FORMAT,
        "source": source.name,
        "options": options,
        "classes": report.index.classes,
        "counts": report.counts,
        "data_hash": report.index.hash,
    }


def _report(
    to: Path, rows: Sequence[IndexRow], *, rejected: Sequence[ImportProblem], notices: tuple[str, ...]
) -> ImportReport:
    classes: dict[str, set[str]] = {}
    for row in rows:
        classes.setdefault(row.group_id, set()).add(row.label)
    return ImportReport(
        folder=to,
        index=DataIndex(tuple(rows)),
        rejected=tuple(sorted(rejected, key=lambda problem: (problem.path, problem.code))),
        dropped_as_leaking=tuple(row for row in rows if row.note.startswith(DROPPED_AS_LEAKING)),
        conflicts=sum(len(names) > 1 for names in classes.values()),
        notices=notices,
    )


def _copy(entries: Sequence[ScannedPhoto], *, to: DirectoryDraft, progress: ProgressBar) -> None:
    """Copy the photos byte for byte; raises DataError if one has changed since it was inspected.

    Folders are created once, before the first photo. A folder removed meanwhile is an error and isn't created again.
    """
    for folder in sorted({(to.path / PHOTOS / entry.source.name).parent for entry in entries}):
        folder.mkdir(parents=True, exist_ok=True)
    for entry in progress(entries, total=len(entries), what="copying photos"):
        data = entry.source.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != entry.info.sha256:
            raise DataError(f"'{entry.source.name}' changed while it was imported. Import again.")
        (to.path / PHOTOS / entry.source.name).write_bytes(data)
