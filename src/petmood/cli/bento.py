"""Commands for BentoML: `petmood bento BUNDLE` serves, `petmood bento build BUNDLE` builds."""

import ipaddress
import os
import sys
from pathlib import Path

import click

from petmood.cli.numbers import Integer
from petmood.core.commands import shell_command
from petmood.core.environment import BUNDLE_VARIABLE

__all__ = ["bento"]

SERVE = "serve"


class ServeUnlessNamed(click.Group):
    """Command group with the default command `serve`: a first argument that is not a command is its bundle."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb in front where it is missing."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [SERVE, *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb; a bundle's folder as the name resolves to the verb that serves it."""
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, SERVE)


def _address(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Return an address as numbers, which is all that BentoML takes."""
    try:
        return str(ipaddress.ip_address("127.0.0.1" if value == "localhost" else value))
    except ValueError as error:
        raise click.BadParameter(f"expected an IP address such as 127.0.0.1, got {value!r}.") from error


batching = [
    click.option(
        "--max-batch",
        default=1,
        show_default=True,
        type=Integer(1, 256),
        help="Largest batch of photos; 1 turns batching off, which is best on a CPU.",
    ),
    click.option(
        "--max-latency-ms",
        default=1000,
        show_default=True,
        type=Integer(1, 60_000),
        help="Time limit of a batched photo; slower ones get 503.",
    ),
]


@click.group(cls=ServeUnlessNamed, subcommand_metavar="[BUNDLE | build BUNDLE] [OPTIONS]")
def bento() -> None:
    """Serve or build through BentoML: `petmood bento BUNDLE` serves, `petmood bento build BUNDLE` builds."""


@bento.command(SERVE)
@click.argument("bundle", type=click.Path(path_type=Path), envvar=BUNDLE_VARIABLE)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    callback=_address,
    help="Address to listen on; 0.0.0.0 is every one.",
)
@click.option("--port", default=3000, show_default=True, type=Integer(1, 65535), help="Port to listen on.")
@batching[0]
@batching[1]
def serve(*, bundle: Path, host: str, port: int, max_batch: int, max_latency_ms: int) -> None:
    """Serve BUNDLE until Ctrl-C or SIGTERM. The PETMOOD_<NAME> settings are those of `petmood serve`."""
    from petmood.core.extras import require
    from petmood.core.listening import check_port

    require("bentoml", extra="bento")
    from petmood.inference.load import load_bundle
    from petmood.serving.integrations.bentoml.cli_args import ServeOptions, environment, serve_command
    from petmood.serving.settings import read_settings

    check_port(host, port)  # a port in use is rejected here, in one line; an invalid bundle by load_bundle
    load_bundle(bundle, limits=read_settings().limits)
    start = ServeOptions(host=host, port=port, max_batch=max_batch, max_latency_ms=max_latency_ms)
    click.echo(f"petmood serves {bundle} through BentoML at http://{host}:{port}", err=True)
    command = serve_command(start)
    sys.stderr.flush()
    os.execve(command[0], command, environment(bundle))  # noqa: S606 - BentoML replaces this process and receives its signals


@bento.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    "to",
    type=click.Path(path_type=Path),
    help="A new folder; default: BentoML's own store.",
)
@batching[0]
@batching[1]
def build(*, bundle: Path, to: Path | None, max_batch: int, max_latency_ms: int) -> None:
    """Build a bento of BUNDLE for a clean environment. It holds exact versions, this petmood and no torch."""
    from petmood.core.extras import require

    require("bentoml", extra="bento")
    from petmood.serving.integrations.bentoml.build import build_bento
    from petmood.serving.integrations.bentoml.cli_args import ServeOptions

    made = build_bento(bundle, to=to, start=ServeOptions(max_batch=max_batch, max_latency_ms=max_latency_ms))
    where = "" if made.folder is None else f" in {made.folder}"
    next_ = shell_command("serve", made.name, program="bentoml")
    click.echo(f"Bento: {made.tag}{where}. Next: BENTOML_DO_NOT_TRACK=True {next_}")
    if made.folder is None:
        click.echo(f"Build a container: {shell_command('containerize', made.tag, program='bentoml')}")
