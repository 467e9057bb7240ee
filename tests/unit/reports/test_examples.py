"""Tests of the report's example photos: confusion cells and most confident errors."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.errors import CorruptImage
from petmood.presentation.thumbnails import Thumbnails
from petmood.reports.examples import confusion_cells, most_confident_errors
from tests.support.evaluation import MakeScored


@pytest.fixture
def thumbnails() -> Thumbnails:
    return Thumbnails(lambda _: np.zeros((8, 8, 3), dtype=np.uint8))


def test_every_photo_is_in_the_cell_of_its_truth_and_answer(make_scored: MakeScored, thumbnails: Thumbnails) -> None:
    scored = make_scored(60, skill=0.7)
    cells = confusion_cells(scored, thumbnails)
    assert sum(cell.count for row in cells for cell in row) == 60
    truth = dict(zip(scored.paths, scored.labels, strict=True))
    for r, row in enumerate(cells):
        assert sum(cell.share for cell in row) == pytest.approx(1.0)
        for cell in row:
            assert (cell.truth, len(cell.shown)) == (scored.classes[r], cell.count)
            for photo in cell.shown:
                assert scored.classes[truth[photo.path]] == cell.truth
                assert photo.answer == cell.answer
                assert photo.uri is not None


def test_a_cell_shows_its_most_confident_photos_up_to_the_cap(make_scored: MakeScored, thumbnails: Thumbnails) -> None:
    cell = confusion_cells(make_scored(400, skill=9.0), thumbnails)[0][0]
    assert cell.count > len(cell.shown) == 24
    probabilities = [photo.probability for photo in cell.shown]
    assert probabilities == sorted(probabilities, reverse=True)


def test_a_label_without_photos_has_an_empty_row(make_scored: MakeScored, thumbnails: Thumbnails) -> None:
    scored = make_scored(30)
    cells = confusion_cells(scored.take(scored.labels != 2), thumbnails)
    assert all(cell.count == 0 and cell.share == 0.0 and cell.shown == () for cell in cells[2])


def test_mistakes_come_most_confident_first(make_scored: MakeScored, thumbnails: Thumbnails) -> None:
    scored = make_scored(80, skill=0.5)
    found = most_confident_errors(scored, thumbnails, temperature=2.0, most=5)
    wrong = scored.predicted() != scored.labels
    assert found[0].probability == pytest.approx(scored.probabilities(temperature=2.0)[wrong].max())
    assert len(found) == 5
    for photo in found:
        assert photo.truth != photo.answer == photo.probabilities[0][0]
        assert sum(p for _, p in photo.probabilities) == pytest.approx(1.0)
        assert "wrongly predicted" in photo.alt


def test_mistakes_get_their_images_before_right_answers_do(make_scored: MakeScored) -> None:
    scored = make_scored(100)
    enough = Thumbnails(lambda _: np.zeros((8, 8, 3), dtype=np.uint8))
    size = len(enough.uri("x") or "")
    wrong = int((scored.predicted() != scored.labels).sum())
    short = Thumbnails(lambda _: np.zeros((8, 8, 3), dtype=np.uint8), budget_bytes=wrong * size)
    cells = confusion_cells(scored, short)
    shown = [(photo.truth == photo.answer, photo.uri) for row in cells for cell in row for photo in cell.shown]
    assert all((uri is None) == right for right, uri in shown)


def test_a_perfect_model_has_no_mistakes_to_show(make_scored: MakeScored, thumbnails: Thumbnails) -> None:
    assert most_confident_errors(make_scored(20, skill=20.0), thumbnails) == ()


def test_errors_have_a_heat_map_where_one_can_be_made(make_scored: MakeScored, thumbnails: Thumbnails) -> None:
    scored = make_scored(80, skill=0.5)
    without = most_confident_errors(scored, thumbnails, most=4)
    assert [photo.map_uri for photo in without] == [None] * 4
    gone, unknown = without[1].path, without[2].path
    asked: list[str] = []

    def map_of(path: str) -> NDArray[np.uint8] | None:
        asked.append(path)
        if path == gone:
            raise CorruptImage("cut in the middle")
        return None if path == unknown else np.full((200, 300, 3), 90, np.uint8)

    found = most_confident_errors(scored, thumbnails, most=4, map_of=map_of)
    assert asked == [photo.path for photo in without]
    assert [photo.map_uri is not None for photo in found] == [True, False, False, True]
    assert str(found[0].map_uri).startswith("data:image/jpeg;base64,")
    assert [photo.path for photo in found] == asked
