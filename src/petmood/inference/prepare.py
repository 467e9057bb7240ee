"""What becomes of a photo that can't be prepared? Its error takes its place, so that it spoils no other."""

from pathlib import Path

from petmood.core.errors import PhotoError
from petmood.core.image import ImageSpec, PreparedImage, load
from petmood.core.photo import LIMITS, ImageLimits

__all__ = ["try_prepare"]


def try_prepare(photo: bytes | Path, spec: ImageSpec, *, limits: ImageLimits = LIMITS) -> PreparedImage | PhotoError:
    """Prepare a photo, or return (never raise) why it can't be: its bytes are refused, or its file can't be read."""
    try:
        return load(photo, spec, limits=limits)
    except PhotoError as error:
        # Its traceback holds the photo and all that was decoded of it, for as long as the error waits in a batch.
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    except OSError as error:
        name = photo.name if isinstance(photo, Path) else "The photo"
        return PhotoError(f"{name} can't be read ({error.strerror}). Check that it exists and may be opened.")
