"""Conformance: deaths of workers, and objects that fail when they are pickled. Each test name starts with its
row."""

from __future__ import annotations

import contextlib
import os
import signal

import calls
import faults
import pytest
from conftest import TIMEOUT, is_alive, wait_until, workers_of
from runner_pool import BrokenProcessPool, ProcessPoolExecutor, WorkerCrashed


def check_usable(pool):
    assert [pool.submit(calls.double, n).result(TIMEOUT) for n in range(4)] == [0, 2, 4, 6]
    assert list(pool.map(calls.double, range(10))) == [2 * n for n in range(10)]


def start_running(pool, directory, count=1):
    futures = [pool.submit(calls.mark_and_wait, directory) for _ in range(count)]
    wait_until("the calls run", lambda: len(list(directory.glob("started-*"))) == count)
    return futures


def test_death_01_killed_while_running_breaks_a_pool_that_is_to_break(tmp_path):
    with ProcessPoolExecutor(1, on_crash="break") as pool:
        (running,) = start_running(pool, tmp_path)
        queued = [pool.submit(calls.double, n) for n in range(100)]
        os.kill(workers_of(os.getpid())[0], signal.SIGTERM)
        assert "SIGTERM" in str(running.exception(TIMEOUT))
        errors = [future.exception(TIMEOUT) for future in queued]
        assert all(isinstance(error, BrokenProcessPool) for error in errors)
        with pytest.raises(BrokenProcessPool, match="SIGTERM"):
            pool.submit(calls.double, 1)


@pytest.mark.parametrize("code", [0, 1, 42])
@pytest.mark.parametrize("end", [os._exit, faults.libc_exit])
def test_death_02_every_exit_of_the_process_is_a_death(pool, end, code):
    error = pool.submit(end, code).exception(TIMEOUT)
    assert isinstance(error, WorkerCrashed) and (error.exit_code, error.signal) == (code, None)
    assert not is_alive(error.pid)
    check_usable(pool)


def test_death_02_aborts_and_full_stacks_are_deaths(pool):
    def recurse(depth):
        # Through C code, where the interpreter does not count.
        return sorted([depth, depth], key=lambda value: recurse(value + 1))

    def overflow():
        import sys
        import threading

        threading.stack_size(1 << 16)
        sys.setrecursionlimit(1 << 30)
        thread = threading.Thread(target=recurse, args=(0,))
        thread.start()
        thread.join()

    error = pool.submit(os.abort).exception(TIMEOUT)
    assert isinstance(error, WorkerCrashed) and error.signal == signal.SIGABRT
    assert isinstance(pool.submit(overflow).exception(TIMEOUT), WorkerCrashed)
    check_usable(pool)


def test_death_03_a_soft_exit_is_an_exception_and_the_worker_survives():
    with ProcessPoolExecutor(1) as pool:
        before = pool.submit(faults.identify).result(TIMEOUT)
        for error in (SystemExit(0), SystemExit("why"), KeyboardInterrupt(), GeneratorExit()):
            raised = pool.submit(faults.raise_, error).exception(TIMEOUT)
            assert type(raised) is type(error) and raised.args == error.args
        assert pool.submit(faults.identify).result(TIMEOUT) == before


def test_death_04_each_call_has_an_error_of_its_own(tmp_path):
    with ProcessPoolExecutor(1, on_crash="break") as pool:
        futures = start_running(pool, tmp_path) + [pool.submit(calls.double, n) for n in range(20)]
        os.kill(workers_of(os.getpid())[0], signal.SIGKILL)
        errors = [future.exception(TIMEOUT) for future in futures]
    assert len(set(map(id, errors))) == len(errors)
    for future in futures[:2]:
        with pytest.raises(BrokenProcessPool):
            future.result()
    assert errors[0].__traceback__ is not errors[1].__traceback__


def test_death_04_calls_that_had_not_begun_run_elsewhere(pool, tmp_path):
    list(pool.map(calls.double, range(1000)))  # Calls are sent ahead to a worker.
    running = start_running(pool, tmp_path, 2)
    queued = [pool.submit(calls.double, n) for n in range(500)]
    [os.kill(pid, signal.SIGKILL) for pid in workers_of(os.getpid())]
    assert all(isinstance(future.exception(TIMEOUT), WorkerCrashed) for future in running)
    assert [future.result(TIMEOUT) for future in queued] == [2 * n for n in range(500)]


def test_death_05_killed_while_idle(pool):
    for _ in range(5):
        check_usable(pool)
        workers = workers_of(os.getpid())
        [os.kill(pid, signal.SIGKILL) for pid in workers]
        wait_until(
            "the workers are reaped", lambda workers=workers: not set(workers) & set(workers_of(os.getpid()))
        )
    check_usable(pool)
    assert pool.stats()["failed"] == 0


def test_death_05_killed_while_idle_breaks_a_pool_that_is_to_break():
    with ProcessPoolExecutor(1, on_crash="break") as pool:
        pool.submit(int).result(TIMEOUT)
        os.kill(workers_of(os.getpid())[0], signal.SIGKILL)
        with contextlib.suppress(BrokenProcessPool):
            assert isinstance(pool.submit(calls.double, 1).exception(TIMEOUT), BrokenProcessPool | None)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_death_06_workers_that_kill_each_other(tmp_path, workers):
    with ProcessPoolExecutor(workers) as pool:
        arrived = [pool.submit(faults.arrive_and_wait, tmp_path, n, workers) for n in range(workers)]
        pids = [future.result(TIMEOUT) for future in arrived]
        assert len(set(pids)) == workers

        def kill(pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return

        kills = [pool.submit(kill, pid) for pid in reversed(pids)]
        others = [pool.submit(calls.double, n) for n in range(20)]
        for future in kills:
            assert isinstance(future.exception(TIMEOUT), WorkerCrashed | None)
        assert [future.result(TIMEOUT) for future in others] == [2 * n for n in range(20)]


# Where a fault happens, how a call meets it there, and how that ends for each kind of fault.
AT_CALL = "the call"
AT_ARGUMENT_PICKLE = "pickling an argument"
AT_ARGUMENT_UNPICKLE = "unpickling an argument"
AT_RESULT_PICKLE = "pickling a result"
AT_RESULT_UNPICKLE = "unpickling a result"


def submit_fault(pool, place, fault):
    if place == AT_CALL:
        return pool.submit(faults.FAULTS[fault])
    if place == AT_ARGUMENT_PICKLE:
        return pool.submit(faults.return_, faults.AtPickle(fault))
    if place == AT_ARGUMENT_UNPICKLE:
        return pool.submit(faults.return_, faults.AtUnpickle(fault))
    return pool.submit(faults.AtPickle if place == AT_RESULT_PICKLE else faults.AtUnpickle, fault)


DEATHS = [
    ("death_02", AT_CALL, "crash", WorkerCrashed),
    ("death_02", AT_CALL, "exit", WorkerCrashed),
    ("death_03", AT_CALL, "soft exit", SystemExit),
    ("sub_06", AT_CALL, "error", Exception),
    ("death_07", AT_ARGUMENT_UNPICKLE, "crash", WorkerCrashed),
    ("death_07", AT_ARGUMENT_UNPICKLE, "exit", WorkerCrashed),
    ("death_07", AT_ARGUMENT_UNPICKLE, "soft exit", SystemExit),
    ("death_08", AT_ARGUMENT_UNPICKLE, "error", Exception),
    ("death_09", AT_RESULT_PICKLE, "crash", WorkerCrashed),
    ("death_09", AT_RESULT_PICKLE, "exit", WorkerCrashed),
    ("death_10", AT_RESULT_PICKLE, "soft exit", SystemExit),
    ("death_10", AT_RESULT_PICKLE, "error", Exception),
    ("death_11", AT_ARGUMENT_PICKLE, "soft exit", SystemExit),
    ("death_11", AT_ARGUMENT_PICKLE, "error", Exception),
    ("death_13", AT_RESULT_UNPICKLE, "soft exit", SystemExit),
    ("death_13", AT_RESULT_UNPICKLE, "error", Exception),
]


@pytest.mark.parametrize(("row", "place", "fault", "expected"), DEATHS)
def test_death_07_to_13_a_fault_fails_its_call_alone(pool, row, place, fault, expected):
    for _ in range(2):
        others = [pool.submit(calls.double, n) for n in range(10)]
        error = submit_fault(pool, place, fault).exception(TIMEOUT)
        assert isinstance(error, expected), row
        if fault == "error":
            assert "refused by the test" in str(error)
        assert [future.result(TIMEOUT) for future in others] == [2 * n for n in range(10)]
    check_usable(pool)


@pytest.mark.parametrize("fault", ["error", "soft exit", "exit", "crash"])
def test_death_07_to_13_faults_in_a_map(pool, fault):
    """In the function of a map, which each worker unpickles once, and in one item."""
    results = pool.map(faults.return_, [1, faults.AtUnpickle(fault), 3])
    assert next(results) == 1
    with pytest.raises(BaseException) as raised:
        next(results)
    assert isinstance(raised.value, WorkerCrashed) == (fault in ("exit", "crash"))
    for _ in range(2):
        with pytest.raises(BaseException, match=r".*") as raised:
            list(pool.map(Callable(faults.AtUnpickle(fault)), range(3)))
        assert not isinstance(raised.value, AssertionError)
    check_usable(pool)


class Callable:
    def __init__(self, state):
        self.state = state

    def __call__(self, number):
        return number


def test_death_10_exceptions_that_cannot_be_pickled_are_described(pool):
    error = pool.submit(calls.raise_strict).exception(TIMEOUT)
    assert "StrictError: 1 and 2" in str(error) and "raise_strict" in str(error.__cause__)


def test_death_12_a_hundred_bad_arguments_and_a_hundred_good_ones(pool):
    bad = [pool.submit(faults.return_, faults.AtPickle("error")) for _ in range(100)]
    good = [pool.submit(faults.return_, n) for n in range(100)]
    assert all("refused" in str(future.exception(TIMEOUT)) for future in bad)
    assert [future.result(TIMEOUT) for future in good] == list(range(100))


@pytest.mark.parametrize("fault", ["exit", "crash"])
def test_death_14_a_worker_that_dies_after_its_result(fault):
    with ProcessPoolExecutor(1) as pool:
        last = pool.submit(faults.identify, faults.AtCollection(fault, os.getpid()))
        pid = last.exception(TIMEOUT) or last.result()
        assert isinstance(pid, int | WorkerCrashed)
        check_usable(pool)
        wait_until("the worker is gone", lambda: pid not in workers_of(os.getpid()))


def test_death_15_a_stopped_worker_blocks_no_other(pool, tmp_path):
    """One that was killed or stopped in the middle of a message, whatever it held."""
    pids = [pool.submit(faults.arrive_and_wait, tmp_path, n, 2) for n in range(2)]
    stopped, _ = (future.result(TIMEOUT) for future in pids)
    os.kill(stopped, signal.SIGSTOP)
    futures = [pool.submit(calls.sleep, 0.001) for _ in range(50)]
    wait_until("the others run", lambda: sum(future.done() for future in futures) >= 40)
    os.kill(stopped, signal.SIGKILL)
    ends = [future.exception(TIMEOUT) for future in futures]
    assert sum(end is not None for end in ends) <= 1


def test_death_16_a_broken_pool_ends_its_workers_and_a_fresh_one_works(tmp_path):
    with ProcessPoolExecutor(3, on_crash="break") as pool:
        running = start_running(pool, tmp_path, 2)
        assert isinstance(pool.submit(calls.exit_process, 1).exception(TIMEOUT), BrokenProcessPool)
        assert all(isinstance(future.exception(TIMEOUT), BrokenProcessPool) for future in running)
        wait_until("the others are killed", lambda: not workers_of(os.getpid()))
        with ProcessPoolExecutor(1) as fresh:
            check_usable(fresh)
