"""Shell commands for error messages, quoted so that they run as printed."""

import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["shell_command"]


def shell_command(*words: object, program: str = "petmood") -> str:
    """Return a command, quoted for the shell.

    ``program`` is a script of this environment. If the shell would not find it by name, its path is used, relative to
    the working directory if it lies below.

    >>> shell_command("predict", "my photo.jpg").rpartition("petmood ")[2]
    "predict 'my photo.jpg'"
    """
    own = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    if found is not None and (not own.exists() or Path(found).samefile(own)):
        named = [program]
    elif own.exists():
        named = [str(own.relative_to(Path.cwd()) if Path.cwd() in own.parents[1:] else own)]
    else:
        named = [sys.executable, "-m", program]
    return shlex.join([*named, *map(str, words)])
