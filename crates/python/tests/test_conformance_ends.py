"""Conformance: calls per worker, forced ends and time limits. Each test name starts with its row."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time

import calls
import faults
import pytest
from conftest import TIMEOUT, is_alive, wait_until, workers_of
from runner_pool import BrokenProcessPool, JobTimeout, ProcessPoolExecutor
from test_conformance_deaths import check_usable, start_running


def test_mtc_01_a_worker_serves_exactly_its_number_of_calls():
    with ProcessPoolExecutor(1, max_tasks_per_child=3) as pool:
        pids = []
        for _ in range(9):
            pids.append(pool.submit(faults.identify).result(TIMEOUT))
            # The second one is ready to replace the first one, if workers start slowly.
            wait_until("two workers at most", lambda: len(workers_of(os.getpid())) <= 2)
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]


@pytest.mark.parametrize("wait", [True, False])
def test_mtc_02_and_03_a_backlog_and_a_shutdown_before_the_last_replacement(wait):
    pool = ProcessPoolExecutor(2, max_tasks_per_child=2)
    futures = [pool.submit(calls.double, n) for n in range(15)]
    pool.shutdown(wait=wait)
    assert [future.result(TIMEOUT) for future in futures] == [2 * n for n in range(15)]


def test_mtc_04_a_dropped_pool_runs_its_calls_with_replacements():
    pool = ProcessPoolExecutor(1, max_tasks_per_child=1)
    futures = [pool.submit(calls.double, n) for n in range(5)]
    del pool
    assert [future.result(TIMEOUT) for future in futures] == [0, 2, 4, 6, 8]


def test_mtc_05_replacements_that_cannot_be_started_break_the_pool(tmp_path, monkeypatch):
    interpreter = tmp_path / "python"
    interpreter.symlink_to(os.path.realpath(calls.sys.executable))
    monkeypatch.setattr(calls.sys, "executable", str(interpreter))
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as pool:
        monkeypatch.undo()
        futures = [pool.submit(calls.sleep, 0.2)]
        wait_until("the call runs", futures[0].running)
        interpreter.unlink()
        futures += [pool.submit(calls.double, n) for n in range(5)]
        errors = [future.exception(TIMEOUT) for future in futures[1:]]
        assert all(isinstance(error, BrokenProcessPool) for error in errors), errors


def test_mtc_06_a_forced_stop_starts_no_replacement():
    pool = ProcessPoolExecutor(2, max_tasks_per_child=1)
    futures = [pool.submit(calls.sleep, 0.02) for _ in range(100)]
    assert futures[0].result(TIMEOUT) == 0.02
    pool.kill_workers()
    concurrent.futures.wait(futures, TIMEOUT)
    assert sum(future.cancelled() for future in futures) > 50
    pool.shutdown()
    assert workers_of(os.getpid()) == []


@pytest.mark.parametrize("workers", [1, 4])
def test_mtc_07_one_call_each_a_failure_and_no_wait(workers):
    pool = ProcessPoolExecutor(workers, max_tasks_per_child=1)
    futures = [pool.submit(calls.fail, "no"), pool.submit(calls.double, 1), pool.submit(calls.double, 2)]
    pool.shutdown(wait=False)
    assert isinstance(futures[0].exception(TIMEOUT), ValueError)
    assert [future.result(TIMEOUT) for future in futures[1:]] == [2, 4]


@pytest.mark.parametrize("end", ["terminate_workers", "kill_workers"])
def test_kill_01_and_02_ends_of_all_workers(tmp_path, end):
    idle = ProcessPoolExecutor(2)
    getattr(idle, end)()
    assert workers_of(os.getpid()) == []
    with pytest.raises(RuntimeError):
        idle.submit(calls.double, 1)
    pool = ProcessPoolExecutor(2)
    running = start_running(pool, tmp_path, 2)
    getattr(pool, end)()
    getattr(pool, end)()
    assert concurrent.futures.wait(running, TIMEOUT).not_done == set()
    wait_until("the workers are gone", lambda: not workers_of(os.getpid()))
    with pytest.raises(RuntimeError):
        pool.submit(calls.double, 1)
    broken = ProcessPoolExecutor(1, on_crash="break")
    assert broken.submit(calls.exit_process, 1).exception(TIMEOUT)
    getattr(broken, end)()
    [each.shutdown() for each in (idle, pool, broken)]


def test_kill_03_nested_pools_and_programs_of_calls_are_killed(tmp_path):
    pool = ProcessPoolExecutor(2)
    nested = pool.submit(faults.outlive_marked, tmp_path)
    program = pool.submit(calls.subprocess_sleep, tmp_path)
    wait_until("all run", lambda: len(list(tmp_path.iterdir())) == 2)
    begin = time.monotonic()
    pool.kill_workers()
    pool.shutdown()
    assert time.monotonic() - begin < 10
    assert all(isinstance(call.exception(), BrokenProcessPool) for call in (nested, program))
    # The check after each test finds what is left of them.


def test_force_01_a_forced_stop_with_many_calls_queued_and_a_fresh_pool():
    pool = ProcessPoolExecutor(2)
    running = [pool.submit(calls.sleep, 10_000) for _ in range(2)]
    wait_until("the calls run", lambda: all(future.running() for future in running))
    results = pool.map(calls.sleep, [1.0] * 100)
    begin = time.monotonic()
    pool.kill_workers()
    pool.shutdown()
    assert time.monotonic() - begin < 5
    with pytest.raises((concurrent.futures.CancelledError, BrokenProcessPool)):
        list(results)
    assert all(isinstance(future.exception(), BrokenProcessPool) for future in running)
    with ProcessPoolExecutor(1) as fresh:
        check_usable(fresh)


def test_force_02_a_forced_stop_leaves_nothing_pending():
    pool = ProcessPoolExecutor(1)
    futures = [pool.submit(calls.sleep, 1) for _ in range(200)]
    woken = []
    thread = threading.Thread(target=lambda: woken.append(concurrent.futures.wait(futures, TIMEOUT)))
    thread.start()
    pool.kill_workers()
    thread.join(TIMEOUT)
    assert not woken[0].not_done and sum(future.cancelled() for future in futures) >= 199
    pool.shutdown()


def test_force_03_a_stop_with_large_arguments_on_their_way():
    data = os.urandom(30_000_000)
    pool = ProcessPoolExecutor(2)
    futures = [pool.submit(calls.sleep_with, data, 100) for _ in range(8)]
    [future.cancel() for future in futures]
    begin = time.monotonic()
    pool.kill_workers()
    pool.shutdown()
    assert time.monotonic() - begin < 10
    # Those that a worker had received fail.
    ends = [future.cancelled() or isinstance(future.exception(), BrokenProcessPool) for future in futures]
    assert all(ends), futures


def test_tmo_01_a_late_call_fails_alone_and_its_worker_is_replaced():
    with ProcessPoolExecutor(1, timeout=0.3) as pool:
        first = pool.submit(faults.identify).result(TIMEOUT)
        futures = [pool.submit(calls.sleep, seconds) for seconds in (0, 100, 0.01, 100, 0)]
        ends = [type(future.exception(TIMEOUT)) for future in futures]
        assert ends == [type(None), JobTimeout, type(None), JobTimeout, type(None)]
        assert pool.submit(faults.identify).result(TIMEOUT) != first


def test_tmo_02_a_call_that_ignores_sigterm_is_killed(tmp_path):
    with ProcessPoolExecutor(1, timeout=0.5) as pool:
        begin = time.monotonic()
        error = pool.submit(faults.ignore_sigterm_and_wait, tmp_path).exception(TIMEOUT)
        assert isinstance(error, JobTimeout) and time.monotonic() - begin < 15
        assert (tmp_path / "started").exists()


def test_tmo_03_in_a_map_the_limit_counts_from_the_start_of_each_call():
    with ProcessPoolExecutor(1, timeout=1.0) as pool:
        assert list(pool.map(calls.sleep, [0.05] * 30)) == [0.05] * 30
        assert list(pool.map(calls.sleep, [0.05] * 30, chunksize=30)) == [0.05] * 30


def test_tmo_04_a_running_call_can_be_killed(pool, tmp_path):
    (running,) = start_running(pool, tmp_path)
    pid = int(next(tmp_path.glob("started-*")).name.partition("-")[2])
    assert not running.cancel() and running.kill()
    with pytest.raises(concurrent.futures.CancelledError):
        running.result(TIMEOUT)
    check_usable(pool)
    wait_until("the worker is gone", lambda: not is_alive(pid))
    assert not running.kill()


def test_tmo_05_idle_workers_have_no_limit():
    with ProcessPoolExecutor(1, timeout=1.0) as pool:
        first = pool.submit(faults.identify).result(TIMEOUT)
        time.sleep(1.5)  # Time is what this test is about.
        assert pool.submit(faults.identify).result(TIMEOUT) == first
        for wrong in (0, -1, float("nan")):
            with pytest.raises(ValueError):
                pool.options(timeout=wrong)
