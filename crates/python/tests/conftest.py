"""What all tests have in common."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(__file__))
# Programs that tests start find the functions, too.
os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])

import leftovers  # noqa: E402
from leftovers import Program, read  # noqa: E402
from runner_pool import ProcessPoolExecutor  # noqa: E402

TIMEOUT = 60

# The mark of the processes that tests start.
os.environ[leftovers.MARK] = str(os.getpid())


def workers_of(pid):
    """Returns the processes of workers that a process has started."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for path in children for child in read(path).split()]
    return [child for child in found if b"_worker.py" in read(Path(f"/proc/{child}/cmdline"))]


def wait_until(what, condition):
    leftovers.wait_until(what, condition, TIMEOUT)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def run(program, *arguments, timeout=TIMEOUT):
    """Runs a Python program, and returns how it has ended, after its workers are gone."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def start(function, *args):
    """Starts a thread, and returns the future of what the function returns."""
    future = concurrent.futures.Future()

    def call():
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


@pytest.fixture
def pool():
    with ProcessPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def run_program(tmp_path):
    """Runs a program to its end; see `leftovers.Program`."""
    return lambda text, *arguments, **options: Program(text, tmp_path, *arguments, **options).end()


@pytest.fixture(scope="session")
def temporary_directory(tmp_path_factory):
    """The temporary directory of all tests, which no other program uses."""
    tmp_path_factory.getbasetemp()  # It is in the usual one.
    with tempfile.TemporaryDirectory(prefix="rp-") as directory:
        previous, tempfile.tempdir = tempfile.tempdir, directory
        os.environ["TMPDIR"] = directory
        yield directory
        tempfile.tempdir = previous


@pytest.fixture(autouse=True)
def nothing_is_left(temporary_directory):
    with leftovers.none_of(os.environ[leftovers.MARK], temporary_directory):
        yield
