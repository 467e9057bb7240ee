"""Test of the environment in which mutants are tested."""

import os
import subprocess
import sys

from benchmarks.mutants import SINGLE_THREADED


def test_libraries_have_no_threads_when_a_process_is_forked_for_each_mutant() -> None:
    """OpenCV hangs in a process that was forked after its threads were used, and that would count as noticed."""
    program = "import cv2, torch; print(cv2.getNumThreads(), torch.get_num_threads())"
    environment = {**os.environ, **SINGLE_THREADED}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
