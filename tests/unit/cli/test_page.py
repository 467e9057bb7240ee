"""`petmood page`: address, shutdown and rejection of invalid options."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from petmood.cli.app import main
from petmood.core.listening import bind
from tests.support.ports import free_port
from tests.support.waiting import wait_until


def test_the_page_is_there_until_it_is_asked_to_end() -> None:
    port = free_port()
    command = [sys.executable, "-m", "petmood", "page", "--port", str(port), "--api", "http://127.0.0.1:9"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stderr is not None
        assert (
            process.stderr.readline()
            == f"petmood shows its page at http://127.0.0.1:{port}, and calls http://127.0.0.1:9\n"
        )
        wait_until(lambda: is_healthy(port), within_s=300)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
    with pytest.raises(OSError, match="refused"), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60):
        pass


def is_healthy(port: int) -> bool:
    """Tell whether Streamlit says that it is well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=60) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_a_taken_port_is_refused_before_the_address_is_announced(capsys: pytest.CaptureFixture[str]) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as end:
            main(["page", "--port", str(port)])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        f"petmood: Can't listen on 127.0.0.1:{port} (Address already in use). Choose another port with --port.\n"
    )


def test_an_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["page", "--api", "localhost:8000"])
    assert end.value.code == 2
    assert (
        "Expected an address such as http://127.0.0.1:8000, without a password, '?' or '#', got 'localhost:8000'."
        in capsys.readouterr().err
    )


def test_without_streamlit_the_command_to_type_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "streamlit", None)
    with pytest.raises(SystemExit) as end:
        main(["page"])
    assert end.value.code == 2
    assert "pip install 'petmood[page]'" in capsys.readouterr().err
