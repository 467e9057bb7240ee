"""Registry addresses and ``registry://`` references: parsing, and opening of the matching backend.

=====================  ==========================================================
``mlflow``             ``$MLFLOW_TRACKING_URI``, else ``sqlite:///mlflow.db``
``sqlite:///FILE``     MLflow in that file; likewise ``postgresql://``, ``http(s)://``
``gs://BUCKET/PATH``   a Google Cloud Storage bucket
``s3://BUCKET/PATH``   an S3 bucket
other                  a folder
=====================  ==========================================================
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import RegistryError
from petmood.core.mlflow_env import mlflow_uri, uri_problem
from petmood.core.names import MODEL_NAME, model_name_problem
from petmood.registry.base import ALIASES, PREVIOUS, Backend, Version
from petmood.registry.folder import FolderStore
from petmood.registry.gcs import GcsStore
from petmood.registry.mlflow import MlflowBackend
from petmood.registry.objects import ObjectBackend
from petmood.registry.registry import Registry
from petmood.registry.s3 import S3Store

__all__ = [
    "ADDRESS_VARIABLE",
    "DEFAULT_MODEL",
    "ModelReference",
    "find_version",
    "is_reference",
    "open_registry",
    "parse_reference",
    "registry_folder",
]

ADDRESS_VARIABLE: Final = "PETMOOD_REGISTRY"
DEFAULT_MODEL: Final = "petmood"
SCHEME: Final = "registry://"
DATABASES: Final = ("sqlite:", "postgresql:", "postgresql+", "mysql:", "mysql+", "mssql:", "http:", "https:")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Reference to a model version by alias, number or SHA-256, such as ``registry://petmood@champion``."""

    model: str
    version: str

    def __str__(self) -> str:
        """Return the reference as ``registry://MODEL@VERSION``."""
        return f"{SCHEME}{self.model}@{self.version}"

    @property
    def is_mutable(self) -> bool:
        """Whether the reference is an alias and may refer to another version later."""
        return self.version in (*ALIASES, PREVIOUS)


def is_reference(text: str) -> bool:
    """Return whether a string is a ``registry://`` reference rather than a folder."""
    return text.startswith(SCHEME)


def parse_reference(text: str) -> ModelReference:
    """Parse ``registry://MODEL@VERSION``; the version defaults to the champion.

    Raises:
        RegistryError: the string is not a valid reference.
    """
    model, _, version = text.removeprefix(SCHEME).partition("@")
    if not (is_reference(text) and re.fullmatch(MODEL_NAME, model) and re.fullmatch(r"[\w-]*", version)):
        raise RegistryError(f"Expected registry://MODEL@VERSION, such as registry://petmood@champion, got {text!r}.")
    return ModelReference(model, version or "champion")


def open_registry(address: str | None = None, *, model: str = DEFAULT_MODEL) -> Registry:
    """Open the registry at an address; the default is ``$PETMOOD_REGISTRY``, else MLflow.

    Raises:
        RegistryError: the model name or the address is invalid, or access failed.
        MissingDependency: the package for this kind of address is not installed.
    """
    if problem := model_name_problem(model):
        raise RegistryError(problem)
    return Registry(_backend(_resolved(address), model))


def find_version(reference: ModelReference, *, registry: str | None = None) -> tuple[Registry, Version]:
    """Return the opened registry, by default as ``open_registry``, and the version that a reference is of now.

    Raises:
        RegistryError: the version doesn't exist, or the registry can't be reached.
        MissingDependency: as ``open_registry``.
    """
    opened = open_registry(registry, model=reference.model)
    return opened, opened.find(reference.version)


def registry_folder(address: str | None = None) -> Path | None:
    """Return the folder of the registry at an address, which need not exist; None for MLflow and buckets."""
    resolved = _resolved(address)
    is_elsewhere = resolved == "mlflow" or resolved.startswith(DATABASES) or "://" in resolved
    return None if is_elsewhere else Path(resolved).expanduser()


def _resolved(address: str | None) -> str:
    return address or os.environ.get(ADDRESS_VARIABLE) or "mlflow"


def _backend(address: str, model: str) -> Backend:
    scheme, _, rest = address.partition("://")
    bucket, _, prefix = rest.partition("/")
    if address == "mlflow" or address.startswith(DATABASES):
        uri = mlflow_uri() if address == "mlflow" else address
        if problem := uri_problem(uri, stored=False):
            raise RegistryError(problem)
        return MlflowBackend(uri, model=model)
    if scheme == "gs" and bucket:
        return ObjectBackend(GcsStore(bucket, prefix.strip("/")), model=model)
    if scheme == "s3" and bucket:
        return ObjectBackend(S3Store(bucket, prefix.strip("/")), model=model)
    if "://" in address:
        raise RegistryError(
            f"Unknown registry scheme {scheme!r}. "
            "Expected a folder, gs://, s3://, sqlite:///, postgresql:// or http(s)://."
        )
    return ObjectBackend(FolderStore(Path(address).expanduser()), model=model)
