"""How is an optional package asked for? By name, and its absence is answered with the command to type."""

from importlib import import_module
from types import ModuleType

from petmood.core.commands import shell_command
from petmood.core.errors import MissingDependency

__all__ = ["require"]


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional package, such as ``require("onnxruntime", extra="serve")``.

    Raises:
        MissingDependency: the package is not installed; the message is the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != package:
            raise
        command = shell_command("install", f"petmood[{extra}]", program="pip")
        message = f"'{package}' is not installed. Install it with: {command}"
        raise MissingDependency(message) from error
