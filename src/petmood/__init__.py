"""What is petmood? The facial expression of a pet in a photo, and the whole life of the model that tells it."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: the look-up costs more than all other start-up code."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - as the docstring says

    try:
        return version("petmood")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
