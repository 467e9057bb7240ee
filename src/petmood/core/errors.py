"""Error tree of petmood. A message says what was expected, what came, what is allowed and what to do next.

PetmoodError                      exit code 2 on the command line
├── ConfigError                   a setting has a wrong name or value
├── DataError                     photos, labels, index or splits are not usable as they are
│   └── UnknownLabel              a label is none of the known classes
├── PhotoError                    one picture is refused; has an HTTP status and a code
│   ├── EmptyFile           400   empty_file
│   ├── FileTooLarge        413   too_large
│   ├── TooManyPixels       413   too_many_pixels
│   ├── UnsupportedFormat   415   unsupported_format
│   ├── TooSmall            422   too_small
│   ├── BadAspect           422   bad_aspect
│   └── CorruptImage        422   corrupt_image
├── RequestError                  an HTTP request is refused; has a status and a code too
│   ├── BadForm             400   bad_form
│   ├── BadRequest          400   bad_request
│   ├── Unauthorized        401   unauthorized
│   ├── Forbidden           403   forbidden
│   ├── RequestTimeout      408   request_timeout
│   ├── UnsupportedMediaType 415    unsupported_media_type
│   ├── UnprocessableContent 422   unprocessable_content
│   ├── TooManyRequests     429   too_many_requests
│   ├── InternalError       500   internal
│   └── Unavailable         503   unavailable
│       ├── Overloaded      503   overloaded
│       └── ShuttingDown    503   shutting_down
├── OutputError                   a folder can't be written, or must not be replaced
│   └── OutputLocked              another process is writing it
├── BundleError                   a model bundle is incomplete, changed or does not answer as it should
├── RunError                      a training run can't be started, resumed or read
├── TrackingError                 a tracker can't be reached, or refuses
├── RegistryError                 a model registry, a version or an alias is not there or not whole
│   ├── RegistryConflict          somebody else changed the registry first
│   ├── CorruptVersion            a version's files are missing or not what was registered
│   └── PromotionRejected         a candidate did not pass the gate; exit code 3
├── MissingDependency             an optional package is not installed
└── DownloadError                 something has to be fetched and can't be
"""

from typing import ClassVar

__all__ = [
    "BadAspect",
    "BadForm",
    "BadRequest",
    "BundleError",
    "ConfigError",
    "CorruptImage",
    "CorruptVersion",
    "DataError",
    "DownloadError",
    "EmptyFile",
    "FileTooLarge",
    "Forbidden",
    "InternalError",
    "MissingDependency",
    "OutputError",
    "OutputLocked",
    "Overloaded",
    "PetmoodError",
    "PhotoError",
    "PromotionRejected",
    "RegistryConflict",
    "RegistryError",
    "RequestError",
    "RequestTimeout",
    "RunError",
    "ShuttingDown",
    "TooManyPixels",
    "TooManyRequests",
    "TooSmall",
    "TrackingError",
    "Unauthorized",
    "Unavailable",
    "UnknownLabel",
    "UnprocessableContent",
    "UnsupportedFormat",
    "UnsupportedMediaType",
]


class PetmoodError(Exception):
    """Say in one line what is wrong and what to do; the command line prints it and ends with ``exit_code``."""

    exit_code: ClassVar[int] = 2
    code: ClassVar[str] = "error"

    def __init_subclass__(cls, **facts: int | str) -> None:
        """Set ``code``, ``status`` or ``retry_after_s`` of a kind of error from the keywords of its class statement."""
        super().__init_subclass__()
        for name, value in facts.items():
            setattr(cls, name, value)


class ConfigError(PetmoodError):
    """Refuse a setting with a wrong name or value."""

    code = "bad_config"


class DataError(PetmoodError):
    """Refuse photos, labels, an index or a split that can't be used as they are."""

    code = "bad_data"


class UnknownLabel(DataError):
    """Refuse a label that is none of the known classes."""

    code = "unknown_label"


class PhotoError(PetmoodError):
    """Refuse one picture; ``status`` is the HTTP status that a service answers with."""

    status: ClassVar[int] = 422
    code = "bad_photo"


class EmptyFile(PhotoError, status=400, code="empty_file"):
    """Refuse a file of zero bytes."""


class FileTooLarge(PhotoError, status=413, code="too_large"):
    """Refuse a file with more bytes than the limit."""


class TooManyPixels(PhotoError, status=413, code="too_many_pixels"):
    """Refuse a picture whose header promises more pixels than the limit."""


class UnsupportedFormat(PhotoError, status=415, code="unsupported_format"):
    """Refuse bytes that are no picture of a known format."""


class TooSmall(PhotoError, code="too_small"):
    """Refuse a picture with too few pixels to show a face."""


class BadAspect(PhotoError, code="bad_aspect"):
    """Refuse a picture that is far longer than wide, or wider than long."""


class CorruptImage(PhotoError, code="corrupt_image"):
    """Refuse a picture whose bytes can't be decoded to the end."""


class RequestError(PetmoodError):
    """Refuse an HTTP request before any picture is looked at; ``retry_after_s`` says when to come again, if ever."""

    status: ClassVar[int] = 400
    code = "request_error"
    retry_after_s: ClassVar[int | None] = None


class BadForm(RequestError, code="bad_form"):
    """Refuse a multipart form that can't be taken apart, or has far too many parts."""


class BadRequest(RequestError, code="bad_request"):
    """Refuse a request that breaks HTTP's own rules, or JSON that can't be read."""


class Unauthorized(RequestError, status=401, code="unauthorized"):
    """Refuse a caller without the right token."""


class Forbidden(RequestError, status=403, code="forbidden"):
    """Refuse what is switched off, or comes from another web page."""


class RequestTimeout(RequestError, status=408, code="request_timeout"):
    """Refuse a body that trickles in too slowly."""


class UnsupportedMediaType(RequestError, status=415, code="unsupported_media_type"):
    """Refuse a body that is neither a form nor a picture."""


class UnprocessableContent(RequestError, status=422, code="unprocessable_content"):
    """Refuse a form without the expected field, or with it twice."""


class TooManyRequests(RequestError, status=429, code="too_many_requests", retry_after_s=1):
    """Refuse a caller who asks more often than the limit allows."""


class InternalError(RequestError, status=500, code="internal"):
    """Say that the fault is ours; the log knows more."""


class Unavailable(RequestError, status=503, code="unavailable", retry_after_s=1):
    """Say that the service can't answer just now."""


class Overloaded(Unavailable, code="overloaded"):
    """Say that as many photos are waiting as may wait."""


class ShuttingDown(Unavailable, code="shutting_down"):
    """Say that this process is about to end, and another will answer."""


class OutputError(PetmoodError):
    """Refuse to write a folder that can't be written, or must not be replaced."""

    code = "bad_output"


class OutputLocked(OutputError):
    """Refuse to write what another process is writing."""

    code = "output_locked"


class BundleError(PetmoodError):
    """Refuse a model bundle that is incomplete, changed, or answers otherwise than its golden photos."""

    code = "bad_bundle"


class RunError(PetmoodError):
    """Refuse to start, resume or read a training run."""

    code = "bad_run"


class TrackingError(PetmoodError):
    """Say that a tracker can't be reached, or refuses what it is sent; nothing is lost by it."""

    code = "tracking_error"


class RegistryError(PetmoodError):
    """Refuse a registry, a version or an alias that is not there or not whole."""

    code = "bad_registry"


class RegistryConflict(RegistryError):
    """Refuse a change that was decided on a state which somebody else has changed meanwhile."""

    code = "registry_conflict"


class CorruptVersion(RegistryError):
    """Refuse a version whose files are missing or another bundle's; a registry that is away is none of this."""

    code = "corrupt_version"


class PromotionRejected(RegistryError):
    """Refuse a candidate that did not pass the gate; the message has a line for each check that failed."""

    exit_code = 3
    code = "promotion_rejected"


class MissingDependency(PetmoodError):
    """Name the optional package that is not installed, and the command that installs it."""

    code = "missing_dependency"


class DownloadError(PetmoodError):
    """Say what could not be fetched, and how to provide it by hand."""

    code = "download_error"
