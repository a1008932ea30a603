"""Functions for the tests to call in workers, and classes for them to send."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import time
from pathlib import Path

prepared: list[object] = []


def same(value):
    return value


def double(number):
    return 2 * number


def add(left, right=0, *, more=0):
    return left + right + more


def crash():
    ctypes.string_at(0)


def exit_process(code):
    os._exit(code)


def end_at_sigterm(ready):
    """Waits for SIGTERM, and returns nevertheless."""
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append("ended"))
    Path(ready).touch()
    while not ended:
        time.sleep(0.005)
    return ended[0]


def exit_interpreter():
    sys.exit(4)


def kill_itself(number):
    os.kill(os.getpid(), number)


def loop():
    while True:
        pass


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def fail(message):
    raise ValueError(message)


def crash_once(path):
    """Kills its process when it is called for the first time."""
    if not os.path.exists(path):
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def allocate(size):
    """Uses memory until the process is killed."""
    blocks = []
    for _ in range(size >> 20):
        blocks.append(b"x" * (1 << 20))
        time.sleep(0.001)
    time.sleep(60)


def prepare(value):
    prepared.append(value)


def get_prepared():
    return prepared


def mark_and_wait(directory):
    """Shows that it runs, and waits until the file `go` exists. Returns its process."""
    Path(directory, f"started-{os.getpid()}").touch()
    while not Path(directory, "go").exists():
        time.sleep(0.005)
    return os.getpid()


class Counter:
    def __init__(self, start):
        self.start = start

    def plus(self, number):
        return self.start + number

    @classmethod
    def named(cls, number):
        return f"{cls.__name__} {number}"

    @staticmethod
    def half(number):
        return number // 2

    def __call__(self, number):
        return self.start * number


class NoPickle:
    def __reduce__(self):
        raise pickle.PicklingError("this object is never pickled")


def _refuse():
    raise pickle.UnpicklingError("this object is never unpickled")


class NoUnpickle:
    """Is pickled, and cannot be unpickled."""

    def __reduce__(self):
        return _refuse, ()


class KillsUnpickler:
    def __reduce__(self):
        return os._exit, (9,)


class StrictError(Exception):
    """Is pickled without the arguments that it requires."""

    def __init__(self, left, right):
        super().__init__(f"{left} and {right}")


class LockedError(Exception):
    """Has something that cannot be pickled."""

    def __init__(self):
        import threading

        super().__init__("locked")
        self.lock = threading.Lock()


def raise_strict():
    raise StrictError(1, 2)


def raise_locked():
    raise LockedError


def make(kind):
    return kind()


def send_signal(pid, number, value):
    os.kill(pid, number)
    return value


class SignalsWhenUnpickled:
    """Sends a signal to a process that unpickles it, for the first time only."""

    def __init__(self, pid):
        self.pid = pid

    def __reduce__(self):
        return _signal_once, (self.pid,)


_signalled = []


def _signal_once(pid):
    if pid == os.getpid() and not _signalled:
        _signalled.append(pid)
        os.kill(pid, signal.SIGUSR1)
    return "unpickled"


def fork(end):
    """Forks, has the child end in some way, and returns its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if end == "raise":
        raise ValueError("in the child")
    kind, _, argument = end.partition(" ")
    if kind == "_exit":
        os._exit(int(argument))
    if kind == "exit":
        sys.exit("a text" if argument == "text" else int(argument) if argument else None)
    return "from the child"


def nested(number):
    from runner_pool import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as pool:
        return pool.submit(double, number).result()


def subprocess_sleep(directory):
    """Waits for a program that does not end."""
    import subprocess

    Path(directory, "program").touch()
    subprocess.run(["sleep", "1000"])


def sleep_with(data, seconds):
    time.sleep(seconds)
    return len(data)
