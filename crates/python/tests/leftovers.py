"""What tests must not leave: processes, and files in the temporary directory or in /dev/shm.

Each program of a test, each worker and each process of a worker has a mark in its environment, by which it is
found whatever its parent, its group and its session are: workers have sessions of their own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MARK = "RUNNER_POOL_TEST"

# Longer than any process takes to end, on a machine with other work.
LIMIT = 30

# Processes of the standard library that serve a program until its end.
_HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")


def wait_until(what, condition, limit=LIMIT):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.005)


def read(path):
    """Returns the contents of a file in /proc; nothing if the thread or process has ended meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def processes(mark):
    """Returns the processes that were started with a mark in their environment, and that have not ended."""
    sign = f"{MARK}={mark}".encode()
    found = (path for path in Path("/proc").iterdir() if path.name.isdecimal())
    return {
        int(path.name)
        for path in found
        if sign in read(path / "environ").split(b"\0")
        and not any(helper in read(path / "cmdline") for helper in _HELPERS)
    }


def shared_files():
    """Returns the names in /dev/shm."""
    try:
        return set(os.listdir("/dev/shm"))
    except OSError:
        return set()


def shared_files_since(before):
    """Returns the names in /dev/shm that were not there before, without those of other programs."""
    new = shared_files() - before
    return {name for name in new if not _is_of_another_program(name)} if new else new


def _is_of_another_program(name):
    for path in Path("/proc").iterdir():
        is_process = path.name.isdecimal() and path.name != str(os.getpid())
        if not is_process or f"{MARK}={os.environ[MARK]}".encode() in read(path / "environ"):
            continue
        if f"_{path.name}_" in name or f"/dev/shm/{name}".encode() in read(path / "maps"):
            return True
    return False


@contextlib.contextmanager
def none_of(mark, directory):
    """Checks that what is run meanwhile leaves no process with this mark, and no file."""
    before = processes(mark)
    files, shared = set(os.listdir(directory)), shared_files()
    yield
    wait_until_gone("processes", lambda: {pid: command_of(pid) for pid in processes(mark) - before})
    wait_until_gone("temporary files", lambda: set(os.listdir(directory)) - files)
    wait_until_gone("files in /dev/shm", lambda: shared_files_since(shared))


def wait_until_gone(what, find):
    deadline = time.monotonic() + LIMIT
    while left := find():
        assert time.monotonic() < deadline, f"{what} are left: {left}"
        time.sleep(0.005)


def command_of(pid):
    return read(Path(f"/proc/{pid}/cmdline")).replace(b"\0", b" ").decode(errors="replace")


@dataclass
class Ended:
    """How a program has ended."""

    code: int
    output: str
    errors: str
    seconds: float


class Program:
    """A Python program in a fresh process, with a session and a temporary directory of its own."""

    ways = ("file", "command", "input")

    def __init__(self, text, directory, *arguments, way="file", python=sys.executable, **variables):
        self.directory = Path(tempfile.mkdtemp(prefix="rp-"))
        self.mark = f"{os.environ[MARK]}-{self.directory.name}"
        self._shared = shared_files()
        command = [python, *self._source(text, Path(directory), way), *map(str, arguments)]
        environment = {**os.environ, MARK: self.mark, "TMPDIR": str(self.directory), **variables}
        self._begin = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=directory,
            env=environment,
            start_new_session=True,
        )
        if way == "input":
            self.process.stdin.write(text)
            self.process.stdin.close()
            self.process.stdin = None

    @staticmethod
    def _source(text, directory, way):
        if way == "command":
            return ["-c", text]
        if way == "input":
            return ["-"]
        script = directory / "script.py"
        script.write_text(text)
        return [str(script)]

    def end(self, limit=LIMIT, *, files=False):
        """Waits until the program and all its processes have ended, and checks that no file is left, unless
        `files` may be."""
        output, errors = self.process.communicate(timeout=limit)
        ended = Ended(self.process.returncode, output, errors, time.monotonic() - self._begin)
        wait_until_gone(
            f"processes of a program ({ended})",
            lambda: {pid: command_of(pid) for pid in processes(self.mark)},
        )
        assert files or os.listdir(self.directory) == []
        shutil.rmtree(self.directory)
        wait_until_gone("files in /dev/shm", lambda: shared_files_since(self._shared))
        return ended
