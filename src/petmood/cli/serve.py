"""Command that serves a bundle over HTTP: `petmood serve`; it needs only the extra 'serve'."""

import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from petmood.cli.numbers import Integer, Number
from petmood.core.environment import BUNDLE_VARIABLE, PUBLIC_KEY_VARIABLE

if TYPE_CHECKING:
    from typing import Unpack

    from petmood.serving.settings import Settings

__all__ = ["serve"]

PORT = 8000
EVERYWHERE = "0.0.0.0"  # noqa: S104 - for a container whose port is set by the platform


SETTINGS = ("threads", "variant", "prediction_log", "keep_photos_days", "public_key", "traces", "trace_sampling")
"""Options of which each is the setting of this name."""


class ListeningOptions(TypedDict):
    """The options that say where the service listens."""

    hosts: tuple[str, ...]
    phone: bool
    port: int | None


class Options(ListeningOptions):
    """These and the options that are settings."""

    threads: int | None
    variant: str | None
    prediction_log: str | None
    keep_photos_days: float | None
    public_key: str | None
    traces: str | None
    trace_sampling: float | None


@click.command()
@click.argument("bundle", envvar=BUNDLE_VARIABLE)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Default: 127.0.0.1, or 0.0.0.0 if Cloud Run or Vertex AI sets the port; :: is every IPv6 and IPv4 address. "
    "May be repeated.",
)
@click.option(
    "--phone",
    is_flag=True,
    help="Listen on every IPv4 address, and print the one to open on a phone in the same network, with a QR code.",
)
@click.option("--port", type=Integer(0, 65535), help=f"Default: $AIP_HTTP_PORT, $PORT or {PORT}; 0 is any free one.")
@click.option(
    "--workers", default=1, show_default=True, type=Integer(1, 256), help="Processes; one uses all processors."
)
@click.option("--threads", type=Integer(0, 256), help="Worker threads of each process; default: one per processor.")
@click.option(
    "--variant",
    metavar="auto|fp32|int8",
    help="Network of the bundle: fp32, the smaller int8, or auto, the faster one. Default: $PETMOOD_VARIANT or fp32.",
)
@click.option(
    "--prediction-log",
    metavar="DATABASE",
    help="Log each prediction: sqlite:///FILE or postgresql://USER@HOST/NAME. Default: $PETMOOD_PREDICTION_LOG.",
)
@click.option(
    "--keep-photos",
    "keep_photos_days",
    type=Number(0, 36_500, min_open=True),
    metavar="DAYS",
    help="Keep the photos beside the prediction log, and delete them after so many days. Default: "
    "$PETMOOD_KEEP_PHOTOS_DAYS; none are kept if it is not set.",
)
@click.option(
    "--public-key",
    metavar="FILE",
    help=f"Load only bundles with a signature that is valid for this key, a PEM file. Default: ${PUBLIC_KEY_VARIABLE}.",
)
@click.option(
    "--traces",
    metavar="URL",
    help="Send traces of requests to the collector at URL, such as http://collector:4318. Default: $PETMOOD_TRACES.",
)
@click.option(
    "--trace-sampling",
    type=Number(0, 1),
    metavar="SHARE",
    help="Share of the requests that are traced. Default: $PETMOOD_TRACE_SAMPLING or 0.01.",
)
@click.option(
    "--log",
    "log_format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    help="Form of the log's lines; auto is text on a terminal, else JSON.",
)
@click.option("--fd", "fds", type=int, multiple=True, hidden=True, help="Listening socket of one of several processes.")
@click.pass_context
def serve(
    context: click.Context,
    *,
    bundle: str,
    workers: int,
    log_format: str,
    fds: tuple[int, ...],
    **options: "Unpack[Options]",
) -> None:
    """Serve BUNDLE over HTTP until Ctrl-C or SIGTERM; every other setting is an environment variable PETMOOD_<NAME>.

    BUNDLE is a folder, or an address such as registry://petmood@champion: then promotions are served without a restart.
    """
    from petmood.core.extras import require
    from petmood.core.listening import bind_all

    require("uvicorn", extra="serve")
    from petmood.serving.logs import open_standard_streams, set_up_logging
    from petmood.serving.settings import read_settings

    given = {name: context.params[name] for name in SETTINGS}
    settings = read_settings(**{name: value for name, value in given.items() if value is not None})
    open_standard_streams()
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    set_up_logging(as_json=as_json, project=os.environ.get("GOOGLE_CLOUD_PROJECT"))
    if fds:
        _serve_for_supervisor(bundle, fds, settings)
        return
    hosts, port = _where(options)
    with contextlib.ExitStack() as opened:
        listeners = bind_all(hosts, port)
        for listener in listeners:
            opened.enter_context(listener)
        bound = listeners[0].getsockname()[1]
        address = _address(bundle, hosts, bound)
        if options["phone"]:
            from petmood.cli.phone_address import phone_text

            address += "\n" + phone_text(bound, with_code=sys.stderr.isatty(), with_token=settings.token is not None)
        if workers == 1:
            _serve_here(bundle, listeners, settings, address=address)
        else:
            code = _serve_with_supervisor(context, bundle, listeners, settings, workers=workers, address=address)
            context.exit(code)


def _serve_for_supervisor(bundle: str, fds: Sequence[int], settings: "Settings") -> None:
    """Serve as one of several processes, on the sockets that the supervisor opened."""
    from petmood.serving.heartbeat import end_with_supervisor, open_heartbeat

    supervisor = open_heartbeat()
    if supervisor is not None:
        end_with_supervisor(supervisor)
    with contextlib.ExitStack() as opened:
        listeners = [opened.enter_context(socket.socket(fileno=fd)) for fd in fds]
        _serve_here(bundle, listeners, settings, supervisor=supervisor)


def _where(options: "ListeningOptions") -> tuple[tuple[str, ...], int]:
    """Return the hosts and the port to listen on.

    Raises:
        ConfigError: --phone and --host are both given.
    """
    from petmood.core.errors import ConfigError

    hosts = tuple(host for host in options["hosts"] if host)
    if options["phone"] and hosts:
        raise ConfigError("Expected --phone or --host, got both. --phone listens on every address: leave out --host.")
    given = os.environ.get("AIP_HTTP_PORT") or os.environ.get("PORT")
    everywhere = options["phone"] or given
    port = options["port"]
    return hosts or (EVERYWHERE if everywhere else "127.0.0.1",), port if port is not None else _port(given)


def _address(bundle: str, hosts: Sequence[str], port: int) -> str:
    """Return the line that says where the service listens, and a URL that can be opened on this machine."""
    from petmood.core.listening import open_url, url_of

    where = ", ".join(url_of(host, port) for host in hosts)
    opened = open_url(hosts[0], port)
    documentation = "/docs" if opened == url_of(hosts[0], port) else f"{opened}/docs"
    return f"petmood serves {bundle} at {where}  (documentation at {documentation})"


def _serve_here(
    bundle: str,
    listeners: Sequence[socket.socket],
    settings: "Settings",
    *,
    address: str = "",
    supervisor: socket.socket | None = None,
) -> None:
    from petmood.registry.uri import is_reference
    from petmood.serving.alias_watcher import resolve_alias
    from petmood.serving.app import create_app
    from petmood.serving.bundle_loading import open_bundle
    from petmood.serving.drain import DrainState
    from petmood.serving.server import serve as run

    drain = DrainState()
    following = None
    if is_reference(bundle):
        is_signed = settings.public_key is not None
        following = resolve_alias(bundle, registry=settings.registry, with_signature=is_signed)
    predictor = open_bundle(Path(bundle) if following is None else following.folder, settings)
    app = create_app(predictor, settings=settings, drain=drain, following=following)
    if address:
        _announce(address)
    run(app, sockets=listeners, settings=settings, drain=drain, supervisor=supervisor)


def _announce(address: str) -> None:
    """Print the address; a log whose reader has ended, or a full disk, doesn't end the service."""
    with contextlib.suppress(OSError):
        click.echo(address, err=True)


def _serve_with_supervisor(
    context: click.Context,
    bundle: str,
    listeners: Sequence[socket.socket],
    settings: "Settings",
    *,
    workers: int,
    address: str,
) -> int:
    from petmood.core.errors import ConfigError

    if sys.platform == "win32":
        raise ConfigError("Windows can't share a socket among processes. Use --workers 1: it uses all processors.")
    from petmood.serving.supervisor import Supervisor

    if settings.admin_token is not None:
        raise ConfigError(
            "Models can't be changed at run time with --workers above 1, since each process has its own. "
            "Use one process (it uses all processors), or unset PETMOOD_ADMIN_TOKEN."
        )
    threads = context.params["threads"] or max(1, settings.workers // workers)
    command = [sys.executable, "-m", "petmood", "serve", bundle, "--threads", str(threads)]
    command += ["--log", context.params["log_format"], "--variant", settings.variant]
    if settings.prediction_log is not None:  # by the environment: a command line, with a password in it, is public
        os.environ["PETMOOD_PREDICTION_LOG"] = settings.prediction_log.get_secret_value()
    if settings.public_key is not None:
        command += ["--public-key", settings.public_key]
    if settings.keep_photos_days is not None:
        command += ["--keep-photos", str(settings.keep_photos_days)]
    if settings.traces is not None:
        command += ["--traces", settings.traces, "--trace-sampling", str(settings.trace_sampling)]
    writes_at_end = settings.prediction_log is not None or settings.traces is not None
    end_within_s = settings.drain_notice_s + settings.drain_s + (3 if writes_at_end else 1)
    return Supervisor(
        command,
        listeners=listeners,
        count=workers,
        end_within_s=end_within_s,
        on_ready=lambda: _announce(address),
    ).run()


def _port(given: str | None) -> int:
    from petmood.core.errors import ConfigError

    if given is None:
        return PORT
    if not (given.isascii() and given.isdecimal() and len(given) <= 5) or not 0 <= int(given) <= 65535:
        raise ConfigError(f"Expected a port number in $PORT or $AIP_HTTP_PORT, got {given!r}.")
    return int(given)
