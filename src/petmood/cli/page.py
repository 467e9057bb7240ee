"""Command that runs the web page: `petmood page`; it needs only the extra 'page'."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import click

from petmood.cli.numbers import Integer
from petmood.core.environment import API_URL_VARIABLE, DEFAULT_API_URL

__all__ = ["page"]

OPTIONS = {
    "server.headless": "true",
    "server.maxUploadSize": "30",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "theme.light.primaryColor": "#115e59",
    "theme.dark.primaryColor": "#4fd1c1",
}


@click.command()
@click.option("--api", default=DEFAULT_API_URL, show_default=True, envvar=API_URL_VARIABLE, help="URL of the service.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is every one.")
@click.option("--port", default=8501, show_default=True, type=Integer(1, 65535), help="Port to listen on.")
@click.pass_context
def page(context: click.Context, *, api: str, host: str, port: int) -> None:
    """Show the web page until Ctrl-C; it calls the service at --api, with $PETMOOD_TOKEN if it is set."""
    from petmood.core.extras import require
    from petmood.core.listening import check_port, open_url

    require("streamlit", extra="page")
    require("httpx", extra="page")
    from petmood.client.client import Client

    Client(api).close()  # a wrong address or proxy is an error here rather than on the page
    check_port(host, port)
    import petmood.frontend

    script = Path(petmood.frontend.__file__).with_name("app.py")
    options = {**OPTIONS, "server.address": host, "server.port": str(port)}
    given = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *given]
    click.echo(f"petmood shows its page at {open_url(host, port)}, and calls {api}", err=True)
    environment = {**os.environ, API_URL_VARIABLE: api}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as child:  # noqa: S603 - our own command
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: child.send_signal(signal.SIGTERM))
        code = child.wait()
    context.exit(0 if code in (0, -signal.SIGTERM) else code)
