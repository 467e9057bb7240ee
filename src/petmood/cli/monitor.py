"""Commands about served models: `petmood monitor`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from petmood.cli.log import Age, on_log, since_us
from petmood.cli.numbers import Integer, Number
from petmood.cli.output import echo_json
from petmood.cli.photos_option import kept_photos, photos_option

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from petmood.monitoring.drift.tester import DriftTester, WindowResult
    from petmood.monitoring.prediction_log.rows import PhotoKey

__all__ = ["monitor"]

LAST: Final = 1000
PORT: Final = 8010


def of_bundles(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option for the bundles whose predictions are compared."""
    return click.option(
        "--bundle",
        "bundles",
        multiple=True,
        required=True,
        metavar="BUNDLE",
        help="Folder of a served bundle, or an address such as registry://petmood@champion. May be repeated.",
    )(command)


@click.group()
def monitor() -> None:
    """Watch a served model: drift, alert rules, dashboards."""


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


@monitor.command()
@on_log
@of_bundles
@click.option("--last", type=Integer(1), help=f"The last predictions of this number; default: {LAST}.")
@click.option("--since", type=Age(), help="Those of the last 30m, 24h or 7d.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page of the first bundle.")
@photos_option
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DATASET",
    help="Show reference photos on the page, from the dataset that the model was made of.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def drift(
    engine: "Engine",
    *,
    bundles: Sequence[str],
    last: int | None,
    since: float | None,
    html: Path | None,
    photos: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Compare logged predictions with the bundle's reference.

    The page shows photos of the change if the service keeps photos. The exit code is 1 if the photos of a bundle have
    drifted.
    """
    from petmood.core.errors import ConfigError

    if data is not None and html is None:
        raise ConfigError("Expected --html with --data, which shows photos on the page. Give --html FILE.")
    if last is not None and since is not None:
        raise ConfigError("Expected --last or --since, got both. Give one of them.")
    from petmood.core.extras import require

    require("scipy", extra="monitor")
    from petmood.core.files import atomic_write_text
    from petmood.monitoring.metric_names import DriftStatus

    testers = _ServedBundles(bundles).testers()
    window: dict[str, Any] = {"since_us": since_us(since)} if since is not None else {"last": last or LAST}
    found = [one.window(engine, **window) for one in testers]
    if html is not None:
        from petmood.reports.drift import DriftPhotos, drift_page

        shown = DriftPhotos(_kept_photo(engine, photos), _reference_photos(testers[0], data))
        atomic_write_text(html, drift_page(testers[0], found[0], photos=shown))
    if as_json:
        echo_json([one.to_json() for one in found], indent=2)
    else:
        for one in found:
            click.echo(_summary(one))
        _tell_others(engine, {one.bundle.sha256 for one in found})
    click.get_current_context().exit(1 if any(one.result.status is DriftStatus.DRIFT for one in found) else 0)


@monitor.command()
@on_log
@of_bundles
@click.option("--window", type=Integer(50), default=200, show_default=True, help="Predictions of a window.")
@click.option("--every", type=Number(0, 86_400, min_open=True), default=10, show_default=True, help="Seconds.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is every one.")
@click.option("--port", type=Integer(0, 65535), default=PORT, show_default=True, help="0 is any free one.")
def serve(engine: "Engine", *, bundles: Sequence[str], window: int, every: float, host: str, port: int) -> None:
    """Test each new window of the log; the drift API.

    It serves GET /drift, /drift/report, /stats, /healthz and /metrics. Three windows with drift in a row make an alert.
    """
    from petmood.core.extras import require
    from petmood.core.listening import bind_all, url_of

    require("scipy", extra="monitor")
    uvicorn = require("uvicorn", extra="serve")
    from petmood.monitoring.drift.monitor import DriftMonitor
    from petmood.monitoring.drift_api import create_drift_app
    from petmood.reports.drift import drift_page
    from petmood.serving.logs import set_up_logging

    set_up_logging(as_json=False, project=None)
    served = _ServedBundles(bundles)
    tested = DriftMonitor(served.testers(), size=window)
    testers = served.testers if served.may_change else None
    app = create_drift_app(tested, engine, report=drift_page, every_s=every, testers=testers)
    listeners = bind_all((host,), port)
    click.echo(
        f"petmood tests new windows of the log; results at {url_of(host, listeners[0].getsockname()[1])}", err=True
    )
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=list(listeners))


class _ServedBundles:
    """Bundles at addresses, with their drift references; each version is verified and read once."""

    def __init__(self, addresses: Sequence[str]) -> None:
        from petmood.core.bundle import verify
        from petmood.registry.uri import is_reference, parse_reference

        self._addresses = tuple(parse_reference(one) if is_reference(one) else verify(Path(one)) for one in addresses)
        self._known: dict[str, DriftTester] = {}
        self.may_change = any(map(is_reference, addresses))

    def testers(self) -> "list[DriftTester]":
        """Return the bundles that are at the addresses now, each once: two aliases may be of one version.

        Raises:
            BundleError: a bundle has no drift reference.
            RegistryError: a version can't be found or fetched.
        """
        from petmood.core.bundle import Bundle
        from petmood.monitoring.drift.tester import DriftTester
        from petmood.registry.cache import cached
        from petmood.registry.uri import find_version

        now: dict[str, DriftTester] = {}
        for one in self._addresses:
            found = one if isinstance(one, Bundle) else find_version(one)
            sha256 = found.sha256 if isinstance(found, Bundle) else found[1].sha256
            if sha256 not in self._known:
                self._known[sha256] = DriftTester(found if isinstance(found, Bundle) else cached(*found))
            now[sha256] = self._known[sha256]
        return [*now.values()]


def _kept_photo(engine: "Engine", folder: Path | None) -> Callable[["PhotoKey"], bytes | None]:
    """Return a function that reads the kept photo of a row, which is None if it is not kept or can't be read."""
    from petmood.monitoring.feedback.store import FeedbackStore

    kept, store = kept_photos(engine, folder), FeedbackStore(engine)

    def read(key: "PhotoKey") -> bytes | None:
        row = store.prediction(key)
        try:
            return None if row is None else kept.read(key, sha256=row.photo_sha256)
        except OSError:  # the folder of a service is readable for its user alone: the page comes without photos
            return None

    return read


def _reference_photos(tester: "DriftTester", dataset: Path | None) -> Sequence[Path]:
    if dataset is None:
        return ()
    from petmood.pipelines.export import reference_photos

    return reference_photos(tester.manifest, dataset)


def _summary(window: "WindowResult") -> str:
    result, bundle = window.result, window.bundle
    left_out = f", {window.left_out:,} left out without measurements" if window.left_out else ""
    head = f"{bundle.name} {bundle.version}: {result.status}, {result.rows:,} predictions{left_out}"
    return f"{head}. {result.sentence}"


def _tell_others(engine: "Engine", known: set[str]) -> None:
    """Name the bundles in the log that were not given, since each is compared with its own reference alone."""
    from petmood.monitoring.prediction_log.reader import rows_by_bundle

    for one in rows_by_bundle(engine):
        if one.bundle.sha256 not in known:
            name = f"{one.bundle.name} {one.bundle.version}"
            click.echo(f"Not compared: {one.rows:,} predictions of {name} ({one.bundle.sha256[:12]}).", err=True)
