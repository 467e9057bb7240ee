"""Registry backend in MLflow: versions are model versions, and aliases are MLflow's own."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from petmood.core.bundle import Bundle
from petmood.core.bundle_files import max_bytes, read_limited
from petmood.core.errors import BundleError, CorruptVersion, RegistryError
from petmood.core.extras import require
from petmood.core.files import atomic_write_bytes
from petmood.core.mlflow_env import configure_mlflow_env, default_artifact_location
from petmood.core.redact import one_line, without_credentials
from petmood.registry.base import AliasChange, Version, check_object_size
from petmood.registry.mlflow_aliases import MlflowAliases

__all__ = ["MlflowBackend"]

NETWORK_DATABASES: Final = ("postgresql", "mysql", "mssql")
RUNS: Final = "petmood registry"
VERSION_TAG: Final = "petmood.version"
BUNDLE: Final = "bundle"
ATTACHED: Final = "attached"
Record = TypeVar("Record", bound=BaseModel)


class MlflowBackend:
    """Registry backend in an MLflow tracking store: SQLite, another database, or a server.

    Raises:
        RegistryError: MLflow can't be reached; every method raises it too.
        MissingDependency: mlflow is not installed.
    """

    def __init__(self, uri: str, *, model: str) -> None:
        configure_mlflow_env()
        mlflow = require("mlflow", extra="mlflow")
        self._artifacts = require("mlflow.artifacts", extra="mlflow")
        self._uri, self.model, self.address = uri, model, without_credentials(uri)
        self._call(self._check_connection)
        self._client: Any = self._call(lambda: mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri))
        self._aliases = MlflowAliases(self._client, self._call, model=model, parse=partial(self._parsed, AliasChange))

    def _check_connection(self) -> None:
        """Connect to a database once; MLflow retries for 100 s, with a warning each time."""
        if self._uri.startswith(NETWORK_DATABASES):
            engine = require("sqlalchemy", extra="mlflow").create_engine(self._uri)
            with engine.connect():
                pass
            engine.dispose()

    def versions(self) -> Sequence[Version]:
        """Return every version, sorted by number; versions that petmood did not register are omitted."""
        found = self._call(lambda: self._client.search_model_versions(f"name='{self.model}'", max_results=10_000))
        mine = [(int(one.version), one.tags[VERSION_TAG]) for one in found if VERSION_TAG in one.tags]
        return [self._parsed(Version, text, number=number) for number, text in sorted(mine)]

    def changes(self) -> Sequence[AliasChange]:
        """Return every change that leads to MLflow's aliases, including those made outside petmood."""
        return self._aliases.changes()

    def add(self, bundle: Bundle, about: Mapping[str, Any]) -> Version:
        """Store a bundle's files as artifacts of a run, then create a model version from them."""
        self._call(lambda: self._client.create_registered_model(self.model), passed="RESOURCE_ALREADY_EXISTS")
        experiment = self._experiment_of_runs()
        run = self._call(lambda: self._client.create_run(experiment, run_name=f"{self.model} {bundle.sha256[:12]}"))
        run_id = run.info.run_id
        self._call(lambda: self._client.log_artifacts(run_id, str(bundle.folder), BUNDLE))
        self._call(lambda: self._client.set_terminated(run_id))
        said = Version(number=1, model=self.model, **about)
        tags = {VERSION_TAG: said.model_dump_json(exclude={"number"}), "petmood.sha256": bundle.sha256}
        source = f"{run.info.artifact_uri}/{BUNDLE}"
        made = self._call(
            lambda: self._client.create_model_version(self.model, source, run_id, tags=tags, description=bundle.sha256)
        )
        return said.model_copy(update={"number": int(made.version)})

    def repair(self, version: Version, bundle: Bundle) -> None:
        """Restore a version's files if one is missing or damaged."""
        with TemporaryDirectory(prefix="petmood-") as temporary:
            try:
                self.fetch(version, Path(temporary))
                complete = all(read_limited(Path(temporary) / name) == data for name, data in bundle.contents())
            except (RegistryError, BundleError, OSError):
                complete = False
        if not complete:
            run_id = self._run_of(version)
            self._call(lambda: self._client.log_artifacts(run_id, str(bundle.folder), BUNDLE))

    def fetch(self, version: Version, to: Path) -> None:
        """Download a version's files into an empty folder without verifying more than their sizes."""
        listed = self._list_sized(version, BUNDLE)
        if not listed:
            raise CorruptVersion(
                f"The files of version {version.number} of {self.model} are missing in {self.address}. "
                "Push the bundle again to restore them."
            )
        with TemporaryDirectory(prefix="petmood-", dir=to.parent) as temporary:
            for path in listed:
                file = self._download(version, path, temporary)
                atomic_write_bytes(to / file.name, read_limited(file))

    def record(self, change: AliasChange) -> bool:
        """Add a change under its number and set MLflow's aliases; return False if another client was first."""
        return self._aliases.record(change)

    def attach(self, version: Version, files: Mapping[str, bytes]) -> None:
        """Attach files to a version as artifacts of its run."""
        run_id = self._run_of(version)
        with TemporaryDirectory(prefix="petmood-") as temporary:
            for name, data in files.items():
                atomic_write_bytes(Path(temporary) / name, data)
            self._call(lambda: self._client.log_artifacts(run_id, temporary, ATTACHED))

    def attachments(self, version: Version, folder: str) -> Sequence[str]:
        """Return the names of the files attached directly below a folder, sorted."""
        run_id = self._run_of(version)
        found = self._call(lambda: self._client.list_artifacts(run_id, f"{ATTACHED}/{folder}"))
        return sorted(PurePosixPath(one.path).name for one in found if not one.is_dir)

    def attachment(self, version: Version, name: str) -> bytes:
        """Return the content of a file attached to a version."""
        path = f"{ATTACHED}/{name}"
        self._list_sized(version, str(PurePosixPath(path).parent))
        with TemporaryDirectory(prefix="petmood-") as temporary:
            return self._download(version, path, temporary).read_bytes()

    def _list_sized(self, version: Version, folder: str) -> Sequence[str]:
        """Return the paths of the files directly in a folder of artifacts, sorted; none of them is too large.

        Raises:
            RegistryError: a file is larger than any that petmood writes.
        """
        run_id = self._run_of(version)
        found = [one for one in self._call(lambda: self._client.list_artifacts(run_id, folder)) if not one.is_dir]
        for one in found:
            name = PurePosixPath(one.path).name
            where = f"{name} of version {version.number} of {self.model} in {self.address}"
            check_object_size(one.file_size or 0, where, max_bytes=max_bytes(name))
        return sorted(one.path for one in found)

    def _download(self, version: Version, path: str, to: str) -> Path:
        run_id = self._run_of(version)
        try:
            return Path(
                self._artifacts.download_artifacts(
                    run_id=run_id, artifact_path=path, dst_path=to, tracking_uri=self._uri
                )
            )
        except Exception as error:  # each artifact store raises its own errors
            raise RegistryError(
                f"{path} of version {version.number} of {self.model} can't be downloaded from {self.address} "
                f"({one_line(error)}). Push the bundle again to restore it."
            ) from error

    def _run_of(self, version: Version) -> str:
        found = self._call(lambda: self._client.get_model_version(self.model, str(version.number)))
        return str(found.run_id)

    def _experiment_of_runs(self) -> str:
        location = default_artifact_location(self._uri)
        self._call(partial(self._client.create_experiment, RUNS, location), passed="RESOURCE_ALREADY_EXISTS")
        return str(self._call(lambda: self._client.get_experiment_by_name(RUNS)).experiment_id)

    def _call(self, request: Callable[[], Any], *, passed: str = "") -> Any:  # noqa: ANN401 - MLflow's entities are untyped here
        """Call MLflow; return None if it fails with the error code ``passed``."""
        try:
            return request()
        except Exception as error:  # MLflow does not wrap the errors of SQLAlchemy and requests
            if passed and getattr(error, "error_code", "") == passed:
                return None
            raise RegistryError(
                f"MLflow at {self.address} can't be accessed ({one_line(error)}). Check the address and the server."
            ) from error

    def _parsed(self, record: type[Record], text: str, **known: int) -> Record:
        try:
            return record.model_validate({**json.loads(text), **known})
        except ValueError as error:
            raise RegistryError(
                f"A record of {self.model} in {self.address} is damaged ({one_line(error)}). Restore it from a backup."
            ) from error
