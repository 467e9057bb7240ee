"""Issues of the photos of a dataset, by kind and severity: labels, duplicates and images."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from petmood.data.duplicates.relations import RelationKind, RelationRow
from petmood.data.index import DataIndex, IndexRow, Role
from petmood.data.split import DROPPED_AS_LEAKING
from petmood.data.validation.image_scores import ImageScores, size_scores
from petmood.data.validation.issue_kinds import DESCRIPTIONS, IssueKind
from petmood.data.validation.issues import LabelConflict
from petmood.data.wording import counted

__all__ = ["IssueReport", "LabelScore", "PhotoIssue", "ScoredLabels", "find_issues", "in_review"]

SAME_PHOTO = frozenset({RelationKind.EXACT_DUPLICATE, RelationKind.NEAR_DUPLICATE})


@dataclass(frozen=True, slots=True)
class PhotoIssue:
    """One issue: its kind, the photos by path, and its score from 0 (severe) to 1, if it has one.

    ``suggested`` is the class that a label error probably has. ``text`` says what relates the photos of a group.
    """

    kind: IssueKind
    paths: tuple[str, ...]
    score: float | None = None
    suggested: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class LabelScore:
    """Quality of one label, from 0 (severe) to 1, and the class that is suggested instead; empty if none is."""

    quality: float
    suggested: str = ""


@dataclass(frozen=True, slots=True)
class ScoredLabels:
    """Label scores of the original photos by path, and what predicted them, in words, with its accuracy."""

    by_path: Mapping[str, LabelScore]
    method: str
    accuracy: float


@dataclass(frozen=True, slots=True)
class IssueReport:
    """All issues of a dataset, in the order of review: by kind, the severe ones first."""

    name: str
    index: DataIndex
    issues: tuple[PhotoIssue, ...]
    labels: ScoredLabels

    @property
    def counts(self) -> Mapping[IssueKind, int]:
        """Number of photos with an issue of each kind; absent kinds are 0. Copies of a label error count with it."""
        found = {
            (issue.kind, path)
            for issue in self.issues
            for path in (issue.paths[:1] if issue.kind == IssueKind.LABEL_ERROR else issue.paths)
        }
        return Counter(kind for kind, _ in found)

    @property
    def photos(self) -> int:
        """Number of photos that were examined."""
        return len(in_review(self.index))

    def summary(self) -> str:
        """Return the number of photos of each kind in a few lines for a terminal."""
        counts, width = self.counts, max(map(len, IssueKind))
        lines = [f"{kind:<{width}}  {counts[kind]:>6}  {DESCRIPTIONS[kind]}" for kind in IssueKind if counts[kind]]
        head = f"{self.name}: {counted(self.photos, 'photo')} examined, data version {self.index.hash[:12]}"
        predicted = (
            f"Labels are compared with {self.labels.method}: {self.labels.accuracy:.0%} of its predictions are the "
            "label. The lower this share, the more of the suggestions are wrong."
        )
        return "\n".join([head, *(lines or ["No issues."]), predicted])


def in_review(index: DataIndex) -> tuple[IndexRow, ...]:
    """Return the rows that are examined: all but those that an import dropped as leaking."""
    return tuple(row for row in index if not row.note.startswith(DROPPED_AS_LEAKING))


def find_issues(
    index: DataIndex,
    *,
    labels: Mapping[str, LabelScore],
    images: Mapping[str, ImageScores],
    relations: Sequence[RelationRow],
    conflicts: Sequence[LabelConflict],
) -> tuple[PhotoIssue, ...]:
    """Return all issues in the order of review; ``labels`` and ``images`` are by path, for some or all photos."""
    rows = in_review(index)
    found = [
        *_label_errors(rows, labels, relations),
        *_label_conflicts(rows, conflicts),
        *_exact_duplicates(rows),
        *_near_duplicates(rows, relations),
        *_image_issues(images),
    ]
    order = {kind: number for number, kind in enumerate(IssueKind)}
    found.sort(key=lambda one: (order[one.kind], 0 if one.score is None else one.score))
    return tuple(found)


def _label_errors(
    rows: Sequence[IndexRow], labels: Mapping[str, LabelScore], relations: Sequence[RelationRow]
) -> Iterator[PhotoIssue]:
    """Yield an issue for each likely error, with the copies of the photo that have the same label."""
    label_of = {row.path: row.label for row in rows}
    copies = {path: group for group in _copies(label_of, relations) for path in group}
    for path, score in labels.items():
        if score.suggested:
            same = [one for one in copies.get(path, ()) if label_of[one] == label_of[path] and one not in labels]
            yield PhotoIssue(IssueKind.LABEL_ERROR, (path, *same), score.quality, score.suggested)


def _label_conflicts(rows: Sequence[IndexRow], conflicts: Sequence[LabelConflict]) -> Iterator[PhotoIssue]:
    """Yield the groups with two labels, those of copies before those of related photos."""
    known = {row.path for row in rows}

    def is_related(one: LabelConflict) -> bool:
        return not any(relation.kind in SAME_PHOTO for relation in one.relations)

    for one in sorted(conflicts, key=is_related):
        paired = {path for relation in one.relations for path in (relation.first, relation.second)}
        group = [row for row in one.rows if row.path in known]
        if len({row.label for row in group}) > 1:
            group = _across_labels(sorted(group, key=lambda row: (row.path not in paired, row.label, row.path)))
            text = one.relations[0].evidence if one.relations else ""
            yield PhotoIssue(IssueKind.LABEL_CONFLICT, tuple(row.path for row in group), text=text)


def _across_labels(rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Order rows so that the first ones show every label."""
    first = {row.label: row.path for row in reversed(rows)}
    return sorted(rows, key=lambda row: row.path != first[row.label])


def _exact_duplicates(rows: Sequence[IndexRow]) -> Iterator[PhotoIssue]:
    same: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        same[row.sha256].append(row.path)
    for paths in sorted(same.values(), key=lambda paths: (-len(paths), paths)):
        if len(paths) > 1:
            yield PhotoIssue(IssueKind.EXACT_DUPLICATES, tuple(paths))


def _near_duplicates(rows: Sequence[IndexRow], relations: Sequence[RelationRow]) -> Iterator[PhotoIssue]:
    """Yield the sets of copies of one photo, the largest first; of photos with equal bytes the first stands for all."""
    used = {row.path: row for row in rows if row.role != Role.EXCLUDED}
    groups = [group for group in _copies(used, relations) if len(group) > 1]
    for group in sorted(groups, key=lambda group: (-len(group), group)):
        paths = sorted(group, key=lambda path: (used[path].role != Role.ORIGINAL, path))
        yield PhotoIssue(IssueKind.NEAR_DUPLICATES, tuple(paths))


def _copies(paths: Iterable[str], relations: Sequence[RelationRow]) -> list[tuple[str, ...]]:
    """Return the photos among ``paths`` joined by relations between copies of one photo, as sorted sets."""
    parent = {path: path for path in paths}

    def root(path: str) -> str:
        while parent[path] != path:
            parent[path] = path = parent[parent[path]]
        return path

    for one in relations:
        if one.kind in SAME_PHOTO and one.first in parent and one.second in parent:
            parent[root(one.second)] = root(one.first)
    groups: dict[str, list[str]] = defaultdict(list)
    for path in parent:
        groups[root(path)].append(path)
    return [tuple(sorted(group)) for group in groups.values()]


def _image_issues(images: Mapping[str, ImageScores]) -> Iterator[PhotoIssue]:
    for path, found in images.items():
        for kind, score in found.issues.items():
            yield PhotoIssue(kind, (path,), score)
    scores, odd = size_scores([found.side_px for found in images.values()])
    for path, score, is_odd in zip(images, scores, odd, strict=True):
        if is_odd:
            yield PhotoIssue(IssueKind.ODD_SIZE, (path,), float(score))
