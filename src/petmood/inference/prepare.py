"""Photo preparation that returns the error of a photo that can't be decoded."""

from pathlib import Path

from petmood.core.errors import PhotoError
from petmood.core.image import ImageSpec, PreparedImage, load
from petmood.core.photo import LIMITS, ImageLimits

__all__ = ["try_prepare"]


def try_prepare(photo: bytes | Path, spec: ImageSpec, *, limits: ImageLimits = LIMITS) -> PreparedImage | PhotoError:
    """Prepare a photo; return (never raise) a ``PhotoError`` if it is rejected or its file can't be read."""
    try:
        return load(photo, spec, limits=limits)
    except PhotoError as error:
        # The traceback would keep the photo and its pixels in memory as long as the error.
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    except OSError as error:
        name = photo.name if isinstance(photo, Path) else "The photo"
        return PhotoError(f"{name} can't be read ({error.strerror}). Check that it exists and may be opened.")
