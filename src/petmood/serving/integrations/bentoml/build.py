"""Build a bento from a bundle, with this petmood as a wheel and exactly pinned dependencies."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.atomic_directory import atomic_directory, files_below
from petmood.core.bundle import Bundle, verify
from petmood.core.errors import BundleError, ConfigError
from petmood.core.extras import require
from petmood.core.files import copy_folder
from petmood.core.signature import read_signature, signature_path
from petmood.serving.integrations.bentoml.cli_args import ServeOptions, bentoml_command, environment
from petmood.serving.integrations.bentoml.requirements import pinned
from petmood.serving.integrations.bentoml.wheel import pack_wheel

__all__ = ["Built", "build_bento", "write_project"]

SERVICE: Final = '''"""BentoML service of the bundle beside this file."""

from pathlib import Path

import bentoml
from bentoml.images import Image

from petmood.serving.integrations.bentoml.service import Batching, create_service

HERE = Path(__file__).resolve().parent
# An empty distro skips the installation of compilers: all requirements are wheels.
image = Image(base_image="python:{python}-slim", distro="", python_version="{python}", lock_python_packages=False)
image = image.python_packages(*(HERE / "requirements.txt").read_text("utf-8").split()).build_include("wheels")
service = create_service(bentoml.use_arguments(Batching), bundle=HERE / "bundle", image=image)
'''


@dataclass(frozen=True, slots=True)
class Built:
    """A finished bento; ``folder`` is its path, or None if it is in BentoML's store."""

    tag: str
    folder: Path | None

    @property
    def name(self) -> str:
        """Tag or path by which BentoML's commands refer to it."""
        return self.tag if self.folder is None else str(self.folder)


def build_bento(bundle: Path, *, to: Path | None = None, start: ServeOptions | None = None) -> Built:
    """Build a bento, in BentoML's store or, with ``to``, in a folder that doesn't exist yet.

    Raises:
        BundleError: the bundle is not intact, or BentoML rejects it.
        ConfigError: ``to`` already exists.
        MissingDependency: BentoML is not installed.
        OutputError: ``to`` can't be written, or another process is writing it.
    """
    require("bentoml", extra="bento")
    if to is None:
        with tempfile.TemporaryDirectory(prefix="petmood-bento-") as name:
            return Built(_build_in(Path(name), bundle, start, environment()), None)

    def existing(folder: Path) -> Iterable[str]:
        if folder.exists():
            raise ConfigError(
                f"Expected a new folder for the bento, got the existing {to}. Choose another one, or remove it."
            )
        return ()

    with (
        atomic_directory(to, existing=existing) as draft,
        tempfile.TemporaryDirectory(prefix="petmood-bento-") as name,
    ):
        home = Path(name) / "home"
        tag = _build_in(Path(name), bundle, start, {**environment(), "BENTOML_HOME": str(home)})
        built = home / "bentos" / tag.replace(":", "/")
        copy_folder(built, draft.path)
        draft.expect(files_below(built))
    return Built(tag, to)


def _build_in(scratch: Path, bundle: Path, start: ServeOptions | None, env: Mapping[str, str]) -> str:
    """Verify the bundle, write its project into a temporary folder, run the BentoML build and return the tag."""
    write_project(verify(bundle), to=scratch / "project")
    return _build(scratch / "project", start or ServeOptions(), env)


def write_project(bundle: Bundle, *, to: Path) -> None:
    """Write the build context: bundle with its signature, wheel, pinned requirements, service module and bentofile."""
    copy_folder(bundle.folder, to / "bundle")
    wheel, signature = pack_wheel(to / "wheels"), read_signature(bundle.folder)
    extras = ("bento",) if signature is None else ("bento", "sign")
    lines = [*dict.fromkeys(line for extra in extras for line in pinned(extra=extra)), f"./wheels/{wheel.name}"]
    (to / "requirements.txt").write_text("\n".join(lines) + "\n", "utf-8")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    (to / "service.py").write_text(SERVICE.format(python=python), "utf-8")
    manifest = bundle.manifest
    options = {
        "service": "service:service",
        "name": "petmood",
        "description": "file: ./bundle/card.md",
        "labels": {"model": manifest.name, "version": manifest.version, "sha256": bundle.sha256[:12]},
        "include": ["service.py", "requirements.txt", "bundle/", "wheels/"],
    }
    if signature is not None:
        signed = signature_path(to / "bundle")
        signed.write_bytes(signature)
        options["include"] = [*options["include"], signed.name]
    (to / "bentofile.yaml").write_text(json.dumps(options, indent=2), "utf-8")  # JSON is valid YAML


def _build(project: Path, start: ServeOptions, env: Mapping[str, str]) -> str:
    """Run the BentoML build in a subprocess and return the tag."""
    command = bentoml_command("build", str(project), "--output", "tag", *start.arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(env), cwd=project)  # noqa: S603 - fixed command
    found = [line.partition("__tag__:")[2] for line in done.stdout.splitlines() if "__tag__:" in line]
    if done.returncode or not found:
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise BundleError(f"BentoML can't build a bento from the bundle: {said}")
    return found[0].strip()
