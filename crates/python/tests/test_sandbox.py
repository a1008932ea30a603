"""Calls in a sandbox."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from runner_pool import JobDenied, ProcessPoolExecutor

TIMEOUT = 60
LEVELS = ["best-effort", "strict"]


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def import_and_compute():
    import decimal

    return decimal.Decimal(2).sqrt().is_finite()


def connect():
    socket.socket().close()


def start_program():
    return subprocess.run([sys.executable, "-c", ""]).returncode


def signal_parent():
    os.kill(os.getppid(), 0)


@pytest.mark.parametrize("level", LEVELS)
def test_calls_compute_and_import(level):
    with ProcessPoolExecutor(2, sandbox=level) as pool:
        assert pool.submit(import_and_compute).result(TIMEOUT)
        assert list(pool.map(pow, range(1000), [2] * 1000)) == [n * n for n in range(1000)]
        assert len(pool.submit(bytes, 5_000_000).result(TIMEOUT)) == 5_000_000
        assert pool.submit(len, bytes(5_000_000)).result(TIMEOUT) == 5_000_000
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result(TIMEOUT)


@pytest.mark.parametrize("level", LEVELS)
def test_files_need_permission(level, tmp_path):
    file = tmp_path / "file"
    file.write_text("text")
    with ProcessPoolExecutor(1, sandbox=level) as pool:
        with pytest.raises(PermissionError):
            pool.submit(read, file).result(TIMEOUT)
        with pytest.raises(PermissionError):
            pool.submit(write, file, "other").result(TIMEOUT)
    with ProcessPoolExecutor(1, sandbox=level, sandbox_read=[tmp_path]) as pool:
        assert pool.submit(read, file).result(TIMEOUT) == "text"
        with pytest.raises(PermissionError):
            pool.submit(write, file, "other").result(TIMEOUT)
    with ProcessPoolExecutor(1, sandbox=level, sandbox_write=[str(tmp_path)]) as pool:
        pool.submit(write, file, "other").result(TIMEOUT)
    assert file.read_text() == "other"


@pytest.mark.parametrize("function", [connect, start_program, signal_parent])
def test_other_processes_are_out_of_reach(function):
    with ProcessPoolExecutor(1, sandbox="best-effort", retries=3) as pool:
        with pytest.raises(PermissionError) as raised:
            pool.submit(function).result(TIMEOUT)
        assert not isinstance(raised.value, JobDenied)
    with ProcessPoolExecutor(1, sandbox="strict", retries=3) as pool:
        exception = pool.submit(function).exception(TIMEOUT)
        assert isinstance(exception, JobDenied) and isinstance(exception, PermissionError)
        assert exception.attempts == 1 and signal.SIGSYS.name in str(exception)
        assert pool.submit(abs, -1).result(TIMEOUT) == 1


def test_network_can_be_allowed():
    with ProcessPoolExecutor(1, sandbox="strict", sandbox_net=True) as pool:
        assert pool.submit(connect).result(TIMEOUT) is None


def test_arguments_are_checked(tmp_path):
    with pytest.raises(ValueError, match="sandbox must be"):
        ProcessPoolExecutor(1, sandbox="on")
    with pytest.raises(ValueError, match="need a sandbox"):
        ProcessPoolExecutor(1, sandbox_net=True)
    with pytest.raises(OSError, match="missing"):
        ProcessPoolExecutor(1, sandbox="strict", sandbox_read=[tmp_path / "missing"])
