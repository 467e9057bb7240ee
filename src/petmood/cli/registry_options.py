"""Options shared by the registry commands: registry address, model name and author."""

import functools
from collections.abc import Callable
from typing import Any

import click

from petmood.core.commands import shell_command
from petmood.core.redact import without_credentials

__all__ = ["current_author", "in_registry", "registry_command"]


MODEL = "petmood"


def in_registry(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options ``--registry`` and ``--model``, and hand it the opened registry as ``opened``."""

    @click.option("--registry", "address", help="Folder, gs://, s3://, MLflow. Default: $PETMOOD_REGISTRY or MLflow.")
    @click.option("--model", default=MODEL, show_default=True, help="Name of the registered model.")
    @functools.wraps(verb)
    def with_registry(*given: Any, address: str | None, model: str, **options: Any) -> Any:  # noqa: ANN401 - a command's own
        from petmood.registry.uri import open_registry

        return verb(*given, opened=open_registry(address, model=model), **options)

    return with_registry


def registry_command(*words: object) -> str:
    """Return a command of `petmood registry` to type next, in the registry that this verb was asked for."""
    given = click.get_current_context().params
    address = ["--registry", without_credentials(given["address"])] if given.get("address") else []
    model = ["--model", given["model"]] if given.get("model", MODEL) != MODEL else []
    return shell_command("registry", *words, *address, *model)


def current_author(given: str | None) -> str:
    """Return who stands in the history: as given, else who pushed on GitHub, else who runs this."""
    import getpass
    import os

    return given or os.environ.get("GITHUB_ACTOR") or getpass.getuser()
