"""Scanner that decodes a source's photos one by one, streams their pixels and records problems."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.core.files import atomic_write_text
from petmood.data.duplicates.group_limit import MOST_RELATED
from petmood.data.duplicates.near_duplicates import PhotoFeatures, Relation, Relations, group_ids
from petmood.data.duplicates.originals import Member, choose_originals
from petmood.data.duplicates.relations import RelationKind, RelationRow
from petmood.data.duplicates.shared_region_file import SharedPhotos
from petmood.data.import_errors import HARMLESS, ImportProblem, problems_text, refusal
from petmood.data.index import PHOTOS, Role
from petmood.data.index_builder import ScannedPhoto
from petmood.data.photo_info import PhotoInfo, read_photo_info
from petmood.data.sources.base import SourcePhoto
from petmood.data.wording import counted

__all__ = ["PhotoScanner", "problems_path", "refuse_lost_classes"]


class PhotoScanner:
    """Stream of the pixels of every distinct usable photo; file properties are kept, pixels aren't.

    `problems` lists the entries that can't be used. After the last photo DataError is raised if a problem stops the
    import.
    """

    def __init__(self, found: Sequence[SourcePhoto], *, skip_bad: bool, to: Path) -> None:
        """Take a source's entries; nothing is read before iteration starts."""
        self.found, self.problems = found, list[ImportProblem]()
        self._skip_bad, self._to = skip_bad, to
        self._good: list[tuple[SourcePhoto, PhotoInfo]] = []
        self._content_ids: dict[str, int] = {}

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Decode every photo once; yield uint8 RGB [H, W, 3] for each that isn't byte-equal to an earlier one."""
        for entry in self.found:
            if entry.problem:
                self.problems.append(_problem_of(entry))
                continue
            facts, pixels = read_photo_info(entry.path)
            if pixels is None:
                self.problems.append(ImportProblem(entry.name, facts.code, facts.problem))
                continue
            self._good.append((entry, facts))
            if facts.sha256 not in self._content_ids:
                self._content_ids[facts.sha256] = len(self._content_ids)
                yield pixels
        self._refuse()

    def _refuse(self) -> None:
        _refuse_problems(
            self.problems,
            entries=len(self.found),
            has_usable=bool(self._good),
            skip_bad=self._skip_bad,
            to=self._to,
        )

    def entries(self, relations: Sequence[Relation]) -> list[ScannedPhoto]:
        """Return the usable photos with their content and group numbers."""
        group = group_ids(len(self._content_ids), relations)
        numbered = [(found, facts, self._content_ids[facts.sha256]) for found, facts in self._good]
        return [ScannedPhoto(found, facts, content_id, int(group[content_id])) for found, facts, content_id in numbered]

    def originals(self, relations: Sequence[Relation], *, used: frozenset[int]) -> set[int]:
        """Return which of the used content numbers are originals, not near-duplicates of other used ones."""
        first: dict[int, Member] = {}
        for found, facts in self._good:
            first.setdefault(self._content_ids[facts.sha256], _member(found, facts))
        numbers = sorted(used)
        positions = {number: position for position, number in enumerate(numbers)}
        left = [
            replace(relation, first=positions[relation.first], second=positions[relation.second])
            for relation in relations
            if relation.first in positions and relation.second in positions
        ]
        originals = choose_originals([first[number] for number in numbers], left)
        return {number for number, position in positions.items() if originals[position] == position}

    def features(self, relations: Sequence[Relation]) -> dict[str, PhotoFeatures]:
        """Return the features by which the photos were compared, by SHA-256; none if the relations don't hold them."""
        described = relations.described if isinstance(relations, Relations) else ()
        return {sha256: described[number] for sha256, number in self._content_ids.items() if number < len(described)}

    def shared_regions(self, relations: Sequence[Relation]) -> list[SharedPhotos]:
        """Return the regions that many unrelated photos share, with the paths of the photos."""
        if not isinstance(relations, Relations):
            return []
        names = self._first_names()
        return [
            SharedPhotos(str(region), tuple(sorted(f"{PHOTOS}/{names[number]}" for number in region.photos)))
            for region in relations.shared
        ]

    def shared_notices(self, relations: Sequence[Relation]) -> list[str]:
        """Return a line on the search, for every region that many unrelated photos share, and every too large group."""
        if not isinstance(relations, Relations):
            return []
        labels: dict[int, set[str]] = defaultdict(set)
        for found, facts in self._good:
            labels[self._content_ids[facts.sha256]].add(found.label or "")
        lines = [relations.notice] if relations.notice else []
        for region in relations.shared:
            classes = set[str]().union(*(labels[number] for number in region.photos))
            lines.append(
                f"{len(region.photos)} photos of {counted(len(classes), 'class', 'classes')} share the same region: "
                f"{region}. It wasn't used to group photos. A model may learn it in place of the animal: crop it off."
            )
        names = self._first_names()
        lines += [
            f"{len(group.photos)} photos, such as '{names[group.photos[0]]}', would form one group by related pairs; "
            f"at most {MOST_RELATED} different photos may. Weakest pairs left out: {group.unused_pairs}, which leaves "
            f"{counted(group.parts, 'group')}. Photos of one animal may now be in two splits: inspect them."
            for group in relations.divided
        ]
        return lines

    def _first_names(self) -> dict[int, str]:
        """Return the name of the first photo with each content."""
        return {self._content_ids[facts.sha256]: found.name for found, facts in reversed(self._good)}

    def links(self, relations: Sequence[Relation]) -> list[RelationRow]:
        """Return the relations as pairs of paths, and the pairs of byte-equal photos."""
        first: dict[int, str] = {}
        links = []
        for found, facts in self._good:
            path, content_id = f"{PHOTOS}/{found.name}", self._content_ids[facts.sha256]
            if content_id in first:
                links.append(
                    _relation_row(first[content_id], path, kind=RelationKind.EXACT_DUPLICATE, evidence="equal bytes")
                )
            else:
                first[content_id] = path
        for relation in relations:
            mirrored = ", mirrored" if relation.mirrored else ""
            places = f"{relation.inliers} inliers, scale {relation.scale:.2f}"
            evidence = (places if relation.inliers else f"correlation {relation.agreement:.2f} in place") + mirrored
            links.append(
                _relation_row(first[relation.first], first[relation.second], kind=relation.kind, evidence=evidence)
            )
        return links


def refuse_lost_classes(found: Sequence[SourcePhoto], *, skip_bad: bool, to: Path) -> None:
    """Raise DataError with the problems of entries if they leave a class, or the whole source, without a photo.

    Classes that can't be resolved are then a consequence; nothing is decoded.
    """
    labels = {entry.label for entry in found if not entry.problem}
    problems = [_problem_of(entry) for entry in found if entry.problem]
    if not labels or any(entry.problem and entry.code not in HARMLESS and entry.label not in labels for entry in found):
        _refuse_problems(problems, entries=len(found), has_usable=bool(labels), skip_bad=skip_bad, to=to)


def _refuse_problems(
    problems: Sequence[ImportProblem], *, entries: int, has_usable: bool, skip_bad: bool, to: Path
) -> None:
    fatal = [problem for problem in problems if problem.code not in HARMLESS]
    if fatal and not skip_bad:
        full_list = problems_path(to)
        atomic_write_text(full_list, problems_text(problems))
        raise refusal(fatal, looked_at=entries, full_list=str(full_list))
    if not has_usable:
        first = (
            f" The first problem: {problems[0].path}: {problems[0].message} [{problems[0].code}]." if problems else ""
        )
        raise DataError(f"None of {entries} entries is a usable photo.{first}")


def _problem_of(entry: SourcePhoto) -> ImportProblem:
    return ImportProblem(entry.name, entry.code, entry.problem)


def _member(found: SourcePhoto, facts: PhotoInfo) -> Member:
    return Member(facts.width, facts.height, found.name, is_original=found.role == Role.ORIGINAL)


def _relation_row(first: str, second: str, *, kind: RelationKind, evidence: str) -> RelationRow:
    return RelationRow(min(first, second), max(first, second), kind, evidence)


def problems_path(to: Path) -> Path:
    """Return the path of the full list of problems that stopped an import into `to`."""
    return to.with_name(f"{to.name}.problems.csv")
