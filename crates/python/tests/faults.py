"""Objects and functions that fail, exit or crash at a chosen moment, for the conformance tests."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path


def segfault(*_):
    ctypes.string_at(0)


def libc_exit(code=0):
    """Ends the process as a C library does, without the interpreter."""
    ctypes.CDLL(None)._exit(code)


def soft_exit():
    sys.exit(3)


def refuse():
    raise pickle.PicklingError("refused by the test")


FAULTS = {"error": refuse, "soft exit": soft_exit, "exit": libc_exit, "crash": segfault}


@dataclass
class AtPickle:
    """Fails when it is pickled; in a worker only, if `pid` is the process in which it does not."""

    fault: str
    pid: int = 0

    def __reduce__(self):
        if os.getpid() == self.pid:
            return AtPickle, (self.fault, self.pid)
        FAULTS[self.fault]()
        return str, ()


@dataclass
class AtUnpickle:
    """Fails when it is unpickled."""

    fault: str

    def __reduce__(self):
        return FAULTS[self.fault], ()


class AtCollection:
    """Ends its process when it is collected, in another process than its maker's."""

    def __init__(self, fault, pid):
        self.fault, self.pid = fault, pid

    def __del__(self):
        if os.getpid() != self.pid:
            FAULTS[self.fault]()


class FalsyError(Exception):
    """Is false, as an empty collection is."""

    def __bool__(self):
        return False


@dataclass(frozen=True)
class FrozenError(Exception):
    """Cannot be given attributes, not even a cause or a traceback."""

    code: int

    def __reduce__(self):
        return FrozenError, (self.code,)


def raise_(error):
    raise error


def return_(value):
    return value


def call(function, *arguments):
    return function(*arguments)


def identify(_=None):
    return os.getpid()


def touch(path):
    Path(path).touch()
    return os.getpid()


def arrive_and_wait(directory, number, count):
    """Waits until as many calls run at the same time as there are to be. Returns its process."""
    Path(directory, f"arrived-{number}").touch()
    while len(list(Path(directory).glob("arrived-*"))) < count:
        time.sleep(0.002)
    return os.getpid()


def ignore_sigterm_and_wait(directory):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    touch(Path(directory, "started"))
    time.sleep(1000)


def append(path, text):
    with open(path, "a") as file:
        file.write(text)
    return os.getpid()


def outlive_marked(directory):
    """Has a pool of its own whose worker runs, and does not end."""
    from runner_pool import ProcessPoolExecutor

    pool = ProcessPoolExecutor(1)
    pool.submit(touch, Path(directory, "nested")).result()
    pool.submit(time.sleep, 1000).result()


def nest(depth):
    """Returns how many pools are inside each other."""
    if depth == 0:
        return 0
    from runner_pool import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as pool:
        return 1 + pool.submit(nest, depth - 1).result()
