"""How does MLflow keep a registry? Versions are its model versions, aliases its aliases, and changes experiments.

MLflow lets an alias be set by anyone at any time, so two promotions at once would both win, and nobody would know who
did it. The one thing that it creates exclusively and in one step is an experiment with its tags: its name is unique in
the database. So each change is an experiment whose tag holds it, and MLflow's aliases are set from the changes.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from petmood.core.bundle import Bundle
from petmood.core.errors import CorruptVersion, RegistryError
from petmood.core.extras import require
from petmood.core.files import atomic_write_bytes
from petmood.core.mlflow_env import configure_mlflow_env, default_artifact_location
from petmood.core.redact import one_line, without_credentials
from petmood.registry.base import AliasChange, Version, replay

__all__ = ["MlflowBackend"]

logger = logging.getLogger(__name__)

RUNS: Final = "petmood registry"
VERSION_TAG: Final = "petmood.version"
CHANGE_TAG: Final = "petmood.change"
BUNDLE: Final = "bundle"
ATTACHED: Final = "attached"
Record = TypeVar("Record", bound=BaseModel)


class MlflowBackend:
    """A registry's backend in an MLflow tracking store: SQLite, another database, or a server."""

    def __init__(self, uri: str, *, model: str) -> None:
        configure_mlflow_env()
        mlflow = require("mlflow", extra="mlflow")
        self._artifacts = require("mlflow.artifacts", extra="mlflow")
        self._uri, self.model, self.address = uri, model, without_credentials(uri)
        self._prefix = f"petmood registry: {model}, change "
        self._client: Any = self._call(lambda: mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri))

    def versions(self) -> Sequence[Version]:
        """Return every version by its number; those that petmood didn't register are none of its business."""
        found = self._call(lambda: self._client.search_model_versions(f"name='{self.model}'", max_results=10_000))
        mine = [(int(one.version), one.tags[VERSION_TAG]) for one in found if VERSION_TAG in one.tags]
        return [self._parsed(Version, text, number=number) for number, text in sorted(mine)]

    def changes(self) -> Sequence[AliasChange]:
        """Return every change in its order."""
        view = require("mlflow.entities", extra="mlflow").ViewType.ALL
        query, token = f"name LIKE '{self._prefix}%'", None
        found: list[Any] = []
        while token != "":
            page = self._call(partial(self._client.search_experiments, view, 1000, query, ["name ASC"], token))
            found += page
            token = page.token or ""
        mine = [one for one in found if one.name.startswith(self._prefix)]  # to LIKE, "_" is any sign
        return [self._parsed(AliasChange, one.tags.get(CHANGE_TAG, "")) for one in mine]

    def add(self, bundle: Bundle, about: Mapping[str, Any]) -> Version:
        """Store a bundle's files as artifacts of a run, and after that make a model version of them."""
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
        """Put a version's files back where one is missing or damaged."""
        with TemporaryDirectory(prefix="petmood-") as passing:
            try:
                self.fetch(version, Path(passing))
                whole = all((Path(passing) / name).read_bytes() == data for name, data in bundle.contents())
            except (RegistryError, OSError):
                whole = False
        if not whole:
            run_id = self._run_of(version)
            self._call(lambda: self._client.log_artifacts(run_id, str(bundle.folder), BUNDLE))

    def fetch(self, version: Version, to: Path) -> None:
        """Put a version's files into an empty folder."""
        run_id = self._run_of(version)
        if not self._call(lambda: self._client.list_artifacts(run_id, BUNDLE)):
            raise CorruptVersion(
                f"The files of version {version.number} of {self.model} are missing in {self.address}. "
                "Push the bundle again to put them back."
            )
        with TemporaryDirectory(prefix="petmood-", dir=to.parent) as passing:
            came = self._download(version, BUNDLE, passing)
            for file in sorted(came.iterdir()) if came.is_dir() else ():
                if file.is_file():
                    atomic_write_bytes(to / file.name, file.read_bytes())

    def record(self, change: AliasChange) -> bool:
        """Add a change under its number, unless that is taken; then let MLflow's aliases say what the changes say."""
        name, tags = f"{self._prefix}{change.number:06}", {CHANGE_TAG: change.model_dump_json()}
        made = self._call(lambda: self._client.create_experiment(name, tags=tags), passed="RESOURCE_ALREADY_EXISTS")
        if made is None and not self._is_ours(name, tags):
            return False
        try:
            self.sync_aliases()
        except RegistryError as error:  # the change stands, and the next one shows them too
            logger.warning(
                "change %d of %s is made, but MLflow's page shows old aliases: %s", change.number, self.model, error
            )
        return True

    def sync_aliases(self) -> None:
        """Set MLflow's own aliases, which its page shows, to what the changes say."""
        for alias, number in replay(self.changes()).aliases.items():
            self._call(partial(self._client.set_registered_model_alias, self.model, alias, str(number)))

    def attach(self, version: Version, files: Mapping[str, bytes]) -> None:
        """Keep further files beside a version, as artifacts of its run."""
        run_id = self._run_of(version)
        with TemporaryDirectory(prefix="petmood-") as passing:
            for name, data in files.items():
                atomic_write_bytes(Path(passing) / name, data)
            self._call(lambda: self._client.log_artifacts(run_id, passing, ATTACHED))

    def attachment(self, version: Version, name: str) -> bytes:
        """Return what was attached to a version under a name."""
        with TemporaryDirectory(prefix="petmood-") as passing:
            return self._download(version, f"{ATTACHED}/{name}", passing).read_bytes()

    def _download(self, version: Version, path: str, to: str) -> Path:
        run_id = self._run_of(version)
        try:
            return Path(
                self._artifacts.download_artifacts(
                    run_id=run_id, artifact_path=path, dst_path=to, tracking_uri=self._uri
                )
            )
        except Exception as error:  # each artifact store has errors of its own
            raise RegistryError(
                f"{path} of version {version.number} of {self.model} can't be fetched from {self.address}: "
                f"{one_line(error)} Push the bundle again to put it back."
            ) from error

    def _run_of(self, version: Version) -> str:
        found = self._call(lambda: self._client.get_model_version(self.model, str(version.number)))
        return str(found.run_id)

    def _is_ours(self, name: str, tags: Mapping[str, str]) -> bool:
        """Tell whether an experiment that is there already is ours after all: the answer that said so was lost."""
        found = self._call(lambda: self._client.get_experiment_by_name(name))
        return found is not None and found.tags.get(CHANGE_TAG) == tags[CHANGE_TAG]

    def _experiment_of_runs(self) -> str:
        place = default_artifact_location(self._uri)
        self._call(partial(self._client.create_experiment, RUNS, place), passed="RESOURCE_ALREADY_EXISTS")
        return str(self._call(lambda: self._client.get_experiment_by_name(RUNS)).experiment_id)

    def _call(self, ask: Callable[[], Any], *, passed: str = "") -> Any:  # noqa: ANN401 - MLflow's entities are untyped here
        """Ask MLflow; None where it refuses with the code that is ``passed``."""
        try:
            return ask()
        except Exception as error:  # SQLAlchemy's and requests' errors come through as they are
            if passed and getattr(error, "error_code", "") == passed:
                return None
            raise RegistryError(f"MLflow at {self.address} can't be used: {one_line(error)}") from error

    def _parsed(self, record: type[Record], text: str, **known: int) -> Record:
        try:
            return record.model_validate({**json.loads(text), **known})
        except ValueError as error:
            raise RegistryError(f"A record of {self.model} in {self.address} is damaged: {one_line(error)}") from error
