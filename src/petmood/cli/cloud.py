"""Commands for Google Cloud: `petmood cloud deploy`, `train`, `status`, `cost` and the entry point `run-job`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from petmood.cli.cloud_job import run_job
from petmood.cli.numbers import Integer, Number
from petmood.cli.output import echo_json
from petmood.core.extras import require

if TYPE_CHECKING:
    from petmood.cloud.settings import CloudSettings

__all__ = ["cloud"]

COMPONENTS = ("api", "page", "monitor")


def on_project(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name the project, and pass the command the settings first."""

    @click.option("--project", envvar="GOOGLE_CLOUD_PROJECT", help="Project; default: $GOOGLE_CLOUD_PROJECT.")
    @click.option("--region", help="Region; default: us-central1.")
    @click.option(
        "--settings",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="YAML file with more settings, such as sizes; `petmood cloud settings` prints them all.",
    )
    @wraps(command)
    def read(*, project: str | None, region: str | None, path: Path | None, **given: Any) -> None:  # noqa: ANN401 - click's values
        from petmood.cloud.settings import read_cloud_settings

        shared = {name: given.pop(name) for name in ("tag", "api_url") if name in given}
        command(read_cloud_settings(path, project=project, region=region, **shared), **given)

    return read


dry_run = click.option("--dry-run", is_flag=True, help="Print the specification as JSON, and submit nothing.")
tag = click.option("--tag", help="Tag of the container images; default: latest.")


@click.group()
def cloud() -> None:
    """Deploy and train on Google Cloud, and estimate the cost. --dry-run prints what would be submitted."""


@cloud.command()
@on_project
def settings(found: "CloudSettings") -> None:
    """Print all settings as YAML, with their defaults."""
    yaml = require("yaml", extra="cloud")
    click.echo(yaml.safe_dump(found.model_dump(mode="json"), sort_keys=False), nl=False)


@cloud.command()
@click.argument("components", nargs=-1, type=click.Choice(COMPONENTS))
@on_project
@tag
@click.option("--api-url", help="Address of the API, which the page calls.")
@dry_run
@click.option(
    "--knative", is_flag=True, help="Print YAML for `gcloud run services replace`, one document each; submit nothing."
)
def deploy(found: "CloudSettings", *, components: Sequence[str], dry_run: bool, knative: bool) -> None:
    """Deploy services to Cloud Run: api (the default), page, monitor.

    A service that exists is updated: Cloud Run sends requests to the new revision when it is ready.
    """
    from petmood.cloud.services import service_spec
    from petmood.cloud.settings import Component

    chosen = [Component(name) for name in dict.fromkeys(components or COMPONENTS[:1])]
    if knative:
        from petmood.cloud.knative import knative_service

        yaml = require("yaml", extra="cloud")
        click.echo(yaml.safe_dump_all([knative_service(found, one) for one in chosen], sort_keys=False), nl=False)
        return
    specs = [service_spec(found, one) for one in chosen]
    if dry_run:
        echo_json(specs[0] if len(specs) == 1 else specs, indent=2)
        return
    from petmood.cloud.clients import deploy_service, services_client

    client = services_client(found)
    for spec in specs:
        click.echo(f"{spec['name'].rpartition('/')[2]}: {deploy_service(client, found, spec)}")


@cloud.command()
@click.argument("overrides", nargs=-1)
@on_project
@tag
@click.option("--name", help="Name of the job; one that exists resumes from its checkpoints. Default: the time.")
@click.option("--machines", type=Integer(1, 100), help="Machines that train together; default: 1, or --settings.")
@dry_run
def train(
    found: "CloudSettings", *, overrides: tuple[str, ...], name: str | None, machines: int | None, dry_run: bool
) -> None:
    """Train on Vertex AI.

    OVERRIDES as for `petmood run`, such as data=/gcs/BUCKET/data/pets. The objects of a bucket are files below
    /gcs/BUCKET in the container.
    """
    from petmood.cloud.jobs import job_spec, output_folder

    if machines is not None:
        found = found.model_copy(update={"training": found.training.model_copy(update={"machines": machines})})
    chosen = name or f"petmood-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    spec = job_spec(found, name=chosen, overrides=overrides)
    if dry_run:
        echo_json(spec, indent=2)
        return
    from petmood.cloud.clients import jobs_client, submit_job

    click.echo(f"Job: {submit_job(jobs_client(found), found, spec)}")
    click.echo(f"The bundle will be in {output_folder(found, chosen)}/model. `petmood cloud status` shows the state.")


@cloud.command()
@on_project
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(found: "CloudSettings", *, as_json: bool) -> None:
    """List services and the newest training jobs, with their states."""
    from dataclasses import asdict

    from petmood.cloud.clients import job_states, jobs_client, service_states, services_client

    states = [*service_states(services_client(found), found), *job_states(jobs_client(found), found)]
    if as_json:
        echo_json([asdict(one) for one in states], indent=2)
        return
    for one in states:
        click.echo(f"{one.kind:8} {one.name:32} {one.state:12} {one.changed:22} {one.detail}".rstrip())
    if not states:
        click.echo(f"No service and no job of petmood in {found.project}, {found.region}.")


@cloud.command()
@click.option("--run", type=click.Path(path_type=Path), help="Folder of a finished run: its seconds are priced.")
@click.option("--requests", type=Integer(0), default=1_000_000, show_default=True, help="Requests a month.")
@click.option("--ms", type=Number(0, 3_600_000, min_open=True), help="Measured milliseconds of one request.")
@click.option(
    "--settings", "path", type=click.Path(path_type=Path, dir_okay=False), help="YAML file with the sizes of machines."
)
@click.option("--prices", type=click.Path(path_type=Path, dir_okay=False), help="YAML file of prices, an edited copy.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def cost(
    *, run: Path | None, requests: int, ms: float | None, path: Path | None, prices: Path | None, as_json: bool
) -> None:
    """Estimate costs: prices times measured seconds.

    Of one training (--run), and of a month of requests (--requests, --ms).
    """
    from dataclasses import asdict

    from petmood.cloud.cost import read_prices, run_seconds, serving_cost, training_cost
    from petmood.cloud.settings import read_cloud_settings

    if run is None and ms is None:
        raise click.UsageError("Expected --run FOLDER or --ms MILLISECONDS or both, got none.")
    listed = read_prices(prices)
    sizes = read_cloud_settings(path) if path else read_cloud_settings(project="any-project")
    estimates = [] if run is None else [training_cost(listed, sizes.training, seconds=run_seconds(run))]
    if ms is not None:
        estimates += serving_cost(listed, sizes.api, requests=requests, milliseconds=ms)
    if as_json:
        head = listed.model_dump(mode="json", include={"as_of", "source", "region", "currency"})
        echo_json({**head, "estimates": [asdict(one) for one in estimates]}, indent=2)
        return
    for one in estimates:
        click.echo(f"{one.amount:10.4f} {listed.currency}  {one.what}: {one.how}")
    click.echo(f"Prices of {listed.as_of}, {listed.region}: {listed.source}. Estimates; the bill is Google's.")


cloud.add_command(run_job)
