"""Which errors does petmood raise on purpose? One tree, drawn here; every message is one useful line.

PetmoodError                      exit code 2 on the command line
├── ConfigError                   a setting has a wrong name or value
├── DataError                     photos, labels, index or splits are not usable as they are
│   └── UnknownMood               a label is none of the known moods
├── PhotoError                    one picture is refused; has an HTTP status and a code
│   ├── EmptyFile           400   empty_file
│   ├── FileTooLarge        413   too_large
│   ├── TooManyPixels       413   too_many_pixels
│   ├── UnsupportedFormat   415   unsupported_format
│   ├── TooSmall            422   too_small
│   ├── BadAspect           422   bad_aspect
│   └── CorruptImage        422   corrupt_image
├── BundleError                   a model bundle is incomplete, changed or does not answer as it should
├── RunError                      a training run can't be started, resumed or read
├── MissingExtra                  an optional package is not installed
└── OfflineError                  something has to be fetched and can't be

A message says what was expected, what came, what is allowed and what to do next.
"""

from typing import ClassVar

__all__ = [
    "BadAspect",
    "BundleError",
    "ConfigError",
    "CorruptImage",
    "DataError",
    "EmptyFile",
    "FileTooLarge",
    "MissingExtra",
    "OfflineError",
    "PetmoodError",
    "PhotoError",
    "RunError",
    "TooManyPixels",
    "TooSmall",
    "UnknownMood",
    "UnsupportedFormat",
]


class PetmoodError(Exception):
    """Say in one line what is wrong and what to do; the command line prints it and ends with ``exit_code``."""

    exit_code: ClassVar[int] = 2
    code: ClassVar[str] = "error"


class ConfigError(PetmoodError):
    """Refuse a setting with a wrong name or value."""

    code = "bad_config"


class DataError(PetmoodError):
    """Refuse photos, labels, an index or a split that can't be used as they are."""

    code = "bad_data"


class UnknownMood(DataError):
    """Refuse a label that is none of the known moods."""

    code = "unknown_mood"


class PhotoError(PetmoodError):
    """Refuse one picture; ``status`` is the HTTP status that a service answers with."""

    status: ClassVar[int] = 422
    code = "bad_photo"


class EmptyFile(PhotoError):
    """Refuse a file of zero bytes."""

    status = 400
    code = "empty_file"


class FileTooLarge(PhotoError):
    """Refuse a file with more bytes than the limit."""

    status = 413
    code = "too_large"


class TooManyPixels(PhotoError):
    """Refuse a picture whose header promises more pixels than the limit."""

    status = 413
    code = "too_many_pixels"


class UnsupportedFormat(PhotoError):
    """Refuse bytes that are no picture of a known format."""

    status = 415
    code = "unsupported_format"


class TooSmall(PhotoError):
    """Refuse a picture with too few pixels to show a face."""

    code = "too_small"


class BadAspect(PhotoError):
    """Refuse a picture that is far longer than wide, or wider than long."""

    code = "bad_aspect"


class CorruptImage(PhotoError):
    """Refuse a picture whose bytes can't be decoded to the end."""

    code = "corrupt_image"


class BundleError(PetmoodError):
    """Refuse a model bundle that is incomplete, changed, or answers otherwise than its golden photos."""

    code = "bad_bundle"


class RunError(PetmoodError):
    """Refuse to start, resume or read a training run."""

    code = "bad_run"


class MissingExtra(PetmoodError):
    """Name the optional package that is not installed, and the command that installs it."""

    code = "missing_extra"


class OfflineError(PetmoodError):
    """Say what could not be fetched, and how to provide it by hand."""

    code = "offline"
