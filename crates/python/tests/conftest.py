"""What all tests have in common."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(__file__))
# Programs that tests start find the functions, too.
os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])

from runner_pool import ProcessPoolExecutor  # noqa: E402

TIMEOUT = 60


def read(path):
    """Returns the contents of a file in /proc; nothing if the thread or process has ended meanwhile."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def workers_of(pid):
    """Returns the processes of workers that a process has started."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for path in children for child in read(path).split()]
    return [child for child in found if b"_worker.py" in read(Path(f"/proc/{child}/cmdline"))]


def wait_until(what, condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.005)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def run(program, *arguments, timeout=TIMEOUT):
    """Runs a Python program, and returns how it has ended, after its workers are gone."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


@pytest.fixture
def pool():
    with ProcessPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(autouse=True)
def no_process_is_left():
    before = set(workers_of(os.getpid()))
    yield
    wait_until("the workers of the test are gone", lambda: set(workers_of(os.getpid())) <= before)
