"""Which registry does a verb work in? Two options that all of them share, and who decides."""

import functools
from collections.abc import Callable
from typing import Any

import click

__all__ = ["in_registry", "who_decides"]


def in_registry(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options ``--registry`` and ``--model``, and hand it the opened registry as ``opened``."""

    @click.option("--registry", "address", help="Folder, gs://, s3://, MLflow. Default: $PETMOOD_REGISTRY or MLflow.")
    @click.option("--model", default="petmood", show_default=True, help="The model whose versions these are.")
    @functools.wraps(verb)
    def with_registry(*given: Any, address: str | None, model: str, **options: Any) -> Any:  # noqa: ANN401 - a verb's own
        from petmood.registry.address import open_registry

        return verb(*given, opened=open_registry(address, model=model), **options)

    return with_registry


def who_decides(given: str | None) -> str:
    """Return who stands in the history: as given, else who pushed on GitHub, else who runs this."""
    import getpass
    import os

    return given or os.environ.get("GITHUB_ACTOR") or getpass.getuser()
