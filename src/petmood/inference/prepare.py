"""What becomes of a photo that can't be prepared? Its error takes its place, so that it spoils no other."""

from pathlib import Path

from petmood.core.errors import PhotoError
from petmood.core.image import ImageSpec, Prepared, load
from petmood.core.photo import LIMITS, Limits

__all__ = ["prepare_or_refuse"]


def prepare_or_refuse(photo: bytes | Path, spec: ImageSpec, *, limits: Limits = LIMITS) -> Prepared | PhotoError:
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
