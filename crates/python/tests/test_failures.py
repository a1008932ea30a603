"""Calls that crash, hang, use too much memory, or cannot be sent: each fails alone, in bounded time."""

from __future__ import annotations

import os
import pickle
import random
import signal
import sys
import threading
import time

import calls
import pytest
from conftest import TIMEOUT, workers_of
from runner_pool import (
    BrokenProcessPool,
    JobTimeout,
    MemoryLimit,
    ProcessPoolExecutor,
    RemoteError,
    WorkerCrashed,
)


def check_others(pool, call, *arguments):
    """Submits a call among others, checks that these succeed, and returns its exception."""
    others = [pool.submit(calls.double, n) for n in range(20)]
    bad = pool.submit(call, *arguments)
    others += [pool.submit(calls.double, n) for n in range(20, 40)]
    exception = bad.exception(TIMEOUT)
    assert [other.result(TIMEOUT) for other in others] == [2 * n for n in range(40)]
    assert pool.submit(calls.double, 4).result(TIMEOUT) == 8
    return exception


def test_segmentation_fault(pool):
    exception = check_others(pool, calls.crash)
    assert isinstance(exception, WorkerCrashed) and isinstance(exception, BrokenProcessPool)
    assert (exception.signal, exception.exit_code, exception.attempts) == (signal.SIGSEGV, None, 1)
    assert exception.pid != os.getpid() and "SIGSEGV" in str(exception)
    assert str(pickle.loads(pickle.dumps(exception))) == str(exception)


def test_exit_of_the_process(pool):
    exception = check_others(pool, calls.exit_process, 3)
    assert isinstance(exception, WorkerCrashed)
    assert (exception.signal, exception.exit_code) == (None, 3)


def test_kill(pool):
    assert check_others(pool, calls.kill_itself, signal.SIGKILL).signal == signal.SIGKILL


def test_exit_of_the_interpreter(pool):
    exception = check_others(pool, calls.exit_interpreter)
    assert isinstance(exception, SystemExit) and exception.code == 4


def test_interrupts_are_ignored_by_workers(pool):
    assert pool.submit(calls.kill_itself, signal.SIGINT).result(TIMEOUT) is None


def test_endless_loop_with_a_limit(pool):
    begin = time.monotonic()
    exception = pool.options(timeout=0.3).submit(calls.loop).exception(TIMEOUT)
    assert isinstance(exception, JobTimeout) and isinstance(exception, TimeoutError)
    assert (exception.limit, exception.attempts) == (0.3, 1)
    assert time.monotonic() - begin < 20
    with ProcessPoolExecutor(2, timeout=0.3) as limited:
        assert isinstance(check_others(limited, calls.loop), JobTimeout)
        results = limited.map(calls.sleep, [0.01, 30, 0.02])
        assert next(results) == 0.01
        with pytest.raises(JobTimeout):
            next(results)


def test_too_much_memory():
    with ProcessPoolExecutor(2, max_memory="150M") as pool:
        exception = check_others(pool, calls.allocate, 1 << 30)
    assert isinstance(exception, MemoryLimit) and isinstance(exception, MemoryError)


def test_memory_error_of_the_job_is_its_own(pool):
    exception = check_others(pool, calls.make, list_too_large)
    assert type(exception) is MemoryError


def list_too_large():
    return [0] * (1 << 60)


def test_retries(tmp_path):
    with ProcessPoolExecutor(1, retries=1) as pool:
        assert pool.submit(calls.crash_once, tmp_path / "once").result(TIMEOUT) == "survived"
        exception = pool.submit(calls.crash).exception(TIMEOUT)
        assert exception.attempts == 2
        once = pool.options(retries=0).submit(calls.crash)
        assert once.exception(TIMEOUT).attempts == 1


def test_exceptions_have_the_remote_traceback(pool):
    exception = check_others(pool, calls.fail, "too bad")
    assert type(exception) is ValueError and exception.args == ("too bad",)
    assert "in fail" in str(exception.__cause__) and "too bad" in str(exception.__cause__)


def test_exceptions_that_cannot_be_pickled(pool):
    for call, message in ((calls.raise_strict, "1 and 2"), (calls.raise_locked, "locked")):
        exception = check_others(pool, call)
        assert isinstance(exception, RemoteError)
        assert message in str(exception) and call.__name__ in str(exception.__cause__)


def test_arguments_that_cannot_be_pickled(pool):
    exception = check_others(pool, calls.double, calls.NoPickle())
    assert isinstance(exception, pickle.PicklingError)
    results = pool.map(calls.double, [1, calls.NoPickle(), 3])
    assert next(results) == 2
    with pytest.raises(pickle.PicklingError):
        next(results)
    assert isinstance(check_others(pool, calls.double, sys._getframe()), TypeError)


def test_arguments_that_cannot_be_unpickled(pool):
    assert isinstance(check_others(pool, calls.double, calls.NoUnpickle()), pickle.UnpicklingError)
    assert isinstance(check_others(pool, calls.double, calls.KillsUnpickler()), WorkerCrashed)


def test_results_that_cannot_be_pickled(pool):
    assert isinstance(check_others(pool, calls.make, calls.NoPickle), pickle.PicklingError)


def test_results_that_cannot_be_unpickled(pool):
    assert isinstance(check_others(pool, calls.make, calls.NoUnpickle), pickle.UnpicklingError)


def test_functions_that_cannot_be_pickled(pool):
    frame = sys._getframe()
    exception = check_others(pool, lambda: frame)
    assert isinstance(exception, TypeError)


def test_break_fails_all_calls_as_in_the_standard_library():
    with ProcessPoolExecutor(1, on_crash="break") as pool:
        futures = [pool.submit(calls.exit_process, 1)] + [pool.submit(calls.sleep, 0.1) for _ in range(20)]
        assert all(isinstance(future.exception(TIMEOUT), BrokenProcessPool) for future in futures)
        with pytest.raises(BrokenProcessPool):
            pool.submit(calls.double, 1)
        with pytest.raises(BrokenProcessPool):
            pool.map(calls.double, [1])


def test_initializer():
    with ProcessPoolExecutor(2, initializer=calls.prepare, initargs=("state",)) as pool:
        assert pool.submit(calls.get_prepared).result(TIMEOUT) == ["state"]


def test_initializer_that_fails(capfd):
    with ProcessPoolExecutor(2, initializer=calls.fail, initargs=("not today",)) as pool:
        exception = pool.submit(calls.double, 1).exception(TIMEOUT)
        assert isinstance(exception, BrokenProcessPool) and "not today" in str(exception)
        with pytest.raises(BrokenProcessPool):
            pool.submit(calls.double, 1)
    assert "not today" in capfd.readouterr().err


def test_workers_are_replaced_after_some_calls():
    with ProcessPoolExecutor(1, max_tasks_per_child=2) as pool:
        pids = [pool.submit(os.getpid).result(TIMEOUT) for _ in range(6)]
    assert len(set(pids)) == 3


def test_many_crashes_lose_nothing(pool):
    futures = [
        pool.submit(calls.exit_process, 1) if n % 50 == 7 else pool.submit(calls.double, n)
        for n in range(500)
    ]
    for number, future in enumerate(futures):
        if number % 50 == 7:
            assert isinstance(future.exception(TIMEOUT), WorkerCrashed)
        else:
            assert future.result(TIMEOUT) == 2 * number


def test_workers_killed_at_random_lose_nothing():
    ended = threading.Event()

    def kill_now_and_then():
        chance = random.Random(1)
        while not ended.wait(0.15):
            workers = workers_of(os.getpid())
            if workers:
                os.kill(chance.choice(workers), signal.SIGKILL)

    killer = threading.Thread(target=kill_now_and_then)
    with ProcessPoolExecutor(2, retries=1000) as pool:
        killer.start()
        try:
            results = list(pool.map(calls.sleep, [0.001] * 1000))
            futures = [pool.submit(calls.double, n) for n in range(5000)]
            doubled = [future.result(TIMEOUT) for future in futures]
        finally:
            ended.set()
            killer.join()
    assert results == [0.001] * 1000
    assert doubled == [2 * n for n in range(5000)]
    assert pool.stats()["retried"] > 0
