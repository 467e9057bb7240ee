"""The recommended recipe of commands that run the pipeline, and the steps that they did."""

from collections.abc import Sequence

import click

__all__ = ["done_text", "with_recommended"]


def with_recommended(overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Return the overrides with the recommended experiment first, and print why; unchanged if they choose a recipe.

    Raises:
        ConfigError: the dataset's path can't be parsed.
        DataError: the index of the dataset can't be read.
    """
    from petmood.pipelines.recommend import recommend_experiment

    chosen = recommend_experiment(overrides)
    if chosen is None:
        return overrides
    click.echo(f"experiment={chosen.experiment}: {chosen.reason}\n")
    return (f"experiment={chosen.experiment}", *overrides)


def done_text(done: Sequence[str]) -> str:
    """Return the line with the steps of the pipeline that were not up to date."""
    return f"Done now: {', '.join(done) or 'nothing, everything is up to date'}.\n"
