"""Review of a dataset: likely label errors, duplicates, conflicts and odd images of its photos."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from petmood.core.commands import shell_command
from petmood.core.errors import DataError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.relations import read_relations
from petmood.data.index import DataIndex, IndexRow, read_index
from petmood.data.photo_info import read_photo_info
from petmood.data.threads import ordered_map, reproducible_libraries
from petmood.data.validation.image_scores import ImageScores, image_scores
from petmood.data.validation.issue_kinds import IssueKind
from petmood.data.validation.issues import find_conflicts
from petmood.data.validation.photo_issues import (
    IssueReport,
    LabelScore,
    PhotoIssue,
    ScoredLabels,
    find_issues,
    in_review,
)
from petmood.data.wording import counted
from petmood.evaluation.label_errors import find_label_errors
from petmood.pipelines.dataset_predictions import DatasetPredictions, measure_out_of_fold, read_out_of_fold

if TYPE_CHECKING:
    from petmood.monitoring.feedback.export import LabeledPhoto  # needs the extra 'log'

__all__ = ["find_data_issues", "score_labels"]


def find_data_issues(
    data: Path,
    *,
    crossval: Path | None = None,
    labeled: "Sequence[LabeledPhoto]" = (),
    threads: int = 2,
    progress: ProgressBar = no_progress,
) -> IssueReport:
    """Examine every photo of a dataset; nothing is written.

    Label errors come from the out-of-fold predictions of ``crossval``, the folder of a finished cross-validation, else
    from those of ``measure_out_of_fold``. ``labeled`` are photos with labels by feedback, compared by their bytes.

    Raises:
        DataError: the folder is not a dataset, its photos can't be read, or it is too small to cross-validate.
        RunError: ``crossval`` holds no finished cross-validation.
    """
    index = read_index(data)
    known = read_out_of_fold(crossval, data, index) if crossval is not None else None
    images = _scan(data, in_review(index), threads=threads, progress=progress)
    labels = score_labels(known or measure_out_of_fold(data, index, progress=progress), index)
    relations = read_relations(data)
    issues = find_issues(
        index,
        labels=labels.by_path,
        images=images,
        relations=relations,
        conflicts=find_conflicts(index, relations),
    )
    return IssueReport(data.resolve().name, index, (*_corrections(index, labeled), *issues), labels)


def _corrections(index: DataIndex, labeled: "Sequence[LabeledPhoto]") -> Iterator[PhotoIssue]:
    """Yield an issue for each photo whose bytes have another label by feedback."""
    given = {photo.sha256: photo for photo in labeled}
    for row in in_review(index):
        photo = given.get(row.sha256)
        if photo is not None and photo.label != row.label:
            by = "a reviewer" if photo.chosen else f"{photo.agreeing} of {counted(photo.visitors, 'visitor')}"
            yield PhotoIssue(IssueKind.CORRECTION, (row.path,), suggested=photo.label, text=f"by {by}")


def score_labels(known: DatasetPredictions, index: DataIndex) -> ScoredLabels:
    """Return the quality of each predicted photo's label, with the suggested class of a likely error."""
    found = find_label_errors(known.probabilities, known.labels)
    scores = {
        path: LabelScore(float(quality), index.classes[suggested] if suggested != label else "")
        for path, quality, suggested, label in zip(
            known.paths, found.quality, found.suggested, found.labels, strict=True
        )
    }
    return ScoredLabels(scores, known.method, known.accuracy)


def _scan(data: Path, rows: tuple[IndexRow, ...], *, threads: int, progress: ProgressBar) -> dict[str, ImageScores]:
    with reproducible_libraries():
        scored = ordered_map(lambda row: _scores(data, row), rows, threads=threads)
        found = progress(scored, total=len(rows), what="examining photos")
        return {row.path: scores for row, scores in zip(rows, found, strict=True)}


def _scores(data: Path, row: IndexRow) -> ImageScores:
    facts, pixels = read_photo_info(data / row.path)
    if pixels is None or facts.sha256 != row.sha256:
        problem = facts.problem or "it differs from the photo in the index"
        check = shell_command("data", "check", data)
        raise DataError(f"'{row.path}' of {data} can't be used: {problem}. All such photos are listed by: {check}")
    return image_scores(pixels, width=facts.width, height=facts.height)
