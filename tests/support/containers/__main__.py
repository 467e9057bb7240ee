"""Build container images, check their files and run them: `make images`.

python -m tests.support.containers [serve page monitor bento train] --bundle FOLDER
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from petmood import __version__
from petmood.core.files import atomic_write_json, copy_folder
from petmood.monitoring.prediction_log.database import connect, database_url, migrate
from tests.support.containers import contents
from tests.support.containers.buildah import PYTHON, ImageStore, called
from tests.support.containers.probes import LOG_FILE
from tests.support.source_tree import ROOT

NAMES: Final = ("serve", "page", "monitor", "bento", "train")
USUAL: Final = ("serve", "page", "monitor")
STORE: Final = Path("/var/tmp/petmood-images")  # noqa: S108 - a cache of this machine, for root
LIMITS_MB: Final = {"serve": 350}
PHOTO: Final = ROOT / "src/petmood/frontend/examples/cat.jpg"


@dataclass
class Built:
    """What was found out about one image."""

    image: str
    megabytes: float
    build_s: float
    seen: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.containers", description=(__doc__ or "").strip())
    parser.add_argument("names", nargs="*", choices=NAMES, default=USUAL, metavar="IMAGE", help=", ".join(NAMES))
    parser.add_argument("--bundle", type=Path, default=ROOT / "bundles/demo", help="the bundle that is served")
    parser.add_argument("--photo", type=Path, default=PHOTO, help="the photo that is predicted")
    parser.add_argument("--built", action="store_true", help="check and run images that were built before")
    parser.add_argument("--output", type=Path, default=ROOT / "dist/images", help="folder for images.json and SBOMs")
    return parser.parse_args(arguments)


def local(image: str) -> str:
    """Return the name by which buildah looks for an image on this machine alone."""
    return f"localhost/{image}"


def check(name: str, built: Built, *, store: ImageStore, scratch: Path, given: argparse.Namespace) -> None:
    """Check the files of an image, write their SBOM, and run it."""
    config = store.config(local(built.image))
    built.labels = config.get("Labels") or {}
    with store.mounted(PYTHON) as base, store.mounted(local(built.image)) as root:
        built.megabytes = round(contents.size_mb(root), 1)
        built.problems += contents.problems(root, base=base, trains=name == "train")
        if built.megabytes > LIMITS_MB.get(name, float("inf")):
            built.problems.append(f"{built.megabytes:g} MB, at most {LIMITS_MB[name]}")
        write_sbom(root, given.output / f"{name}.cdx.json", image=built.image)
        settings = scratch / f"{name}.json"
        settings.write_text(json.dumps(config), "utf-8")
        probe = (sys.executable, "-m", "tests.support.containers.probes", name, root, settings)
        words = ("unshare", "--net", *probe, scratch / "bundle", given.photo.resolve(), scratch / "state")
        done = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.stdout.strip():
        built.seen = json.loads(done.stdout)
    if done.returncode:
        log = scratch / f"{name}.log"
        end = log.read_text("utf-8", "replace")[-2000:] if log.exists() else ""
        built.problems.append(f"it doesn't run as expected: {done.stderr[-2000:]}{end}")


def write_sbom(root: Path, to: Path, *, image: str) -> None:
    """Write the packages of Python and of Debian that an image has, as CycloneDX."""
    program = Path(sys.executable).with_name("syft")
    quiet = ("--quiet", "--source-name", image.partition(":")[0], "--source-version", __version__)
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    words = [program, "scan", f"dir:{root}", "--base-path", root, *quiet, "--output", f"cyclonedx-json={to}"]
    subprocess.run(list(map(str, words)), check=True, env=environment)


def prepare(scratch: Path, bundle: Path) -> None:
    """Copy the bundle so that the user of the images can read it, and make a folder with a log for this user."""
    scratch.chmod(0o755)
    copy_folder(bundle, scratch / "bundle")
    for path in (scratch / "bundle", *(scratch / "bundle").iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    state = scratch / "state"
    state.mkdir()
    engine = connect(database_url(f"sqlite:///{state / LOG_FILE}"))
    migrate(engine)
    engine.dispose()
    for path in (state, *state.iterdir()):
        os.chown(path, contents.USER, contents.USER)


def table(found: list[Built]) -> str:
    """Return the images as a table in Markdown."""
    lines = ["| image | MB unpacked | built in s | healthy after s | what it answers | exit code |"]
    lines.append("|---|---|---|---|---|---|")
    for one in found:
        seen = one.seen
        cells = (one.image, f"{one.megabytes:.0f}", f"{one.build_s:.0f}", *map(seen.get, ("healthy_s", "said", "exit")))
        lines.append("| " + " | ".join("" if cell is None else str(cell).replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Build, check and run each image; return 1 if a rule is violated."""
    given, store, found = options(arguments), ImageStore(STORE), []
    given.output.mkdir(parents=True, exist_ok=True)
    STORE.mkdir(parents=True, exist_ok=True)
    store.make_bases(Path(sys.executable).with_name("uv"))
    revision = called("git", "-C", ROOT, "rev-parse", "HEAD")
    scratch = Path(tempfile.mkdtemp(prefix="petmood-images-"))
    try:
        prepare(scratch, given.bundle)
        for name in given.names:
            began, image = time.monotonic(), f"petmood-{name}:{__version__}"
            if not given.built:
                store.build(name, local(image), revision=revision)
            found.append(Built(image, 0, round(time.monotonic() - began, 1)))
            check(name, found[-1], store=store, scratch=scratch, given=given)
            sys.stderr.write(f"{image}: {len(found[-1].problems)} problems\n")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    atomic_write_json(given.output / "images.json", [asdict(one) for one in found])
    sys.stdout.write(table(found) + "\n")
    for one in found:
        sys.stdout.writelines(f"{one.image}: {problem}\n" for problem in one.problems)
    return int(any(one.problems for one in found))


if __name__ == "__main__":
    sys.exit(main())
