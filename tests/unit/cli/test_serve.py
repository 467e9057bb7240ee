"""`petmood serve`: listening address, and one-line rejection of invalid options."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import petmood.cli.serve as serve_module
from petmood.cli import phone_address
from petmood.cli.app import main
from petmood.core import listening
from petmood.core.errors import BundleError, ConfigError
from tests.support.generous import GENEROUS_ENVIRONMENT
from tests.support.networks import tiny_bundle
from tests.support.signing import key_pair
from tests.support.waiting import wait_until

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what a platform expects; a test listens for a second
END_S = 60
"""Six times the 10 seconds that a platform leaves a service to end in."""
ADMIN = "b17e6c0d92f34a8855aa"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny bundle."""
    return tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle").folder


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Give the root logger back its handlers: the verb sets logging up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@contextmanager
def serving(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start `petmood serve`, and yield the process and its address."""
    command = [sys.executable, "-m", "petmood", "serve", *arguments]
    environment = {**os.environ, **GENEROUS_ENVIRONMENT, **variables}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            words = (word for line in process.stderr for word in line.split())
            yield process, next(word for word in words if word.startswith("http://"))
        finally:
            process.kill()


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line with which a command line is refused."""
    with pytest.raises(SystemExit) as end:
        main(["serve", *arguments])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def answers(address: str, path: str) -> str:
    """Wait until the service answers, and return what it says."""

    def answer() -> str:
        try:
            with urllib.request.urlopen(address + path, timeout=300) as response:  # noqa: S310 - our own address
                return str(response.read().decode())
        except ConnectionError:
            return ""

    return wait_until(answer)


def children(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that this one started."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or dead and not yet taken note of."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_it_serves_at_the_port_that_the_platform_gives_and_ends_with_0(bundle: Path) -> None:
    with serving(str(bundle), "--log", "json", PORT="0", PETMOOD_DRAIN_NOTICE_S="0") as (process, address):
        assert address.startswith(f"http://{EVERYWHERE}:")
        assert answers(address.replace(EVERYWHERE, "127.0.0.1"), "/readyz") == '{"status":"ok"}'
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=END_S) == 0


def test_several_processes_answer_as_one_and_end_with_0(bundle: Path) -> None:
    with serving(str(bundle), "--port", "0", "--workers", "2", PETMOOD_DRAIN_NOTICE_S="0") as (process, address):
        assert address.startswith("http://127.0.0.1:")
        for _ in range(4):
            assert answers(address, "/livez") == '{"status":"ok"}'
        assert 'petmood_requests_total{method="GET",route="/livez",status="200"} 4.0' in answers(address, "/metrics")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=END_S) == 0


def test_when_the_first_process_is_killed_the_others_end_too(bundle: Path) -> None:
    with serving(str(bundle), "--port", "0", "--workers", "2", PETMOOD_DRAIN_NOTICE_S="0") as (process, address):
        assert answers(address, "/livez") == '{"status":"ok"}'
        wait_until(lambda: len(children(process)) == 2, what="the second process")
        others = children(process)
        process.kill()
        process.wait(timeout=END_S)
        wait_until(lambda: all(has_ended(pid) for pid in others), what="an end of the others")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a bundle: manifest.json is missing" in refusal(capsys, str(tmp_path), "--port", "0").splitlines()[-1]


@pytest.mark.parametrize("port", ["http", "-1", "70000"])
def test_a_port_that_is_none_is_refused(
    port: str, bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", port)
    assert f"Expected a port number in $PORT or $AIP_HTTP_PORT, got {port!r}." in refusal(capsys, str(bundle))


def test_a_weak_token_is_refused_at_start(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_ADMIN_TOKEN", "changeme")
    assert "admin_token is too weak" in refusal(capsys, str(bundle))


def test_models_cannot_be_changed_in_several_processes(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_ADMIN_TOKEN", ADMIN)
    with pytest.raises(SystemExit) as end:
        main(["serve", str(bundle), "--port", "0", "--workers", "2"])
    assert end.value.code == 2
    assert "Models can't be changed at run time with --workers above 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ([], {}, ("127.0.0.1", 8000)),
        ([], {"PORT": "9001"}, (EVERYWHERE, 9001)),
        ([], {"PORT": "9001", "AIP_HTTP_PORT": "9002"}, (EVERYWHERE, 9002)),
        (["--port", "9003"], {"PORT": "9001"}, (EVERYWHERE, 9003)),
        (["--host", "127.0.0.2"], {"PORT": "9001"}, ("127.0.0.2", 9001)),
        (["--host", "::1", "--port", "9003"], {}, ("::1", 9003)),
    ],
)
def test_where_it_listens_is_decided_by_options_then_the_platform_then_caution(
    arguments: list[str], variables: dict[str, str], expected: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def bind(host: str, port: int) -> None:
        asked.append((host, port))
        raise ConfigError("not in this test")

    for name in ("PORT", "AIP_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(listening, "bind", bind)
    with pytest.raises(SystemExit):
        main(["serve", "anything", *arguments])
    assert asked == [expected]


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        (("127.0.0.1",), "http://127.0.0.1:8000  (documentation at /docs)"),
        (("0.0.0.0",), "http://0.0.0.0:8000  (documentation at http://127.0.0.1:8000/docs)"),  # noqa: S104 - a name
        (("::",), "http://[::]:8000  (documentation at http://127.0.0.1:8000/docs)"),
        (("::1", "127.0.0.1"), "http://[::1]:8000, http://127.0.0.1:8000  (documentation at /docs)"),
    ],
)
def test_the_address_is_shown_as_a_url_and_one_that_can_be_opened(hosts: tuple[str, ...], shown: str) -> None:
    assert serve_module._address("b", hosts, 8000) == f"petmood serves b at {shown}"


@pytest.mark.proof
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("what", ["missing", "damaged", "unsigned"])
def test_a_bundle_that_cannot_be_loaded_is_one_line_however_many_processes(
    bundle: Path, tmp_path: Path, workers: str, what: str
) -> None:
    folder = tmp_path / "bundle"
    if what == "damaged":
        shutil.copytree(bundle, folder)
        (folder / "model.onnx").write_bytes(b"damaged")
    command = [sys.executable, "-m", "petmood", "serve", str(folder), "--port", "0", "--workers", workers]
    if what == "unsigned":
        shutil.copytree(bundle, folder)
        command += ["--public-key", str(key_pair(tmp_path).public)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == BundleError.exit_code
    (line,) = ended.stderr.splitlines()
    assert line.startswith("petmood: ")
    assert str(folder) in line


@pytest.mark.parametrize("workers", ["1", "2"])
def test_several_hosts_are_served_at_one_port(bundle: Path, workers: str) -> None:
    hosts = ["--host", "127.0.0.1", "--host", "127.0.0.2", "--port", "0", "--workers", workers]
    with serving(str(bundle), *hosts, PETMOOD_DRAIN_NOTICE_S="0") as (process, first):
        address = first.rstrip(",")
        for one in (address, address.replace("127.0.0.1", "127.0.0.2")):
            assert answers(one, "/livez") == '{"status":"ok"}'
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=END_S) == 0


def test_help_says_where_the_other_settings_are(capsys: pytest.CaptureFixture[str]) -> None:
    main(["serve", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "every other setting is an environment variable PETMOOD_<NAME>" in printed
    assert "--fd" not in printed


def test_a_taken_port_is_reported_in_one_line(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listening.bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        line = refusal(capsys, str(bundle), "--host", "127.0.0.1", "--port", str(port))
    assert line.startswith(f"petmood: Can't listen on 127.0.0.1:{port} (Address already in use). Choose another port")


def test_run_as_a_module_it_ends_with_the_same_code_as_the_command(bundle: Path, tmp_path: Path) -> None:
    words = tmp_path / "no-photo.jpg"
    words.write_text("words")
    for arguments, code in ((["predict", str(bundle), str(words)], 1), (["bundle", "verify", str(tmp_path)], 2)):
        assert (
            subprocess.run([sys.executable, "-m", "petmood", *arguments], capture_output=True, check=False).returncode
            == code
        )


def test_for_a_phone_every_address_is_listened_on_and_that_of_the_network_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    announced: list[str] = []

    def served(_: str, listeners: list[socket.socket], *__: object, address: str, **___: object) -> None:
        asked.extend(listener.getsockname() for listener in listeners)
        announced.extend(address.splitlines())

    monkeypatch.setattr(serve_module, "_serve_here", served)
    monkeypatch.setattr(phone_address, "network_address", lambda: "192.168.1.20")
    main(["serve", str(bundle), "--phone", "--port", "0"])
    ((host, port),) = asked
    assert host == EVERYWHERE
    first, *rest = announced
    assert first.startswith(f"petmood serves {bundle} at http://0.0.0.0:{port}  (documentation at ")
    assert rest == [
        f"On a phone in the same network: http://192.168.1.20:{port}/",
        "Everyone in this network can use the service. PETMOOD_TOKEN limits it.",
    ]


def test_a_phone_and_a_host_are_refused_together(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, str(bundle), "--phone", "--host", "127.0.0.1") == (
        "petmood: Expected --phone or --host, got both. --phone listens on every address: leave out --host."
    )


def test_photos_are_kept_beside_a_log_alone(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PETMOOD_PREDICTION_LOG", raising=False)
    assert "Expected a prediction log, since photos are kept." in refusal(capsys, str(bundle), "--keep-photos", "30")
    assert "Invalid value for '--keep-photos'" in refusal(capsys, str(bundle), "--keep-photos", "0")
