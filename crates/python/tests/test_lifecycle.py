"""Ends of pools, of programs and of workers."""

from __future__ import annotations

import concurrent.futures
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref

import calls
import pytest
from conftest import TIMEOUT, is_alive, run, wait_until, workers_of
from runner_pool import BrokenProcessPool, ProcessPoolExecutor


def test_shutdown_waits_and_refuses():
    pool = ProcessPoolExecutor(1)
    futures = [pool.submit(calls.sleep, 0.02) for _ in range(10)]
    pool.shutdown()
    assert all(future.done() for future in futures)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(calls.double, 1)
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.map(calls.double, [1])
        pool.shutdown()


def test_shutdown_cancels_what_waits(tmp_path):
    pool = ProcessPoolExecutor(1)
    running = pool.submit(calls.mark_and_wait, tmp_path)
    wait_until("the call runs", running.running)
    waiting = [pool.submit(calls.double, n) for n in range(100)]
    pool.shutdown(wait=False, cancel_futures=True)
    (tmp_path / "go").touch()
    assert running.result(TIMEOUT)
    concurrent.futures.wait(waiting, TIMEOUT)
    assert sum(future.cancelled() for future in waiting) >= 90
    pool.shutdown()


def test_shutdown_in_a_callback():
    pool, ended = ProcessPoolExecutor(1), threading.Event()

    def end(future):
        pool.shutdown()
        ended.set()

    pool.submit(calls.sleep, 0.05).add_done_callback(end)
    assert ended.wait(TIMEOUT)


def test_workers_can_be_ended():
    for end in (ProcessPoolExecutor.terminate_workers, ProcessPoolExecutor.kill_workers):
        pool = ProcessPoolExecutor(2)
        running = [pool.submit(calls.sleep, 100) for _ in range(2)]
        [wait_until("the call runs", future.running) for future in running]
        waiting = pool.submit(calls.double, 1)
        results = pool.map(calls.double, [1])
        end(pool)
        assert concurrent.futures.wait([*running, waiting], TIMEOUT).not_done == set()
        # As in the standard library: what has begun fails, and what has not is cancelled.
        assert all(isinstance(future.exception(), BrokenProcessPool) for future in running)
        assert "the workers were" in str(running[0].exception())
        assert waiting.cancelled()
        with pytest.raises(concurrent.futures.CancelledError):
            next(results)
        with pytest.raises(BrokenProcessPool):
            pool.submit(calls.double, 1)
        with pytest.raises(BrokenProcessPool):
            pool.map(calls.double, [1])
        pool.shutdown()


@pytest.mark.parametrize("on_crash", ["heal", "break"])
def test_workers_that_are_starting_can_be_ended(on_crash):
    for end in (ProcessPoolExecutor.terminate_workers, ProcessPoolExecutor.kill_workers):
        pool = ProcessPoolExecutor(2, on_crash=on_crash)
        future = pool.submit(calls.sleep, 100)
        end(pool)
        assert isinstance(exception_of(future), (concurrent.futures.CancelledError, BrokenProcessPool))
        pool.shutdown()


def exception_of(future):
    try:
        return future.exception(TIMEOUT)
    except concurrent.futures.CancelledError as error:
        return error


def test_terminated_workers_may_end_their_calls_first(tmp_path):
    pool = ProcessPoolExecutor(1)
    running = pool.submit(calls.end_at_sigterm, tmp_path / "ready")
    wait_until("the call runs", (tmp_path / "ready").exists)
    pool.terminate_workers()
    assert running.result(TIMEOUT) == "ended"
    pool.shutdown()


def test_shutdown_cancels_what_has_not_begun(tmp_path):
    with ProcessPoolExecutor(2) as pool:
        running = [pool.submit(calls.mark_and_wait, tmp_path) for _ in range(2)]
        wait_until("both run", lambda: len(list(tmp_path.glob("started-*"))) == 2)
        waiting = [pool.submit(calls.double, n) for n in range(50)]
        pool.shutdown(wait=False, cancel_futures=True)
        try:
            wait_until("most are cancelled", lambda: sum(future.cancelled() for future in waiting) > 20)
        finally:
            (tmp_path / "go").touch()
        assert all(future.result(TIMEOUT) for future in running)


@pytest.mark.parametrize(("on_crash", "left"), [("heal", 0), ("break", 2)])
def test_shutdown_keeps_calls_of_starting_workers_as_the_standard_library(tmp_path, on_crash, left):
    # The workers have not started before the initializer returns.
    start = {"initializer": calls.mark_and_wait, "initargs": (tmp_path,)}
    with ProcessPoolExecutor(2, on_crash=on_crash, **start) as pool:
        futures = [pool.submit(calls.double, n) for n in range(50)]
        pool.shutdown(wait=False, cancel_futures=True)
        (tmp_path / "go").touch()
    assert [future.cancelled() for future in futures] == [False] * left + [True] * (50 - left)
    assert [future.result() for future in futures[:left]] == [2 * n for n in range(left)]


def test_a_dropped_executor_finishes_its_calls():
    pool = ProcessPoolExecutor(1)
    future, reference = pool.submit(calls.sleep, 0.1), weakref.ref(pool)
    del pool
    gc.collect()
    assert reference() is None
    assert future.result(TIMEOUT) == 0.1


def test_a_thousand_pools():
    for number in range(1000):
        pool = ProcessPoolExecutor(2)
        if number % 100 == 0:
            assert pool.submit(calls.double, number).result(TIMEOUT) == 2 * number
        pool.shutdown()
    assert len(os.listdir("/proc/self/fd")) < 100
    assert threading.active_count() < 20


def test_pools_at_the_same_time():
    pools = [ProcessPoolExecutor(1) for _ in range(8)]
    futures = [pool.submit(calls.double, n) for n, pool in enumerate(pools)]
    assert [future.result(TIMEOUT) for future in futures] == [2 * n for n in range(8)]
    [pool.shutdown() for pool in pools]


def test_killed_workers_are_replaced():
    with ProcessPoolExecutor(2) as pool:
        for _ in range(3):
            assert list(pool.map(calls.double, range(100))) == [2 * n for n in range(100)]
            [os.kill(pid, signal.SIGKILL) for pid in workers_of(os.getpid())]


def test_workers_of_a_killed_program_end(tmp_path):
    program = """
import sys, calls
from runner_pool import ProcessPoolExecutor
pool = ProcessPoolExecutor(2)
futures = [pool.submit(calls.mark_and_wait, sys.argv[1]) for _ in range(2)]
[future.result() for future in futures]
"""
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path])
    wait_until("the calls run", lambda: len(list(tmp_path.glob("started-*"))) == 2)
    workers = workers_of(child.pid)
    assert len(workers) == 2
    child.kill()
    child.wait()
    wait_until("the workers have ended", lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize("where", ["result", "with", "map", "shutdown"])
def test_interrupt_ends_a_waiting_program(tmp_path, where):
    body = {
        "result": "pool.submit(calls.mark_and_wait, sys.argv[1]).result()",
        "with": "\nwith pool:\n    pool.submit(calls.mark_and_wait, sys.argv[1]).result()",
        "map": "list(pool.map(calls.mark_and_wait, [sys.argv[1]]))",
        "shutdown": "pool.submit(calls.mark_and_wait, sys.argv[1]); pool.shutdown()",
    }[where]
    imports = "import signal, sys, calls\nfrom runner_pool import ProcessPoolExecutor\n"
    # A shell has programs in the background ignore the signal.
    imports += "signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{imports}\npool = ProcessPoolExecutor(1)\n{body}"
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path], stderr=subprocess.PIPE, text=True)
    wait_until("the call runs", lambda: list(tmp_path.glob("started-*")))
    workers = workers_of(child.pid)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=TIMEOUT)
    assert child.returncode in (1, -signal.SIGINT) and errors.rstrip().endswith("KeyboardInterrupt"), errors
    wait_until("the worker has ended", lambda: not any(map(is_alive, workers)))


def test_exit_without_shutdown_waits_for_calls():
    program = """
import calls, os
from runner_pool import ProcessPoolExecutor
pool = ProcessPoolExecutor(1)
# Each text in one piece, whatever the buffering.
write = lambda future: os.write(1, f"done {future.result()}\\n".encode())
pool.submit(calls.sleep, 0.2).add_done_callback(write)
pool.submit(os.write, 1, b"printed by a worker\\n")
"""
    ended = run(program)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(ended.stdout.splitlines()) == ["done 0.2", "printed by a worker"]


def test_exit_with_a_crashed_call():
    program = """
import calls
from runner_pool import ProcessPoolExecutor
pool = ProcessPoolExecutor(2)
futures = [pool.submit(calls.crash), pool.submit(calls.double, 1)]
"""
    assert run(program).returncode == 0


def test_a_forked_process_cannot_use_the_pool():
    program = """
import calls, os, sys, warnings
from runner_pool import ProcessPoolExecutor
warnings.simplefilter("ignore", DeprecationWarning)  # of os.fork with threads
pool = ProcessPoolExecutor(1)
assert pool.submit(calls.double, 1).result() == 2
results = pool.map(calls.double, range(3))
child = os.fork()
if child == 0:
    for use in (lambda: pool.submit(calls.double, 1), lambda: pool.map(calls.double, [1]), pool.shutdown):
        try:
            use()
        except RuntimeError as error:
            assert "fork" in str(error), error
        else:
            os._exit(7)
    with ProcessPoolExecutor(1) as own:
        assert own.submit(calls.double, 2).result() == 4
    del pool, results
    sys.exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
assert list(results) == [0, 2, 4] and pool.submit(calls.double, 3).result() == 6
"""
    ended = run(program)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_settings_are_checked():
    for arguments, error in (
        ({"max_workers": 0}, ValueError),
        ({"max_workers": -1}, ValueError),
        ({"initializer": 5}, TypeError),
        ({"max_tasks_per_child": 0}, ValueError),
        ({"max_tasks_per_child": "2"}, TypeError),
        ({"on_crash": "ignore"}, ValueError),
        ({"timeout": 0}, ValueError),
        ({"timeout": -1}, ValueError),
        ({"max_memory": "much"}, ValueError),
    ):
        with pytest.raises(error):
            ProcessPoolExecutor(**arguments)


def test_contexts_are_ignored_with_a_warning():
    import multiprocessing

    with pytest.warns(RuntimeWarning, match="mp_context"):
        ProcessPoolExecutor(1, multiprocessing.get_context("fork")).shutdown()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")).shutdown()


def test_workers_are_like_the_caller(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path, "/no/such/folder"])
    with ProcessPoolExecutor(1) as pool:

        def look():
            executable = os.path.realpath(sys.executable)
            return (sys.path, os.getcwd(), sys.argv, executable, sys.flags.optimize, sys.prefix)

        expected = (
            sys.path,
            str(tmp_path),
            sys.argv,
            os.path.realpath(sys.executable),
            sys.flags.optimize,
            sys.prefix,
        )
        assert pool.submit(look).result(TIMEOUT) == expected
        assert int(pool.submit(os.getenv, "OMP_NUM_THREADS").result(TIMEOUT)) >= 1
        role = pool.submit(lambda: [name for name in os.environ if name == "RUNNER_WORKER_ROLE"])
        assert role.result(TIMEOUT) == []


def test_counts():
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(calls.double, range(1000)))
        pool.submit(calls.fail, "x").exception(TIMEOUT)
        stats = pool.stats()
    assert (stats["submitted"], stats["succeeded"], stats["failed"]) == (1001, 1000, 1)
    assert sum(worker["calls"] for worker in stats["workers"]) == 1001


def test_times(tmp_path):
    with ProcessPoolExecutor(2) as pool:
        empty = pool.stats()
        assert (empty["submitted"], empty["workers"], empty["queue_time"]) == (0, [], 0)
        running = [pool.submit(calls.mark_and_wait, tmp_path) for _ in range(2)]
        wait_until("both run", lambda: len(list(tmp_path.glob("started-*"))) == 2)
        waiting = pool.submit(calls.double, 1)
        stats = pool.stats()
        (tmp_path / "go").touch()
        assert (stats["submitted"], stats["running"], stats["queued"]) == (3, 2, 1)
        pids = {future.result(TIMEOUT) for future in running}
        assert waiting.result(TIMEOUT) == 2 and pool.submit(calls.double, calls.NoPickle()).exception()
    stats = pool.stats()
    assert (stats["submitted"], stats["succeeded"], stats["running"]) == (3, 3, 0), "after the shutdown, too"
    assert stats["queue_time"] > 0 and pids == {worker["pid"] for worker in stats["workers"]}
    for worker in stats["workers"]:
        assert 0 < worker["start_time"] < worker["lifetime"] and worker["busy_time"] < worker["lifetime"]
        assert worker["cpu_time"] > 0 and worker["bytes_sent"] > 0 < worker["bytes_received"]
        # Each moment is in one stage.
        assert sum(worker["stages"].values()) == pytest.approx(worker["lifetime"], abs=0.05)
        assert {"start", "load", "run", "wait"} <= set(worker["stages"])
    assert {"supervisor", "clock"} <= {thread["name"] for thread in stats["threads"]}
    assert {"send", "schedule"} <= set(stats["callers"])


def test_a_hundred_thousand_calls():
    with ProcessPoolExecutor(2) as pool:
        begin = time.monotonic()
        assert sum(pool.map(calls.double, range(100_000))) == 100_000 * 99_999
        futures = [pool.submit(calls.double, n) for n in range(20_000)]
        assert sum(future.result(TIMEOUT) for future in futures) == 20_000 * 19_999
        assert time.monotonic() - begin < TIMEOUT
