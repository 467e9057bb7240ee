"""Import of optional packages, with the install command in the error message."""

from importlib import import_module
from types import ModuleType

from petmood.core.commands import shell_command
from petmood.core.errors import MissingDependency

__all__ = ["require"]


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional package, such as ``require("onnxruntime", extra="serve")``.

    Raises:
        MissingDependency: the package is not installed; the message has the command that installs it.
        ModuleNotFoundError: the package is installed, but one of its own dependencies is not.
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
