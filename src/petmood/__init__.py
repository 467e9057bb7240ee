"""Facial expressions of pets in photos: the public Python API, imported when a name is first used."""

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from petmood.client.async_client import AsyncClient
    from petmood.client.client import Client
    from petmood.core.errors import PetmoodError, PhotoError
    from petmood.core.explanation import Explanation
    from petmood.core.prediction import Prediction
    from petmood.core.variants import VariantChoice
    from petmood.inference.base import Predictor

    __version__: str

__all__ = [
    "AsyncClient",
    "Client",
    "Explanation",
    "PetmoodError",
    "PhotoError",
    "Prediction",
    "Predictor",
    "__version__",
    "load_bundle",
]

_HOMES = {
    "AsyncClient": "petmood.client.async_client",
    "Client": "petmood.client.client",
    "Explanation": "petmood.core.explanation",
    "PetmoodError": "petmood.core.errors",
    "PhotoError": "petmood.core.errors",
    "Prediction": "petmood.core.prediction",
    "Predictor": "petmood.inference.base",
}


def load_bundle(
    bundle: str | os.PathLike[str],
    *,
    registry: str | None = None,
    threads: int = 1,
    variant: "VariantChoice" = "fp32",
) -> "Predictor":
    """Load a bundle from a folder, or from a registry by an address such as ``registry://petmood@champion``.

    Every file's hash and the golden photos are verified first. ``registry`` is the registry's address, by default
    ``$PETMOOD_REGISTRY``; ``threads`` are those of the network. ``variant`` is fp32, int8, or auto: the faster of those
    that the bundle has, by measurement. The predictor is thread-safe.

    Raises:
        BundleError: the bundle is incomplete or changed, its golden outputs differ, or it has no such variant.
        ConfigError: ``threads`` is less than 1, or an unknown variant.
        RegistryError: the registry can't be reached, or has no such version.
        MissingDependency: onnxruntime, or the package for this registry, is not installed.
    """
    from petmood.inference.load import load_bundle as load_folder

    address = os.fspath(bundle)
    if "://" not in address:
        return load_folder(Path(address), threads=threads, variant=variant)
    from petmood.registry.cache import cached
    from petmood.registry.uri import find_version, parse_reference

    folder = cached(*find_version(parse_reference(address), registry=registry)).folder
    return load_folder(folder, threads=threads, variant=variant)


if not TYPE_CHECKING:  # a type checker sees the names above alone, so that it finds a misspelled one

    def __getattr__(name: str) -> object:
        """Import the name's module; look the version up, which takes longer than all other start-up code.

        Raises:
            MissingDependency: the clients' package is not installed; the message has the command that installs it.
        """
        if name in _HOMES:
            if "client" in _HOMES[name]:
                from petmood.core.extras import require

                require("httpx", extra="client")
            return getattr(importlib.import_module(_HOMES[name]), name)
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("petmood")
        except PackageNotFoundError:  # run from a source tree that was never installed
            return "0+unknown"

    def __dir__() -> list[str]:
        """Return the public names, those that are not yet imported too."""
        return sorted({*globals(), *__all__})
