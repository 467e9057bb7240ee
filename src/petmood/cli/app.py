"""Entry point of the `petmood` command; each subcommand is imported when it is called."""

import difflib
import importlib
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from petmood.cli.output import accept_any_text
from petmood.core.commands import shell_command
from petmood.core.environment import current_user
from petmood.core.errors import MissingDependency, PetmoodError
from petmood.core.names import escape_undecodable
from petmood.core.processors import WAITING
from petmood.core.user_cache import temporary_folder

__all__ = ["VERBS", "main", "petmood"]

logger = logging.getLogger(__name__)

VERBS: Final[Mapping[str, tuple[str, str]]] = {
    "data": ("petmood.cli.data:data", "Import, validate and compare datasets."),
    "train": ("petmood.cli.train:train", "Train a network; settings are overrides such as recipe=finetune."),
    "sweep": ("petmood.cli.sweep:sweep", "Search for better settings; resumable, chosen by validation alone."),
    "crossval": ("petmood.cli.train:crossval", "Evaluate a recipe by grouped cross-validation."),
    "evaluate": ("petmood.cli.evaluate:evaluate", "Evaluate a run, with intervals, beside baselines."),
    "optimize": (
        "petmood.cli.optimize:optimize",
        "Make a run's network smaller, and measure what it costs.",
    ),
    "export": ("petmood.cli.bundle:export", "Export a run as a bundle."),
    "bundle": ("petmood.cli.bundle:bundle", "Verify or upgrade bundles."),
    "registry": ("petmood.cli.registry:registry", "Manage model versions, and promote them after checks."),
    "track": ("petmood.cli.track:track", "Show MLflow's page, and send runs what their tracker lacks."),
    "predict": ("petmood.cli.predict:predict", "Predict photos with a bundle."),
    "serve": ("petmood.cli.serve:serve", "Serve a bundle over HTTP."),
    "log": ("petmood.cli.log:log", "Read, export and clean the prediction log of a service."),
    "feedback": ("petmood.cli.feedback:feedback", "List, review and export what people say of predictions."),
    "bento": ("petmood.cli.bento:bento", "Serve or build through BentoML."),
    "monitor": ("petmood.cli.monitor:monitor", "Watch a served model: drift, alert rules, dashboards."),
    "loadtest": ("petmood.cli.loadtest:loadtest", "Load-test a service until throughput saturates."),
    "page": ("petmood.cli.page:page", "Show the web page."),
    "run": ("petmood.cli.run:run", "Run the whole pipeline, skipping what is up to date."),
    "retrain": ("petmood.cli.retrain:retrain", "Train on a data version, register and check the model."),
    "cloud": ("petmood.cli.cloud:cloud", "Deploy and train on Google Cloud, and estimate the cost."),
    "profile": ("petmood.cli.train:profile", "Show where a training step spends its time."),
    "config": ("petmood.cli.train:config", "Show the settings, composed, and the groups to choose from."),
}

COMPLETE: Final = "_PETMOOD_COMPLETE"
"""The environment variable by which a shell requests completions from click."""


class LazyVerbs(click.Group):
    """A group whose verbs are imported when they are called, so that `petmood --help` needs no torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order of the pipeline."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a verb."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that the words name; an unknown one is refused with the nearest."""
        name = args[0]
        if not (ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name)):
            near = difflib.get_close_matches(name, VERBS, n=1)
            ctx.fail(f"No such command {name!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(cls=LazyVerbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="petmood", prog_name="petmood")
@click.option("-v", "--verbose", is_flag=True, help="Log progress, and show tracebacks of errors.")
def petmood(*, verbose: bool) -> None:
    """Recognize the facial expression of a pet in a photo: from photos to an evaluated model that predicts."""
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.setLevel(level)
    logging.getLogger("matplotlib").setLevel(logging.WARNING if verbose else logging.ERROR)  # a home without its cache
    logging.captureWarnings(capture=True)  # Pillow's, of odd metadata, are not lines for a user
    logging.getLogger("py.warnings").setLevel(logging.WARNING if verbose else logging.ERROR)
    logger.setLevel(level)  # error locations are shown with --verbose, not in the log of a service


def main(arguments: list[str] | None = None) -> Any:  # noqa: ANN401 - click's return value
    """Run the command line; an error made on purpose is one line on stderr and its own exit code."""
    for variable, value in WAITING.items():
        os.environ.setdefault(variable, value)
    _name_user_and_home()
    accept_any_text()
    try:
        completes = COMPLETE in os.environ
        name = "petmood" if completes else shell_command()  # click's usage hints contain it: Try 'petmood --help'
        return petmood.main(args=arguments, prog_name=name, complete_var=COMPLETE, standalone_mode=False)
    except PetmoodError as error:
        if logger.isEnabledFor(logging.INFO):
            logger.info("traceback of the error", exc_info=True)
        _end(str(error), code=error.exit_code)
    except click.ClickException as error:
        _end(_usage_message(error), code=error.exit_code if isinstance(error, click.UsageError) else 2)
    except (click.Abort, KeyboardInterrupt):
        _end("stopped.", code=130)
    except ModuleNotFoundError as error:
        if (error.name or "petmood").startswith("petmood"):
            raise
        command = shell_command("install", "petmood[train]", program="pip")
        _end(f"'{error.name}' is not installed. Install it with: {command}", code=MissingDependency.exit_code)
    except OSError as error:
        _end(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), code=2)


def _name_user_and_home() -> None:
    """Give a process of a user without an entry, as in a container, a name and a home; libraries ask for both."""
    if getattr(os, "getuid", None) is None:
        return
    if current_user() == (unnamed := f"uid {os.getuid()}"):
        os.environ["USER"] = unnamed
    try:
        Path.home()
    except RuntimeError:
        with suppress(OSError):  # no folder for temporary files either
            os.environ["HOME"] = str(temporary_folder())  # of this user alone: libraries keep weights there


def _end(message: str, *, code: int) -> NoReturn:
    click.echo(f"petmood: {escape_undecodable(message)}", err=True)
    sys.exit(code)


def _usage_message(error: click.ClickException) -> str:
    """Return click's message on one line, with the command that explains what it expects."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    sentence = message if message.endswith((".", "?")) else f"{message}."
    return f"{sentence} Try '{context.command_path} --help' for help."
