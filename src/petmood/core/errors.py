"""Error tree of petmood. A message states what was expected, the value received, the allowed values and the next step.

PetmoodError                      exit code 2 on the command line
├── ConfigError                   a setting has a wrong name or value
├── DataError                     photos, labels, index or splits are invalid
├── PhotoError                    one photo is rejected; has an HTTP status and a code
│   ├── EmptyFile           400   empty_file
│   ├── FileTooLarge        413   too_large
│   ├── TooManyPixels       413   too_many_pixels
│   ├── UnsupportedFormat   415   unsupported_format
│   ├── TooSmall            422   too_small
│   ├── BadAspect           422   bad_aspect
│   └── CorruptImage        422   corrupt_image
├── RequestError                  an HTTP request is rejected; has a status and a code too
│   ├── BadForm             400   bad_form
│   ├── BadRequest          400   bad_request
│   ├── Unauthorized        401   unauthorized
│   ├── Forbidden           403   forbidden
│   ├── UnknownRequest      404   unknown_request
│   ├── RequestTimeout      408   request_timeout
│   ├── UnsupportedMediaType 415    unsupported_media_type
│   │   └── UnsupportedCoding 415   unsupported_coding
│   ├── UnprocessableContent 422   unprocessable_content
│   ├── TooManyRequests     429   too_many_requests
│   ├── InternalError       500   internal
│   └── Unavailable         503   unavailable
│       ├── Overloaded      503   overloaded
│       └── ShuttingDown    503   shutting_down
├── OutputError                   a folder can't be written, or must not be replaced
│   └── OutputLocked              another process is writing it
├── BundleError                   a model bundle is incomplete or changed, or its outputs are wrong
│   └── SignatureError            it has no signature by the expected key
├── RunError                      a training run can't be started, resumed or read
├── TrackingError                 a tracker can't be reached, or rejects a request
├── RegistryError                 a model registry, a version or an alias is missing or invalid
│   ├── RegistryConflict          another writer changed the registry first
│   ├── CorruptVersion            a version's files are missing or not those that were registered
│   └── PromotionRejected         a candidate failed the promotion checks; exit code 3
├── WorkerKilled                  a process that predicts photos is killed again and again
├── LogUnavailable                the database of the prediction log can't be used
├── MissingDependency             an optional package is not installed
├── DownloadError                 a download failed
├── CloudError                    Google Cloud rejects a request, or a job on it can't be started
└── ServiceError                  a response is not from petmood
    ├── ServiceUnreachable        it can't be reached
    └── ServiceTimeout            it does not respond in time
"""

from typing import ClassVar

__all__ = [
    "BadAspect",
    "BadForm",
    "BadRequest",
    "BundleError",
    "CloudError",
    "ConfigError",
    "CorruptImage",
    "CorruptVersion",
    "DataError",
    "DownloadError",
    "EmptyFile",
    "FileTooLarge",
    "Forbidden",
    "InternalError",
    "LogUnavailable",
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
    "ServiceError",
    "ServiceTimeout",
    "ServiceUnreachable",
    "ShuttingDown",
    "SignatureError",
    "TooManyPixels",
    "TooManyRequests",
    "TooSmall",
    "TrackingError",
    "Unauthorized",
    "Unavailable",
    "UnknownRequest",
    "UnprocessableContent",
    "UnsupportedCoding",
    "UnsupportedFormat",
    "UnsupportedMediaType",
    "WorkerKilled",
]


class PetmoodError(Exception):
    """Base class of petmood's errors: a message with the next step; the CLI prints it and exits with ``exit_code``.

    ``code`` is for programs; ``request_id`` is that of the service's response, in errors raised by its clients.
    """

    exit_code: ClassVar[int] = 2
    code: str = "error"
    request_id: str | None = None

    def __init_subclass__(cls, **facts: int | str) -> None:
        """Set ``code``, ``status`` or ``retry_after_s`` of a subclass from the keywords of its class statement."""
        super().__init_subclass__()
        for name, value in facts.items():
            setattr(cls, name, value)


class ConfigError(PetmoodError, code="bad_config"):
    """A setting has a wrong name or value."""


class DataError(PetmoodError, code="bad_data"):
    """Photos, labels, an index or a split are invalid."""


class PhotoError(PetmoodError):
    """One photo is rejected; ``status`` is the HTTP status of the response."""

    status: ClassVar[int] = 422
    code = "bad_photo"


class EmptyFile(PhotoError, status=400, code="empty_file"):
    """A file has zero bytes."""


class FileTooLarge(PhotoError, status=413, code="too_large"):
    """A file has more bytes than the limit."""


class TooManyPixels(PhotoError, status=413, code="too_many_pixels"):
    """A photo's header declares more pixels than the limit."""


class UnsupportedFormat(PhotoError, status=415, code="unsupported_format"):
    """The bytes are not an image of a supported format."""


class TooSmall(PhotoError, code="too_small"):
    """A photo has too few pixels to show a face."""


class BadAspect(PhotoError, code="bad_aspect"):
    """A photo's aspect ratio is above the limit."""


class CorruptImage(PhotoError, code="corrupt_image"):
    """A photo's bytes can't be decoded completely."""


class RequestError(PetmoodError):
    """An HTTP request is rejected before a photo is decoded; ``retry_after_s`` is the Retry-After value, if any."""

    status: ClassVar[int] = 400
    code = "request_error"
    retry_after_s: int | None = None


class BadForm(RequestError, code="bad_form"):
    """A multipart form can't be parsed or has too many parts."""


class BadRequest(RequestError, code="bad_request"):
    """A request violates HTTP, or its JSON can't be parsed."""


class Unauthorized(RequestError, status=401, code="unauthorized"):
    """A request has no valid token."""


class Forbidden(RequestError, status=403, code="forbidden"):
    """A feature is disabled, or the request comes from another origin."""


class UnknownRequest(RequestError, status=404, code="unknown_request"):
    """Feedback is for a photo that the prediction log has no prediction of."""


class RequestTimeout(RequestError, status=408, code="request_timeout"):
    """A request body arrives too slowly."""


class UnsupportedMediaType(RequestError, status=415, code="unsupported_media_type"):
    """A request body is neither a form nor a photo."""


class UnsupportedCoding(UnsupportedMediaType, code="unsupported_coding"):
    """A request body is compressed; the response lists the accepted content codings (RFC 9110, section 15.5.16)."""


class UnprocessableContent(RequestError, status=422, code="unprocessable_content"):
    """A form lacks the expected field, or has it twice."""


class TooManyRequests(RequestError, status=429, code="too_many_requests", retry_after_s=1):
    """A client exceeds the rate limit."""


class InternalError(RequestError, status=500, code="internal"):
    """An unexpected error in the service; the log has the details."""


class Unavailable(RequestError, status=503, code="unavailable", retry_after_s=1):
    """The service is temporarily unavailable."""


class Overloaded(Unavailable, code="overloaded"):
    """The queue of waiting photos is full."""


class ShuttingDown(Unavailable, code="shutting_down"):
    """This process is shutting down; another one will serve the request."""


class OutputError(PetmoodError, code="bad_output"):
    """A folder can't be written, or must not be replaced."""


class OutputLocked(OutputError, code="output_locked"):
    """Another process is writing the target."""


class BundleError(PetmoodError, code="bad_bundle"):
    """A model bundle is incomplete, changed, or its predictions differ from its golden outputs."""


class SignatureError(BundleError, code="bad_signature"):
    """A bundle has no signature, one by another key, or was changed after it was signed."""


class RunError(PetmoodError, code="bad_run"):
    """A training run can't be started, resumed or read."""


class TrackingError(PetmoodError, code="tracking_error"):
    """A tracker can't be reached, or rejects a request; no local results are lost."""


class RegistryError(PetmoodError, code="bad_registry"):
    """A registry, a version or an alias is missing or invalid."""


class RegistryConflict(RegistryError, code="registry_conflict"):
    """A change is based on an outdated state: another writer has changed the registry since."""


class CorruptVersion(RegistryError, code="corrupt_version"):
    """A version's files are missing or are another bundle's; not raised for an unreachable registry."""


class PromotionRejected(RegistryError):
    """A candidate failed the promotion checks; the message has a line for each failed check."""

    exit_code = 3
    code = "promotion_rejected"


class WorkerKilled(PetmoodError, code="worker_killed"):
    """A process that predicts photos is killed again and again, as by the kernel when memory runs out."""


class LogUnavailable(PetmoodError, code="log_unavailable"):
    """The database of the prediction log can't be used: it is away, or refuses to be read or written."""


class MissingDependency(PetmoodError, code="missing_dependency"):
    """An optional package is not installed; the message has the command that installs it."""


class DownloadError(PetmoodError, code="download_error"):
    """A download failed; the message explains how to provide the file manually."""


class CloudError(PetmoodError, code="cloud_error"):
    """Google Cloud can't be reached or rejects a request, or the environment of a job on it is not as expected."""


class ServiceError(PetmoodError, code="service_error"):
    """A response is not from petmood; ``status`` is its HTTP status, if that is the reason."""

    status: int | None = None


class ServiceUnreachable(ServiceError, code="unreachable"):
    """A service can't be reached, or the connection broke."""


class ServiceTimeout(ServiceError, code="timeout"):
    """A service does not respond in time."""
