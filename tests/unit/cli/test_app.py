"""Command list, one-line error messages and exit codes of the command line."""

import errno
import logging
import os
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from petmood.cli import app
from petmood.cli.app import VERBS, main
from petmood.cli.registry_options import current_author
from petmood.core.environment import current_user
from petmood.core.errors import ConfigError
from petmood.pipelines.run_folder import RunFolder
from tests.support.small_sets import SMALL, write_small_set
from tests.support.waiting import wait_until

Petmood = Callable[..., Any]

PATHS = [
    *([verb] for verb in VERBS),
    ["data", "import"],
    ["data", "check"],
    ["bundle", "verify"],
]


@pytest.mark.parametrize("words", PATHS, ids=" ".join)
def test_every_verb_explains_itself(petmood: Callable[..., Any], words: list[str]) -> None:
    done = petmood(*words, "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: ")
    assert len(done.out.splitlines()) > 4
    assert done.err == ""


def test_help_lists_the_verbs_in_the_order_of_the_pipeline(petmood: Callable[..., Any]) -> None:
    text = petmood("--help").out
    places = [text.index(f"\n  {verb} ") for verb in VERBS]
    assert places == sorted(places)
    assert all(sentence in text for _, sentence in VERBS.values())


def test_what_the_list_says_of_a_verb_is_what_it_says_itself() -> None:
    group = app.petmood
    for verb in VERBS:
        command = group.get_command(click.Context(group), verb)
        assert command is not None
        assert command.name == verb
        assert command.help


def groups(group: click.Group, *words: str) -> Iterator[list[str]]:
    """Yield the words that name each group of the command line."""
    yield list(words)
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from groups(command, *words, name)


@pytest.mark.parametrize("words", [*groups(app.petmood)], ids=lambda words: " ".join(words) or "petmood")
def test_no_sentence_in_a_group_s_list_of_commands_is_cut(petmood: Callable[..., Any], words: list[str]) -> None:
    listed = petmood(*words, "--help").out.partition("Commands:\n")[2].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


def test_a_verb_that_does_not_exist_is_a_usage_error(petmood: Callable[..., Any]) -> None:
    done = petmood("trian")
    assert done.code == 2
    assert "No such command 'trian'" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["trian"], "train"),
        (["exprot"], "export"),
        (["registry", "pus"], "push"),
        (["data", "chekc"], "check"),
        (["export", "--outptu", "x"], "--output"),
        (["train", "--multi"], "--multirun"),
    ],
)
def test_a_typo_in_a_verb_or_an_option_is_answered_with_the_nearest(
    petmood: Callable[..., Any], words: list[str], nearest: str
) -> None:
    done = petmood(*words)
    assert done.code == 2
    assert f"Did you mean '{nearest}'?" in done.err


def test_what_resembles_no_verb_is_answered_with_where_to_look(petmood: Callable[..., Any]) -> None:
    done = petmood("zzzzzz")
    assert "Did you mean" not in done.err
    assert "Try 'petmood --help' for help." in done.err


def test_outside_an_activated_environment_hints_name_the_program_by_its_path(
    petmood: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.defpath)
    path = Path(sys.executable).with_name("petmood")
    assert f"Try '{path} --help' for help." in petmood("trian").err


def completions(*words: str, cwd: Path) -> list[str]:
    """Return what bash would offer for the last of the words, by the script that petmood prints for it."""
    found = str(Path(sys.executable).parent)
    script = (
        'source <(_PETMOOD_COMPLETE=bash_source petmood); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_petmood_completion petmood; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{found}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-c", script, "bash", *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_shell_completes_verbs_and_options(tmp_path: Path) -> None:
    assert completions("petmood", "tra", cwd=tmp_path) == ["train", "track"]
    assert completions("petmood", "export", "--o", cwd=tmp_path) == ["--output"]
    assert "promote" in completions("petmood", "registry", "pro", cwd=tmp_path)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("Expected this, got that."), 2, "petmood: Expected this, got that.\n"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/x"), 2, "petmood: No space left on device: runs/x\n"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), 2, "petmood: File too large\n"),
        (OSError("no number"), 2, "petmood: no number\n"),
        (KeyboardInterrupt(), 130, "\npetmood: stopped.\n"),
        (
            click.UsageError("Not so."),
            2,
            "petmood: Not so. Try 'petmood fail --help' for help.\n",
        ),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            "petmood: 'torch' is not installed. Install it with: pip install 'petmood[train]'\n",
        ),
    ],
)
def test_an_error_is_one_line_and_a_code(
    petmood: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(app.petmood, "get_command", lambda *_: fail)
    done = petmood("fail")
    assert (done.code, done.err, done.out) == (code, said, "")


def test_a_module_of_our_own_that_is_missing_is_a_bug_and_shown_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fail() -> None:
        raise ModuleNotFoundError("No module named 'petmood.lost'", name="petmood.lost")

    monkeypatch.setattr(app.petmood, "get_command", lambda *_: fail)
    with pytest.raises(ModuleNotFoundError):
        main(["fail"])


def test_verbose_shows_where_an_error_came_from(petmood: Callable[..., Any], tmp_path: Path) -> None:
    quiet = petmood("data", "check", tmp_path / "none")
    loud = petmood("-v", "data", "check", tmp_path / "none")
    assert quiet.code == loud.code == 2
    assert quiet.err.count("\n") == 1
    assert "Traceback" in loud.err
    assert loud.err.endswith(quiet.err)


def test_only_the_command_line_sets_logging_up(petmood: Callable[..., Any]) -> None:
    """The fixture takes pytest's own handlers away, so that what is left is petmood's."""
    petmood("config")
    (handler,) = logging.getLogger().handlers
    assert handler.level == logging.WARNING
    petmood("-v", "config")
    (handler,) = logging.getLogger().handlers
    assert handler.level == logging.INFO


def spawn(program: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start a program in an interpreter of its own."""
    command = [sys.executable, "-c", program, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, text=True, **pipes)  # type: ignore[call-overload,no-any-return] # a mixed dict


@pytest.mark.spawns
def test_ctrl_c_while_training_ends_with_130_and_one_line_and_the_run_can_go_on(tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data")
    overrides = [*SMALL, f"data={data}", f"run.folder={tmp_path}", "name=long", "epochs=5000"]
    handler = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's background job is deaf
    )
    program = f"{handler}; import sys; from petmood.cli.app import main; sys.exit(main(sys.argv[1:]))"
    with spawn(program, "train", *overrides, cwd=tmp_path) as process:
        wait_until((tmp_path / "long/checkpoints/last.ckpt").exists, within_s=600, what="a checkpoint")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.strip() == "petmood: stopped."
    assert out == ""
    assert RunFolder(tmp_path / "long").read_metadata().status == "training"
    assert list(tmp_path.rglob("*.partial")) == []


@pytest.mark.spawns
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    program = "import sys; from petmood.cli.app import main; sys.exit(main(['config']))"
    with spawn(program, cwd=tmp_path) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(timeout=600) != 0
        assert process.stderr
        assert process.stderr.read() == ""


def test_the_version_is_the_packages(petmood: Callable[..., Any]) -> None:
    assert petmood("--version").out.startswith("petmood, version 0.")


def test_the_code_that_a_verb_ends_with_is_handed_to_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.pass_context
    def one(context: click.Context) -> None:
        context.exit(1)

    monkeypatch.setattr(app.petmood, "get_command", lambda *_: one)
    assert main(["one"]) == 1


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become a user without an entry"
)
def test_a_user_without_an_entry_and_a_home_has_a_name_and_a_folder_that_others_cannot_write() -> None:
    """Libraries keep weights and caches in the home; in /tmp itself another user could put other ones there."""
    program = (
        "import getpass, os, pathlib, pwd, sys, tempfile; sys.path[:0] = sys.argv[1].split(os.pathsep)\n"
        "from petmood.cli import app\n"
        "os.setuid(54321)  # only now: this user may not read the interpreter's files\n"
        "app._name_user_and_home()\n"
        "print(getpass.getuser(), pathlib.Path.home(), file=sys.stderr)"
    )
    environment = {"PATH": os.environ["PATH"], "TMPDIR": "/tmp"}  # noqa: S108 - where the home is expected
    command = [sys.executable, "-c", program, os.pathsep.join(sys.path)]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    name, home = done.stderr.strip().rsplit(" ", 1)
    found = Path(home).stat()
    Path(home).rmdir()
    assert (name, str(Path(home).parent)) == ("uid 54321", environment["TMPDIR"])
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (54321, 0o700)


def test_a_user_without_an_entry_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", lacking)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert current_user() == current_author(None) == "uid 54321"


def test_pillows_warnings_are_no_lines_unless_asked_for(
    petmood: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def warn() -> None:
        warnings.warn("Corrupt EXIF data", UserWarning, stacklevel=1)

    monkeypatch.setattr(app.petmood, "get_command", lambda *_: warn)
    logging.captureWarnings(capture=False)  # what an earlier test left
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert petmood("warn").err == ""
        assert "Corrupt EXIF data" in petmood("-v", "warn").err
    logging.captureWarnings(capture=False)
