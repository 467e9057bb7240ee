"""Commands about served models: `petmood monitor`."""

from pathlib import Path

import click

__all__ = ["monitor"]


@click.group()
def monitor() -> None:
    """Generate alert rules and dashboards for a service."""


@monitor.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("deploy/monitoring"),
    show_default=True,
    help="Folder to write into; its other files are kept.",
)
def dashboards(*, output: Path) -> None:
    """Write alert rules and a dashboard into a folder.

    The folder gets a rules file of Prometheus, an example for Alertmanager, a Grafana dashboard, alerting policies of
    Google Cloud Monitoring, and a table of the alerts. All come from the same rules.
    """
    from petmood.monitoring.generated_files import generated_files, write_files

    files = generated_files()
    write_files(files, to=output)
    for name in files:
        click.echo(output / name)
