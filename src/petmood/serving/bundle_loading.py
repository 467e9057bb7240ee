"""Loading of a bundle for the service: by its settings, and only with a valid signature where a public key is set."""

from collections.abc import Callable
from pathlib import Path

from petmood.core.signature import check_signature, read_signature
from petmood.inference.base import Predictor
from petmood.inference.load import load_bundle
from petmood.serving.settings import Settings

__all__ = ["open_bundle"]


def open_bundle(folder: Path, settings: Settings, *, opener: Callable[..., Predictor] = load_bundle) -> Predictor:
    """Return the predictor of a bundle; nothing of a bundle without the demanded signature is loaded.

    Raises:
        SignatureError: a public key is set, and the bundle has no signature that is valid for it.
        BundleError: as ``load_bundle``.
        ConfigError: the public key can't be used.
        MissingDependency: a public key is set, and the extra 'sign' is not installed.
    """
    if settings.public_key is not None:
        check_signature(folder, read_signature(folder), public_key=Path(settings.public_key))
    measures = settings.prediction_log is not None
    return opener(folder, limits=settings.limits, measures=measures, variant=settings.variant)
