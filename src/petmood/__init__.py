"""Facial expression classification of pets in photos, from datasets and training to serving."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Look up the version on first access; the lookup takes longer than all other start-up code."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - as the docstring says

    try:
        return version("petmood")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
