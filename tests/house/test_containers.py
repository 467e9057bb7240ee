"""Container images and compose.yaml: pinned bases, a numeric user, one port, exec form, health checks, no secret."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from petmood import __version__
from petmood.cli.app import petmood
from tests.house.test_repository import has_verb, pyproject
from tests.support.containers.contents import USER, problems
from tests.support.containers.dockerfile import exec_form, read_dockerfile
from tests.support.source_tree import ROOT

PROGRAMS = Path(sys.executable).parent
FILES = sorted((ROOT / "docker").glob("*Dockerfile"))
IMAGES = read_dockerfile(ROOT / "docker/Dockerfile")
TARGETS = ("serve", "page", "monitor", "bento", "train")
SERVICES = ("serve", "page", "monitor", "bento")
PAGE = (ROOT / "docs/containers.md").read_text("utf-8")
SECRET = re.compile(r"(?i)token|secret|password|passwd|credential|api_?key|index_url")
PINNED = re.compile(r"[\w.-]+(?:/[\w.-]+)+:[\w.-]*\d+\.\d+[\w.-]*(?:@sha256:[0-9a-f]{64})?")
each_target = pytest.mark.parametrize("target", TARGETS)
each_service = pytest.mark.parametrize("target", SERVICES)


def compose() -> dict[str, Any]:
    """Return the services of compose.yaml by name."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return services


def compose_text() -> str:
    """Return compose.yaml without its comments."""
    return re.sub(r"(?m)(?:^|\s)#.*$", "", (ROOT / "compose.yaml").read_text("utf-8"))


def files_of(service: dict[str, Any]) -> list[Path]:
    """Return the files and folders of the repository that a service mounts."""
    sources = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", mount).split(":")[0] for mount in service.get("volumes", ())]
    return [ROOT / source for source in sources if source.startswith("./")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    done = subprocess.run([PROGRAMS / "hadolint", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_there_is_a_target_for_each_image() -> None:
    assert set(TARGETS) <= set(IMAGES.stages)


def test_every_base_is_pinned_by_version_and_digest() -> None:
    bases = {image for stage in IMAGES.stages.values() if (image := IMAGES.external(stage))}
    assert len(bases) == 2
    assert [base for base in bases if not PINNED.fullmatch(base) or "@sha256:" not in base] == []


def test_an_image_with_a_bundle_is_one_of_this_version() -> None:
    assert read_dockerfile(ROOT / "docker/with-bundle.Dockerfile").arguments == {
        "IMAGE": f"petmood-serve:{__version__}"
    }


@each_target
def test_an_image_is_made_in_two_stages_and_says_what_it_is(target: str) -> None:
    (copied,) = IMAGES.stages[target].values("COPY")
    assert copied == f"--from={target}-packages /opt/petmood /opt/petmood"
    labels = " ".join(IMAGES.inherited(target, "LABEL"))
    for name in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert f'title="petmood-{target}"' in labels
    assert f"VERSION={__version__}" in IMAGES.inherited(target, "ARG")


@each_target
def test_an_image_installs_its_extras_at_pinned_versions_with_bytecode(target: str) -> None:
    (install,) = IMAGES.stages[f"{target}-packages"].values("RUN")
    extras = install.partition(" sh install.sh ")[2].strip('"').removesuffix("${EXTRAS:+,$EXTRAS}").split(",")
    assert target in extras
    assert set(extras) <= set(pyproject()["project"]["optional-dependencies"])
    assert "--mount=type=cache,target=/root/.cache/uv " in install
    environment = IMAGES.environment(f"{target}-packages")
    assert (environment["UV_COMPILE_BYTECODE"], environment["PYC_INVALIDATION_MODE"]) == ("1", "UNCHECKED_HASH")
    assert environment["UV_CONSTRAINT"] == environment["UV_BUILD_CONSTRAINT"] == "constraints.txt"


@each_target
def test_an_image_runs_as_a_numeric_user_and_starts_a_command_that_exists(target: str) -> None:
    assert IMAGES.inherited(target, "USER")[-1] == f"{USER}:{USER}"
    start = exec_form(IMAGES.inherited(target, "ENTRYPOINT")[-1])
    words = exec_form(IMAGES.inherited(target, "CMD")[-1])
    assert start == [petmood.name]
    assert has_verb([word for word in words if not word.startswith(("-", "/"))][:1] or ["--help"])


@each_service
def test_an_image_has_one_port_which_it_exposes_listens_on_and_documents(target: str) -> None:
    (port,) = IMAGES.stages[target].values("EXPOSE")
    words = exec_form(IMAGES.inherited(target, "CMD")[-1])
    assert IMAGES.environment(target)["PORT"] == port
    assert target == "serve" or words[-4:] == ["--host", "0.0.0.0", "--port", port]  # noqa: S104 - of a container
    assert re.search(rf"(?m)^\| `{target}` \|.*\| {port} \|", PAGE)


@each_service
def test_an_image_has_a_health_check_in_exec_form_that_needs_no_other_program(target: str) -> None:
    check = IMAGES.inherited(target, "HEALTHCHECK")[-1]
    program, _, script = exec_form(check.partition(" CMD ")[2])
    assert program == "python"
    compile(script, "health", "exec")
    assert IMAGES.environment(target)["HEALTH_PATH"].startswith("/")


def test_a_job_has_neither_a_port_nor_a_health_check() -> None:
    assert IMAGES.inherited("train", "EXPOSE") == []
    assert IMAGES.inherited("train", "HEALTHCHECK")[-1] == "NONE"


def test_no_image_takes_a_secret_or_adds_an_address() -> None:
    for path in FILES:
        images = read_dockerfile(path)
        given = [*images.arguments, *(value for stage in images.stages.values() for value in stage.values("ARG"))]
        named = [value for stage in images.stages.values() for value in stage.values("ENV")]
        assert [value for value in (*given, *named) if SECRET.search(value)] == []
        assert [value for stage in images.stages.values() for value in stage.values("ADD")] == []
        assert "://" not in path.read_text("utf-8")


def test_the_build_context_is_a_list_of_what_is_needed() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = [value.split()[:-1] for value in IMAGES.stages["build"].values("COPY") if not value.startswith("--from")]
    assert allowed == {name for names in copied for name in names}


def test_compose_keeps_to_the_schema() -> None:
    words = (PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml")
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_has_the_service_its_page_and_what_watches_them() -> None:
    images = {name: service["image"] for name, service in compose().items()}
    ours = {name: f"petmood-{target}:{__version__}" for name, target in (("api", "serve"), ("page", "page"))}
    assert {**ours, "monitor": f"petmood-monitor:{__version__}"}.items() <= images.items()
    assert {"prometheus", "alertmanager", "grafana", "postgres", "mlflow"} <= set(images)
    foreign = [image for image in images.values() if not image.startswith("petmood-")]
    assert [image for image in foreign if not PINNED.fullmatch(image)] == []


def test_every_service_of_compose_has_a_health_check() -> None:
    for name, service in compose().items():
        if "build" in service:
            assert IMAGES.inherited(service["build"]["target"], "HEALTHCHECK")[-1] != "NONE", name
        else:
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_compose_confines_our_images_and_opens_ports_on_this_machine_alone() -> None:
    for name, service in compose().items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        if "build" in service:
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
            (port,) = IMAGES.stages[service["build"]["target"]].values("EXPOSE")
            assert service["ports"] == [f"127.0.0.1:{port}:{port}"], name


def test_what_compose_mounts_exists_and_volumes_are_named() -> None:
    found = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    mounts = [mount for service in compose().values() for mount in service.get("volumes", ())]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith((".", "$"))}
    assert named == set(found["volumes"])
    paths = {path for service in compose().values() for path in files_of(service)}
    assert [path for path in paths if not path.exists() and path != ROOT / "bundles/demo"] == []


def test_secrets_of_compose_come_from_a_file_that_is_not_committed() -> None:
    text = compose_text()
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required == set(re.findall(r"(?m)^(\w+)=$", (ROOT / "docker/compose.env.example").read_text("utf-8")))
    assert all(value.startswith("${") for value in re.findall(r"\w*(?:PASSWORD|TOKEN): *(.+)", text))
    ignored = subprocess.run(["git", "check-ignore", ".env"], cwd=ROOT, capture_output=True, check=False)
    assert ignored.returncode == 0


def test_prometheus_of_compose_scrapes_the_services_and_reaches_alertmanager() -> None:
    settings = yaml.safe_load((ROOT / "docker/prometheus.yml").read_text("utf-8"))
    scraped = [
        target for job in settings["scrape_configs"] for one in job["static_configs"] for target in one["targets"]
    ]
    ports = {name: service["ports"][0].rpartition(":")[2] for name, service in compose().items() if "ports" in service}
    assert scraped == [f"api:{ports['api']}", f"monitor:{ports['monitor']}"]
    assert settings["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == [
        f"alertmanager:{ports['alertmanager']}"
    ]
    mounted = {path.name for path in files_of(compose()["prometheus"])}
    assert {*settings["rule_files"], "prometheus.yml"} == mounted


@pytest.mark.proof
def test_prometheus_accepts_the_settings_of_compose(tmp_path: Path) -> None:
    for path in files_of(compose()["prometheus"]):
        shutil.copy(path, tmp_path)
    words = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def an_image(root: Path) -> Path:
    """Write the few files that the rules on an image's content read."""
    package = root / "opt/petmood/lib/python3.13/site-packages/petmood"
    (root / "etc/ssl/certs").mkdir(parents=True)
    package.mkdir(parents=True)
    (root / "etc/ssl/certs/ca-certificates.crt").write_text("of the base", "utf-8")
    return package


def test_an_empty_image_violates_no_rule_on_contents(tmp_path: Path) -> None:
    an_image(tmp_path)
    assert problems(tmp_path, base=tmp_path, trains=False) == []


@pytest.mark.posix
def test_each_rule_on_contents_finds_its_violation(tmp_path: Path) -> None:
    root, base = tmp_path / "root", tmp_path / "base"
    package = an_image(root)
    an_image(base)
    (root / "etc/ssl/certs/ca-certificates.crt").write_text("of this machine", "utf-8")
    (root / "root/.cache/uv").mkdir(parents=True)
    (package.parent / "torch").mkdir()
    (package / "module.py").write_text("x = 1", "utf-8")
    key = root / "etc/key.pem"
    key.write_text("-----BEGIN " + "PRIVATE KEY-----", "utf-8")
    key.chmod(0o666)
    assert problems(root, base=base, trains=False) == [
        "left behind: /root/.cache",
        "writable by the user: /etc/key.pem",
        "secret in /etc/key.pem",
        "no valid bytecode: 1 modules of petmood, 1 of 1 modules",
        "a package of training: torch",
        "the certificates are not those of the base image",
    ]
    assert problems(base, base=base, trains=False) == []
