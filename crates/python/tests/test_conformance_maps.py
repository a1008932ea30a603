"""Conformance: `map`, `shutdown`, initializers. Each test name starts with its row."""

from __future__ import annotations

import concurrent.futures
import gc
import itertools
import os
import threading
import time
import weakref

import calls
import faults
import pytest
from conftest import TIMEOUT, wait_until, workers_of
from runner_pool import BrokenProcessPool, JobTimeout, ProcessPoolExecutor


@pytest.mark.parametrize("size", [1, 6, 40, 50])
def test_map_01_results_are_in_order_for_any_chunk(pool, size):
    assert list(pool.map(pow, range(40), range(40), chunksize=size)) == [n**n for n in range(40)]
    assert list(pool.map(calls.sleep, [0.05, 0, 0.02], chunksize=size)) == [0.05, 0, 0.02]


def test_map_02_arguments_are_checked_by_the_call(pool):
    for wrong, error in (
        ({"chunksize": 0}, ValueError),
        ({"chunksize": -1}, ValueError),
        ({"buffersize": 0}, ValueError),
        ({"buffersize": "1"}, TypeError),
    ):
        with pytest.raises(error):
            pool.map(calls.double, [1], **wrong)


@pytest.mark.parametrize("buffer", [None, 1, 5])
def test_map_03_few_items_and_several_iterables(pool, buffer):
    assert list(pool.map(calls.double, [], buffersize=buffer)) == []
    assert list(pool.map(calls.double, [3], buffersize=buffer)) == [6]
    assert list(pool.map(calls.add, [1, 2, 3], [10, 20], buffersize=buffer)) == [11, 22]
    assert list(pool.map(calls.double, buffersize=buffer)) == []


def test_map_04_a_failure_has_its_own_place_and_the_iterator_ends(pool, tmp_path):
    for size in (1, 3):
        results = pool.map(divmod, [6] * 4, [1, 2, 0, 3], chunksize=size)
        assert [next(results), next(results)] == [(6, 0), (3, 0)]
        with pytest.raises(ZeroDivisionError):
            next(results)
        assert list(results) == []


def test_map_05_a_timeout_of_a_call_is_not_the_deadline(pool):
    for deadline in (None, TIMEOUT):
        with pytest.raises(TimeoutError, match="of the call") as raised:
            list(pool.map(faults.raise_, [TimeoutError("of the call")], timeout=deadline))
        assert raised.value.__cause__ is not None
    with pytest.raises(JobTimeout):
        list(pool.options(timeout=0.1).map(calls.sleep, [50], timeout=TIMEOUT))


def test_map_06_one_deadline_cancels_all_that_has_not_begun(tmp_path):
    paths = [tmp_path / f"ran-{number}" for number in range(100)]
    with ProcessPoolExecutor(1) as pool:
        work = [calls.double, *itertools.repeat(faults.touch, 100)]
        arguments = [1, *paths]
        blocked = pool.submit(calls.mark_and_wait, tmp_path)
        wait_until("the call runs", lambda: list(tmp_path.glob("started-*")))
        results = pool.map(faults.call, work, arguments, timeout=0.2)
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            next(results)
        assert time.monotonic() - begin >= 0.15 and list(results) == []
        (tmp_path / "go").touch()
        assert blocked.result(TIMEOUT) and pool.submit(calls.double, 1).result(TIMEOUT) == 2
        # Those that were with the worker already may run.
        assert sum(path.exists() for path in paths) < 50
        in_time = pool.map(calls.sleep, [0, 100], timeout=0.5)
        assert next(in_time) == 0
        with pytest.raises(TimeoutError):
            next(in_time)
        pool.kill_workers()


@pytest.mark.parametrize("size", [1, 4])
def test_map_07_closing_ends_the_iterator_and_cancels(tmp_path, size):
    paths = [tmp_path / f"ran-{number}" for number in range(200)]
    with ProcessPoolExecutor(1) as pool:
        blocked = pool.submit(calls.mark_and_wait, tmp_path)
        wait_until("the call runs", lambda: list(tmp_path.glob("started-*")))
        results = pool.map(faults.touch, paths, chunksize=size)
        results.close()
        assert list(results) == []
        (tmp_path / "go").touch()
        blocked.result(TIMEOUT)
    assert sum(path.exists() for path in paths) < 100


def test_map_08_without_a_buffer_everything_runs_even_if_nothing_is_read(tmp_path):
    paths = [tmp_path / f"ran-{number}" for number in range(50)]
    pool = ProcessPoolExecutor(1)
    results = pool.map(faults.touch, paths)
    pool.shutdown()
    assert all(path.exists() for path in paths)
    del results


def test_map_09_a_buffer_bounds_what_is_pulled(pool):
    pulled = []
    endless = (pulled.append(n) or n for n in itertools.count())
    results = pool.map(calls.double, endless, buffersize=5)
    assert len(pulled) == 5
    for number in range(1, 20):
        assert next(results) == 2 * (number - 1) and len(pulled) <= 5 + number
    results.close()
    for size in (1, 3, 1000):
        assert list(pool.map(calls.double, range(50), buffersize=size)) == [2 * n for n in range(50)]


def test_map_10_an_iterable_that_fails_raises_in_the_caller(pool):
    def broken(at):
        yield from range(at)
        raise LookupError("no more items")

    for size in (1, 2, 4):
        with pytest.raises(LookupError, match="no more items"):
            pool.map(calls.double, broken(7), chunksize=size)
    results = pool.map(calls.double, broken(4), buffersize=2)
    with pytest.raises(LookupError, match="no more items"):
        list(results)
    assert pool.submit(calls.double, 1).result(TIMEOUT) == 2


def test_map_10_an_iterable_may_use_the_pool(pool):
    """No lock that a submit needs is held while items are pulled."""
    nested = (pool.submit(calls.double, n).result(TIMEOUT) for n in range(5))
    assert list(pool.map(calls.double, nested)) == [0, 4, 8, 12, 16]


def test_map_11_the_iterator_keeps_no_result_that_it_has_returned(pool):
    for size in (1, 2):
        results = pool.map(calls.Counter, range(6), chunksize=size)
        for result in results:
            reference = weakref.ref(result)
            del result
            gc.collect()
            assert reference() is None


def test_map_12_a_break_or_stop_is_reported_to_the_reader():
    with ProcessPoolExecutor(1, on_crash="break") as pool:
        results = pool.map(faults.call, [calls.exit_process] + [calls.sleep] * 50, [1] + [0.01] * 50)
        with pytest.raises(BrokenProcessPool):
            list(results)
    pool = ProcessPoolExecutor(1)
    results = pool.map(calls.sleep, [0, *[100] * 20])
    assert next(results) == 0
    pool.kill_workers()
    with pytest.raises(BrokenProcessPool):
        next(results)
    pool.shutdown()


def test_map_13_maps_and_submits_overlap(pool):
    first, second = pool.map(calls.double, range(500)), pool.map(calls.add, range(500), range(500))
    future = pool.submit(calls.double, 1)
    expected = [2 * n for n in range(500)]
    assert [pair for pair in zip(first, second, strict=True)] == list(zip(expected, expected, strict=True))
    assert future.result(TIMEOUT) == 2


def test_shut_02_without_waiting_it_returns_and_all_calls_run(tmp_path):
    pool = ProcessPoolExecutor(2)
    running = [pool.submit(calls.mark_and_wait, tmp_path) for _ in range(2)]
    wait_until("the calls run", lambda: len(list(tmp_path.glob("started-*"))) == 2)
    waiting = [pool.submit(calls.double, n) for n in range(50)]
    begin = time.monotonic()
    pool.shutdown(wait=False)
    assert time.monotonic() - begin < 5 and not any(future.done() for future in running)
    (tmp_path / "go").touch()
    assert [future.result(TIMEOUT) for future in waiting] == [2 * n for n in range(50)]
    wait_until("the workers exit by themselves", lambda: not workers_of(os.getpid()))


def test_shut_03b_a_crash_after_the_executor_was_dropped_is_reported(tmp_path):
    pool = ProcessPoolExecutor(2)
    others = [pool.submit(calls.double, n) for n in range(20)]
    crash = pool.submit(faults.call, calls.crash_once, tmp_path / "once")
    del pool
    gc.collect()
    assert "SIGKILL" in str(crash.exception(TIMEOUT))
    assert [other.result(TIMEOUT) for other in others] == [2 * n for n in range(20)]


def test_shut_04_cancelling_leaves_nothing_pending():
    pool = ProcessPoolExecutor(5)
    futures = [pool.submit(calls.sleep, 0.05) for _ in range(50)]
    wait_until("a call runs", lambda: any(future.running() or future.done() for future in futures))
    pool.shutdown(cancel_futures=True)
    cancelled = [future for future in futures if future.cancelled()]
    ran = [future for future in futures if not future.cancelled()]
    assert len(cancelled) > 20 and all(future.result(0) == 0.05 for future in ran)


def test_shut_05_calls_that_shutdown_cancels_wake_threads_that_wait(tmp_path):
    pool = ProcessPoolExecutor(1)
    running = pool.submit(calls.mark_and_wait, tmp_path)
    wait_until("the call runs", lambda: list(tmp_path.glob("started-*")))
    waiting = [pool.submit(calls.double, n) for n in range(100)]
    woken = []
    threads = [
        threading.Thread(
            target=lambda: woken.append(concurrent.futures.wait(waiting[50:], TIMEOUT).not_done)
        ),
        threading.Thread(
            target=lambda: woken.append(
                set(waiting[50:]) - set(concurrent.futures.as_completed(waiting[50:], TIMEOUT))
            )
        ),
    ]
    [thread.start() for thread in threads]
    wait_until("they wait", lambda: len(waiting[-1]._waiters) == 2)
    pool.shutdown(wait=False, cancel_futures=True)
    [thread.join(TIMEOUT) for thread in threads]
    assert woken == [set(), set()]
    (tmp_path / "go").touch()
    assert running.result(TIMEOUT)
    pool.shutdown()


def test_shut_06_calls_are_refused_while_the_interpreter_exits(run_program):
    program = """
import atexit, calls
from runner_pool import ProcessPoolExecutor

@atexit.register
def late():
    try:
        pool.submit(calls.double, 1)
    except RuntimeError as error:
        print(error)

pool = ProcessPoolExecutor(1)
pool.submit(calls.sleep, 0.1)
"""
    ended = run_program(program)
    assert (ended.code, ended.errors) == (0, "") and "cannot schedule new futures" in ended.output


@pytest.mark.parametrize("cancel", ["False", "True"])
def test_shut_07_exit_right_after_a_shutdown_that_does_not_wait(run_program, cancel):
    program = f"""
import calls, os, time
from runner_pool import ProcessPoolExecutor
pool = ProcessPoolExecutor(3)
future = pool.submit(lambda: time.sleep(0.2) or os.write(1, b"apple"))
while not future.running():
    pass
pool.shutdown(wait=False, cancel_futures={cancel})
"""
    ended = run_program(program)
    assert (ended.code, ended.output, ended.errors) == (0, "apple", "")


def test_shut_08_cancelling_the_only_call_before_a_shutdown():
    for warm in (True, False):
        for _ in range(5):
            pool = ProcessPoolExecutor(1)
            if warm:
                pool.submit(int).result(TIMEOUT)
            pool.submit(int).cancel()
            pool.shutdown()


def test_shut_10_a_worker_dies_after_shutdown_was_requested(tmp_path):
    for on_crash in ("heal", "break"):
        pool = ProcessPoolExecutor(2, on_crash=on_crash)
        directory = tmp_path / on_crash
        directory.mkdir()
        dying = pool.submit(calls.mark_and_wait, directory)
        wait_until("the call runs", lambda directory=directory: list(directory.iterdir()))
        (started,) = directory.iterdir()
        thread = threading.Thread(target=pool.shutdown)
        thread.start()
        os.kill(int(started.name.partition("-")[2]), 9)
        assert isinstance(dying.exception(TIMEOUT), BrokenProcessPool)
        thread.join(TIMEOUT)
        assert not thread.is_alive()


@pytest.mark.parametrize("fault", ["error", "soft exit"])
def test_shut_11_and_12_unpicklable_arguments_and_shutdown(fault):
    expected = {"error": Exception, "soft exit": (SystemExit, Exception)}[fault]
    for number in range(12):
        pool = ProcessPoolExecutor(4)
        if number % 2:
            assert pool.submit(int).result(TIMEOUT) == 0
        bad = pool.submit(faults.return_, faults.AtPickle(fault))
        pool.shutdown(wait=number % 3 == 0, cancel_futures=number % 4 < 2)
        assert isinstance(bad.exception(TIMEOUT), expected)
        pool.shutdown()


def test_init_01_once_in_each_worker_before_its_first_call(tmp_path):
    log = tmp_path / "log"
    with ProcessPoolExecutor(2, initializer=faults.append, initargs=(log, "x")) as pool:
        count = [pool.submit(faults.arrive_and_wait, tmp_path, n, 2) for n in range(2)]
        assert len({future.result(TIMEOUT) for future in count}) == 2 and log.read_text() == "xx"
        list(pool.map(calls.double, range(100)))
    assert log.read_text() == "xx" and calls.prepared == []


def test_init_02d_arguments_that_cannot_be_transferred():
    with pytest.raises(Exception, match="refused by the test"):
        ProcessPoolExecutor(1, initializer=calls.prepare, initargs=(faults.AtPickle("error"),))
    with ProcessPoolExecutor(1, initializer=calls.prepare, initargs=(faults.AtUnpickle("error"),)) as pool:
        error = pool.submit(calls.double, 1).exception(TIMEOUT)
        assert isinstance(error, BrokenProcessPool) and "refused by the test" in str(error)


def test_init_02_queued_calls_and_later_ones_are_broken():
    with ProcessPoolExecutor(2, initializer=calls.fail, initargs=("not today",)) as pool:
        try:
            queued = [pool.submit(calls.double, n) for n in range(20)]
        except BrokenProcessPool:
            queued = []
        assert all(isinstance(future.exception(TIMEOUT), BrokenProcessPool) for future in queued)
        with pytest.raises(BrokenProcessPool, match="not today"):
            pool.submit(calls.double, 1)


def test_init_03_a_failing_initializer_leaks_nothing():
    def fail_once():
        with ProcessPoolExecutor(1, initializer=calls.fail, initargs=("no",)) as pool:
            assert pool.submit(calls.double, 1).exception(TIMEOUT)

    fail_once()
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(5):
        fail_once()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) <= before


def test_init_04_replacements_run_it_again(tmp_path):
    log = tmp_path / "log"
    with ProcessPoolExecutor(1, None, faults.append, (log, "x"), max_tasks_per_child=2) as pool:
        for _ in range(6):
            pool.submit(int).result(TIMEOUT)
        assert log.read_text() == "xxx"
        assert pool.submit(calls.exit_process, 1).exception(TIMEOUT)
        pool.submit(int).result(TIMEOUT)
        assert log.read_text().count("x") >= 4


def test_init_05_functions_of_atexit_run_in_each_worker_that_exits(tmp_path):
    log = tmp_path / "log"

    def register(path):
        import atexit

        atexit.register(faults.append, path, "x" * 100_000 + "\n")

    with ProcessPoolExecutor(1, None, register, (log,), max_tasks_per_child=1) as pool:
        assert list(pool.map(calls.double, range(3))) == [0, 2, 4]
    assert log.read_text() == ("x" * 100_000 + "\n") * 3
