"""Options shared by the registry commands: registry address, model name and author."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from petmood.core.commands import shell_command
from petmood.core.environment import PUBLIC_KEY_VARIABLE, current_user
from petmood.core.errors import RegistryError
from petmood.core.redact import without_credentials

__all__ = ["current_author", "in_new_registry", "in_registry", "public_key_option", "registry_command"]


MODEL = "petmood"

public_key_option = click.option(
    "--public-key",
    envvar=PUBLIC_KEY_VARIABLE,
    type=click.Path(path_type=Path),
    help=f"Demand a signature that is valid for this key, a PEM file. Default: ${PUBLIC_KEY_VARIABLE}; else none.",
)
"""Option of the verbs that check signatures."""


def in_registry(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options ``--registry`` and ``--model``, and hand it the opened registry as ``opened``.

    The verb raises RegistryError if the address is a folder that does not exist.
    """
    return _with_registry(verb, may_create=False)


def in_new_registry(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate like ``in_registry`` a verb that creates the registry's folder if it does not exist."""
    return _with_registry(verb, may_create=True)


def registry_command(*words: object) -> str:
    """Return a command of `petmood registry` to type next, in the registry that this verb was asked for."""
    given = click.get_current_context().params
    address = ["--registry", without_credentials(given["address"])] if given.get("address") else []
    model = ["--model", given["model"]] if given.get("model", MODEL) != MODEL else []
    return shell_command("registry", *words, *address, *model)


def current_author(given: str | None) -> str:
    """Return who stands in the history: as given, else who pushed on GitHub, else who runs this."""
    import os

    return given or os.environ.get("GITHUB_ACTOR") or current_user()


def _with_registry(verb: Callable[..., Any], *, may_create: bool) -> Callable[..., Any]:
    @click.option("--registry", "address", help="Folder, gs://, s3://, MLflow. Default: $PETMOOD_REGISTRY or MLflow.")
    @click.option("--model", default=MODEL, show_default=True, help="Name of the registered model.")
    @functools.wraps(verb)
    def with_registry(*given: Any, address: str | None, model: str, **options: Any) -> Any:  # noqa: ANN401 - a command's own
        from petmood.registry.uri import ADDRESS_VARIABLE, open_registry, registry_folder

        opened = open_registry(address, model=model)
        folder = registry_folder(address)
        if not may_create and folder is not None and not folder.is_dir():
            source = "--registry" if address else f"${ADDRESS_VARIABLE}"
            create = registry_command("push", "BUNDLE")
            raise RegistryError(f"No registry at {folder}. Check {source}, or create it with: {create}")
        return verb(*given, opened=opened, **options)

    return with_registry
