"""Settings of the service from environment variables: limits, timeouts, tokens and switches."""

import os
import re
from typing import Annotated, Final, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from petmood.core.environment import TOKEN_VARIABLE
from petmood.core.errors import ConfigError
from petmood.core.photo import LIMITS, ImageLimits
from petmood.core.processors import processor_count
from petmood.core.redact import without_credentials
from petmood.core.validation import check_plain_number, validation_message
from petmood.core.variants import FP32, VariantChoice
from petmood.serving.addresses import TrustedProxies

__all__ = ["MIN_TOKEN", "Settings", "read_settings"]

MIN_TOKEN: Final = 16
FEWEST_DAYS: Final = 0.01
TOKEN_VARIABLES: Final = frozenset({TOKEN_VARIABLE, "PETMOOD_ADMIN_TOKEN"})

Seconds = Annotated[float, Field(ge=0.001, le=3600)]
Millions = Annotated[float, Field(ge=1e-6, le=1_000_000)]
"""Megabytes or megapixels: at least one byte or pixel."""

HostPattern = Annotated[str, Field(pattern=r"^((\*\.)?[0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])$")]
"""A name or address without a port, the names below one (``*.pets.example``), or an IPv6 address in brackets."""


COLLECTOR: Final = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", re.ASCII)


class Settings(BaseSettings):
    """Service settings; each can be set by the environment variable ``PETMOOD_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix="PETMOOD_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
    )

    threads: int = Field(default=0, ge=0, le=256, description="Worker threads; 0 means one per processor.")
    queue: int = Field(default=64, ge=1, le=100_000, description="Photos that may wait; more are rejected with 503.")
    batch: int = Field(default=1, ge=1, le=256, description="Photos per inference call; above 1 helps on GPUs only.")
    batch_wait_ms: float = Field(default=0, ge=0, le=1000, description="Milliseconds to wait for more photos.")
    max_wait_s: float = Field(
        default=10, ge=0.001, le=3600, description="Seconds in the queue after which a photo is rejected."
    )

    file_mb: Millions = Field(default=LIMITS.file_bytes / 1e6, description="Largest photo file in MB.")
    body_mb: Millions = Field(default=100, description="Largest body of a batch in MB.")
    held_mb: Millions = Field(default=256, description="Request bodies in memory in MB; more get 503.")
    photos: int = Field(default=32, ge=1, le=1000, description="Maximum number of photos per batch.")
    megapixels: Millions = Field(default=LIMITS.pixels / 1e6, description="Largest image, by its header.")

    connections: int = Field(default=1000, ge=1, le=1_000_000, description="Open connections; more get 503.")
    connections_per_address: int = Field(
        default=200, ge=1, le=1_000_000, description="Open connections of one client address."
    )
    header_timeout_s: Seconds = Field(default=10, description="Seconds for the headers of a request.")
    body_timeout_s: float = Field(
        default=10, ge=0.001, le=3600, description="Seconds for a body, plus size / body_kb_s."
    )
    body_kb_s: float = Field(default=16, ge=0.001, le=1_000_000, description="Minimum upload rate in kB/s.")
    idle_timeout_s: int = Field(default=15, ge=1, le=86_400, description="Seconds until an idle connection is closed.")
    rate_per_minute: float = Field(
        default=0, ge=0, le=1_000_000, description="Limit per client address; 0 means no limit."
    )

    token: SecretStr | None = Field(default=None, description="Bearer token for predictions; not required if unset.")
    admin_token: SecretStr | None = Field(default=None, description="Bearer token for /models; disabled if unset.")
    public_metrics: bool = Field(default=True, description="Whether /metrics needs no token.")
    public_docs: bool = Field(default=True, description="Whether /docs and /openapi.json need no token.")
    origins: tuple[str, ...] = Field(default=(), description="Allowed origins of web pages, as a JSON list.")
    allowed_hosts: tuple[HostPattern, ...] = Field(default=(), description="Allowed Host headers, as a JSON list.")
    trusted_proxies: str = Field(default="127.0.0.1", description="Proxies whose X-Forwarded-For is trusted.")

    proxy_hops: int = Field(default=1, ge=1, le=10, description="Proxies in a row, where all are trusted ('*').")

    registry: str | None = Field(default=None, description="Registry that resolves registry:// addresses.")
    public_key: str | None = Field(default=None, description="Public key that bundles must be signed for, a PEM file.")
    variant: VariantChoice = Field(default=FP32, description="Network of a bundle: fp32, int8, or auto, the faster.")
    follow_s: float = Field(default=2, ge=0.1, le=3600, description="Seconds between lookups of a watched alias.")

    drain_notice_s: float = Field(default=1, ge=0, le=60, description="Seconds of serving unready after SIGTERM.")
    drain_s: float = Field(default=6, ge=0.001, le=60, description="Seconds after that for requests in flight.")

    prediction_log: SecretStr | None = Field(
        default=None, description="Database of the prediction log: sqlite:///FILE or postgresql://USER@HOST/NAME."
    )
    prediction_log_days: float = Field(
        default=90, ge=0, le=36_500, description="Age in days at which rows of the log are deleted; 0 keeps all."
    )
    prediction_log_spool: str | None = Field(
        default=None, description="Folder for rows while the database is away; default: in the user's cache."
    )
    prediction_log_spool_mb: float = Field(
        default=1000, ge=1, le=1_000_000, description="Rows there of each process in MB; more are dropped."
    )

    feedback_per_minute: float = Field(
        default=30, ge=0, le=1_000_000, description="Feedback of one client address; 0 means no limit."
    )
    keep_photos_days: float | None = Field(
        default=None,
        ge=FEWEST_DAYS,
        le=36_500,
        description="Keep photos beside the prediction log, for so many days; none are kept if unset.",
    )
    keep_photos_folder: str | None = Field(
        default=None, description="Folder for kept photos; default: beside the file of the prediction log."
    )

    traces: str | None = Field(
        default=None, description="Collector that spans are sent to, such as http://collector:4318; none if unset."
    )
    trace_sampling: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the traces begun here that is sampled; clients decide on theirs.",
    )

    vertex_health_route: str | None = Field(
        default=None,
        pattern="^/",
        validation_alias="AIP_HEALTH_ROUTE",
        description="Route of the health check of Vertex AI, which sets it; it answers as /readyz.",
    )
    vertex_predict_route: str | None = Field(
        default=None,
        pattern="^/",
        validation_alias="AIP_PREDICT_ROUTE",
        description="Route of predictions of Vertex AI, which sets it; bodies are JSON with photos in Base64.",
    )

    @property
    def limits(self) -> ImageLimits:
        """Limits of one photo, capped at ``held_mb``; a larger one would always be rejected as overload."""
        return ImageLimits(file_bytes=int(min(self.file_mb, self.held_mb) * 1e6), pixels=int(self.megapixels * 1e6))

    @property
    def batch_photos(self) -> int:
        """Photos allowed per batch, capped at the queue size; a larger batch would always be rejected as overload."""
        return min(self.photos, self.queue)

    @property
    def batch_bytes(self) -> int:
        """Bytes allowed per batch, capped at ``held_mb``."""
        return int(min(self.body_mb, self.held_mb) * 1e6)

    @property
    def workers(self) -> int:
        """Number of worker threads; by default one for each available processor."""
        return self.threads or processor_count()

    @property
    def photo_days(self) -> float | None:
        """Age in days at which kept photos are deleted, with the rows of the log at the latest; None keeps none."""
        if self.keep_photos_days is None:
            return None
        return min(self.keep_photos_days, self.prediction_log_days or self.keep_photos_days)

    @property
    def proxies(self) -> TrustedProxies:
        """The trusted proxies, parsed."""
        return TrustedProxies.parse(self.trusted_proxies, hops=self.proxy_hops)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, text: str) -> str:
        try:
            TrustedProxies.parse(text)
        except ValueError as error:
            raise ValueError(f"expected addresses or networks such as '10.0.0.0/8', '*' or 'none': {error}") from error
        return text

    @field_validator("traces")
    @classmethod
    def _check_collector(cls, address: str | None) -> str | None:
        if address is not None and not COLLECTOR.fullmatch(address):
            raise ValueError(
                "Expected the address of a collector without a path, such as http://collector:4318. "
                "Headers with a key are read from OTEL_EXPORTER_OTLP_HEADERS"
            )
        return address

    @field_validator("vertex_health_route", "vertex_predict_route")
    @classmethod
    def _without_trailing_slash(cls, route: str | None) -> str | None:
        return route if route is None else route.rstrip("/") or "/"

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_odd_numbers(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a number with spaces, underscores or digits of another script, which Python would read."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if kind in (int, float, float | None) and isinstance(value, str):
            check_plain_number(value, whole=kind is int)
        return value

    @field_validator("rate_per_minute", "feedback_per_minute")
    @classmethod
    def _refuse_rates_that_refuse_all(cls, value: float) -> float:
        if 0 < value < 1:
            raise ValueError("Expected 0, or a number of 1 or more")
        return value

    @field_validator("prediction_log_days")
    @classmethod
    def _refuse_ages_that_delete_all(cls, value: float) -> float:
        if 0 < value < FEWEST_DAYS:
            raise ValueError(f"Expected 0, or a number of {FEWEST_DAYS:g} or more")
        return value

    @model_validator(mode="after")
    def _refuse_photos_without_a_log(self) -> Self:
        if self.keep_photos_days is not None and self.prediction_log is None:
            raise ValueError(
                "Expected a prediction log, since photos are kept. Set PETMOOD_PREDICTION_LOG, or --prediction-log."
            )
        return self

    @model_validator(mode="after")
    def _refuse_weak_tokens(self) -> Self:
        for name, secret in (("token", self.token), ("admin_token", self.admin_token)):
            value = secret.get_secret_value() if secret is not None else None
            if value is not None and not (value.isascii() and value.isprintable() and value == value.strip()):
                raise ValueError(
                    f"Expected {name} to be printable ASCII without spaces around it, as headers carry it."
                )
            if value is not None and (len(value) < MIN_TOKEN or len(set(value)) < MIN_TOKEN // 2):
                raise ValueError(
                    f"{name} is too weak: expected at least {MIN_TOKEN} characters, {MIN_TOKEN // 2} different ones. "
                    "Generate one with: openssl rand -hex 16"
                )
        if self.token is not None and self.token == self.admin_token:
            raise ValueError("Expected admin_token to differ from token; otherwise every client could load models.")
        if self.token is None and not (self.public_metrics and self.public_docs):
            raise ValueError("Expected a token, since public_metrics or public_docs is off. Set PETMOOD_TOKEN.")
        return self


def read_settings(**given: object) -> Settings:
    """Read settings from the environment; keyword arguments take precedence.

    Raises:
        ConfigError: a value is invalid; the message names the setting and never contains a token.
    """
    _refuse_blank_tokens()
    try:
        return Settings(**given)  # type: ignore[arg-type] # validated by pydantic
    except SettingsError as error:  # a list that isn't valid JSON; only the message names the field
        name = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "a list").upper()
        example = "pets.example" if name == "ALLOWED_HOSTS" else "https://pets.example"
        raise ConfigError(f"PETMOOD_{name}: expected a JSON list, such as '[\"{example}\"]'.") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])).upper()
        if not name:  # of all settings together, tokens included
            raise ConfigError(validation_message(first, with_input=False)) from error
        prefix = "" if name.startswith("AIP_") else "PETMOOD_"
        message = without_credentials(validation_message(first, with_input=not name.endswith("TOKEN")))
        raise ConfigError(f"{prefix}{name}: {message}.") from error


def _refuse_blank_tokens() -> None:
    """Refuse an empty token: a secret that could not be read would otherwise open the service to everyone."""
    for variable, value in os.environ.items():
        if variable.upper() in TOKEN_VARIABLES and not value.strip():
            raise ConfigError(f"{variable}: expected a token, got an empty one. Set a token, or unset the variable.")
