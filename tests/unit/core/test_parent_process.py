"""A process whose parent is killed ends, too."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.torchrun import is_running
from tests.support.waiting import wait_until

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""
CHILD = """
import time
from petmood.core.parent_process import end_with_parent
end_with_parent()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.posix
@pytest.mark.spawns
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel's signal is Linux's")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_running(child), what="the end of the child")
