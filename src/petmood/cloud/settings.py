"""Settings of a deployment on Google Cloud: project, region, names, and sizes of services and training jobs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petmood.core.errors import ConfigError
from petmood.core.extras import require
from petmood.core.validation import validation_message

__all__ = ["CloudSettings", "Component", "ServiceSize", "TrainingSize", "read_cloud_settings"]

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,48}[a-z0-9]$")]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi)$")]
EXAMPLE: Final = "A file of settings has lines such as `region: europe-west4`."


class Component(StrEnum):
    """A service on Cloud Run; its image, its service account and its name end with this word."""

    API = "api"
    PAGE = "page"
    MONITOR = "monitor"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ServiceSize(_Frozen):
    """Size of one service: processors and memory of an instance, requests it serves at a time, number of instances."""

    cpu: Literal[1, 2, 4, 8] = 1
    memory: Memory = "1Gi"
    concurrency: int = Field(default=32, ge=1, le=1000)
    min_instances: int = Field(default=0, ge=0, le=100)
    max_instances: int = Field(default=4, ge=1, le=1000)
    timeout_s: int = Field(default=60, ge=1, le=3600)


class TrainingSize(_Frozen):
    """Machines of a training job: so many of a type, with a process on each that trains with the others.

    ``timeout_h``: hours after which Vertex AI ends the job; ``spot``: may be interrupted.
    """

    machines: int = Field(default=1, ge=1, le=100)
    machine_type: str = Field(default="n1-standard-8", pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$")
    accelerator: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]+$")
    accelerator_count: int = Field(default=1, ge=1, le=16)
    disk_gb: int = Field(default=100, ge=100, le=64_000)
    timeout_h: float = Field(default=12, gt=0, le=168)
    spot: bool = False


class CloudSettings(_Frozen):
    """All settings of a deployment.

    ``model``: what the API serves, by the registry in the bucket. ``bucket``: null is the project's name with
    "-petmood". ``api_url``: the address that the page calls. ``cloud_sql``: PROJECT:REGION:INSTANCE of the database of
    the prediction log, whose address is in the secret ``log_secret``; without it, the API keeps no log.
    """

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")
    region: str = Field(default="us-central1", pattern=r"^[a-z]+-[a-z]+[0-9]+$")
    repository: Name = "petmood"
    tag: str = Field(default="latest", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
    bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$")
    model: str = Field(default="registry://petmood@champion", pattern=r"^registry://[^\s@]+(@[\w-]+)?$")
    api_url: str | None = Field(default=None, pattern=r"^https://\S+$")
    token_secret: Name = "petmood-token"  # noqa: S105 - the name of a secret
    log_secret: Name = "petmood-prediction-log"  # noqa: S105 - as above
    cloud_sql: str | None = Field(default=None, pattern=r"^[^\s:]+:[^\s:]+:[^\s:]+$")
    collector: str = "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0"
    api: ServiceSize = ServiceSize(cpu=2, memory="2Gi")
    page: ServiceSize = ServiceSize(max_instances=2, timeout_s=3600)
    monitor: ServiceSize = ServiceSize(min_instances=1, max_instances=1)
    training: TrainingSize = TrainingSize()

    @property
    def parent(self) -> str:
        """The project and region, as requests name them."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def storage(self) -> str:
        """The address of the bucket."""
        return f"gs://{self.bucket or f'{self.project}-petmood'}"

    @property
    def registry(self) -> str:
        """The address of the model registry."""
        return f"{self.storage}/registry"

    def image(self, name: str) -> str:
        """Return the address of a container image in Artifact Registry."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{self.repository}/{name}:{self.tag}"

    def account(self, name: str) -> str:
        """Return the service account of a service or job."""
        return f"petmood-{name}@{self.project}.iam.gserviceaccount.com"


def read_cloud_settings(path: Path | None = None, **given: Any) -> CloudSettings:  # noqa: ANN401 - any setting's value
    """Return settings from a YAML file, if any, with the ``given`` ones in their place; those that are None are not.

    Raises:
        ConfigError: the file can't be read, or a setting has a wrong name or value.
    """
    values = {} if path is None else _read_yaml(path)
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return CloudSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise ConfigError(
                f"Expected a value of {key}, got none. Give it with --{key}, or in --settings."
            ) from error
        where = "" if path is None else f" in {path}"
        raise ConfigError(f"{key}{where}: {validation_message(first)}.") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    yaml = require("yaml", extra="cloud")
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path} can't be read as YAML: {reason}. {EXAMPLE}") from error
    if not isinstance(found, dict | None) or not all(isinstance(key, str) for key in found or {}):
        raise ConfigError(f"Expected a mapping of settings to values in {path}, got something else. {EXAMPLE}")
    return found or {}
