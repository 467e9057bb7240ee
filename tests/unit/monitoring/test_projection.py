"""Tests of the projection: its residual, its widths, and photos to fit it to."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from petmood.core.errors import DataError
from petmood.monitoring.projection import COMPONENTS, FULL_WIDTH, Projection, fit_projection, fit_rows


def embeddings(count: int, *, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Return embeddings with a few strong directions and little in all others."""
    rng = np.random.default_rng([seed, count])
    axes = np.random.default_rng(99).normal(size=(10, width))
    return (rng.normal(size=(count, 10)) @ axes + rng.normal(size=(count, width)) / 5 + 3).astype(np.float32)


def test_a_wide_embedding_is_reduced_and_its_residual_is_what_the_reduction_lost() -> None:
    values = embeddings(300, width=700)
    projection = fit_projection(values)
    reduced, residual = projection.project(values)
    assert reduced.shape == (300, COMPONENTS)
    assert {str(reduced.dtype), str(residual.dtype)} == {"float32"}
    lost = values - projection.mean - reduced @ projection.components.T
    assert residual == pytest.approx(np.linalg.norm(lost, axis=1), rel=1e-4)
    total = ((values - projection.mean) ** 2).sum(axis=1)
    assert (reduced**2).sum(axis=1) + residual**2 == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("width", [30, FULL_WIDTH])
def test_a_narrow_embedding_stays_whole_and_still_has_a_residual(width: int) -> None:
    values = embeddings(300, width=width)
    projection = fit_projection(values)
    reduced, residual = projection.project(values)
    assert projection.components.shape == (width, min(COMPONENTS, width // 2))
    assert projection.width == width
    assert (reduced == values).all()
    assert residual.min() > 0.1


def test_components_are_orthonormal_and_explain_the_most_variance() -> None:
    values = embeddings(200, width=40)
    projection = fit_projection(values, most=10)
    assert projection.components.T @ projection.components == pytest.approx(np.eye(10), abs=1e-5)
    assert projection.project(values)[1].mean() < np.linalg.norm(values - projection.mean, axis=1).mean() / 5


def test_fewer_photos_than_components_are_enough() -> None:
    projection = fit_projection(embeddings(5, width=700))
    assert projection.components.shape == (700, 4)
    assert projection.project(embeddings(9, width=700, seed=1))[1].min() > 0


def test_many_rows_are_projected_like_few() -> None:
    values = embeddings(9000, width=20)
    projection = fit_projection(values[:100])
    whole, parts = projection.project(values), projection.project(values[8100:])
    assert whole[1][8100:] == pytest.approx(parts[1])
    assert (whole[0][8100:] == parts[0]).all()


def test_photos_that_a_projection_was_fitted_to_have_smaller_residuals_than_new_ones() -> None:
    """So they can't be the reference; photos of other groups can."""
    values = embeddings(600, width=700)
    fit = fit_rows([str(row // 2) for row in range(600)])
    projection = fit_projection(values[fit])
    new = projection.project(embeddings(300, width=700, seed=1))[1]
    assert ks_2samp(projection.project(values[fit])[1], new).pvalue < 1e-6
    assert ks_2samp(projection.project(values[~fit])[1], new).pvalue > 0.01


def test_groups_are_never_divided_and_the_share_is_about_reached() -> None:
    groups = [f"g{row // 3}" for row in range(300)]
    for seed in range(5):
        fit = fit_rows(groups, share=0.4, seed=seed)
        assert {len(set(fit[start : start + 3])) for start in range(0, 300, 3)} == {1}
        assert 0.39 <= fit.mean() <= 0.42
    assert (fit_rows(groups, seed=1) == fit_rows(groups, seed=1)).all()
    assert (fit_rows(groups, seed=1) != fit_rows(groups, seed=2)).any()


def test_one_large_group_leaves_photos_for_both_sides() -> None:
    fit = fit_rows(["big"] * 98 + ["a", "b"])
    assert fit.any()
    assert not fit.all()


def test_what_can_not_be_fitted_or_projected_is_named() -> None:
    with pytest.raises(DataError, match="2 photos or more"):
        fit_projection(np.ones((1, 9), dtype=np.float32))
    with pytest.raises(DataError, match="finite"):
        fit_projection(np.full((9, 9), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="2 groups"):
        fit_rows(["a", "a"])
    projection = Projection(np.zeros(9, dtype=np.float32), np.eye(9, 3, dtype=np.float32))
    with pytest.raises(DataError, match=r"\(N, 9\), got \(4, 8\)"):
        projection.project(np.zeros((4, 8), dtype=np.float32))
