"""Conformance: idle and nested workers, signals, leaks, threads, large data and surroundings. Each test name
starts with its row. Rows with `more` are behaviors that other pools have tests for."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading

import calls
import faults
import pytest
from conftest import TIMEOUT, wait_until, workers_of
from leftovers import Program, processes
from runner_pool import ProcessPoolExecutor, WorkerCrashed


def test_idle_01_workers_start_on_demand_and_are_reused():
    with ProcessPoolExecutor(4) as pool:
        assert workers_of(os.getpid()) == []
        pids = {pool.submit(faults.identify).result(TIMEOUT) for _ in range(20)}
        assert pids == set(workers_of(os.getpid())) and len(pids) == 1


def test_idle_02_as_many_workers_as_calls_at_a_time(tmp_path):
    with ProcessPoolExecutor(8) as pool:
        futures = [pool.submit(faults.arrive_and_wait, tmp_path, n, 3) for n in range(3)]
        pids = {future.result(TIMEOUT) for future in futures}
        assert pids == set(workers_of(os.getpid())) and len(pids) == 3


def test_idle_03_all_workers_run_at_the_same_time_even_if_more_than_cores(tmp_path):
    count = 2 * len(os.sched_getaffinity(0)) + 2
    with ProcessPoolExecutor(count) as pool:
        futures = [pool.submit(faults.arrive_and_wait, tmp_path, n, count) for n in range(count)]
        assert len({future.result(TIMEOUT) for future in futures}) == count


def test_idle_03_a_long_call_delays_no_other(pool):
    """Calls that were sent to its worker ahead of time are taken back whenever the other worker is idle."""
    long = pool.submit(calls.sleep, 1000)
    wait_until("the call runs", long.running)
    for number in (50, 10, 50, 1, 100, 10):
        assert list(pool.map(calls.double, range(number), timeout=TIMEOUT)) == [2 * n for n in range(number)]
        futures = [pool.submit(pow, 2, n) for n in range(number)]
        assert [future.result(TIMEOUT) for future in futures] == [2**n for n in range(number)]
    assert long.running() and long.kill()


def test_idle_06_successive_maps_use_the_same_workers():
    with ProcessPoolExecutor(1, initializer=calls.prepare, initargs=("state",)) as pool:
        pids = {pid for _ in range(5) for pid in pool.map(faults.identify, range(10))}
        assert len(pids) == 1 and pool.submit(calls.get_prepared).result(TIMEOUT) == ["state"]


def test_nest_01_calls_start_programs(pool):
    command = [sys.executable, "-c", "print(6 * 7)"]
    assert pool.submit(subprocess.check_output, command).result(TIMEOUT) == b"42\n"


def test_nest_02_pools_in_pools_are_limited(pool):
    assert pool.submit(faults.nest, 4).result(TIMEOUT) == 4
    error = pool.submit(faults.nest, 100).exception(TIMEOUT)
    assert error is not None and "nested" in str(error)


@pytest.mark.parametrize("number", range(5))
def test_nest_03_exit_does_not_wait_for_idle_pools_in_workers(run_program, number):
    """Nor does it leave anything of workers that are just being started, which is a matter of moments."""
    program = """
from runner_pool import ProcessPoolExecutor

def outer(number):
    global inner
    inner = ProcessPoolExecutor(2)
    return list(inner.map(abs, range(number)))

with ProcessPoolExecutor(2) as pool:
    print(list(pool.map(outer, [2, 3])))
"""
    ended = run_program(program)
    assert (ended.code, ended.output, ended.errors) == (0, "[[0, 1], [0, 1, 2]]\n", "")
    assert ended.seconds < 20


def test_nest_03_failures_in_a_nested_pool_are_silent(run_program):
    program = """
import calls
from runner_pool import ProcessPoolExecutor

def outer():
    with ProcessPoolExecutor(2) as inner:
        return list(inner.map(calls.fail, "ab"))

with ProcessPoolExecutor(1) as pool:
    print(repr(pool.submit(outer).exception(30)))
"""
    ended = run_program(program)
    assert (ended.code, ended.output, ended.errors) == (0, "ValueError('a')\n", "")


def test_sig_01_interrupts_of_workers_have_no_effect(pool):
    ended = threading.Event()

    def interrupt():
        while not ended.wait(0.002):
            for pid in workers_of(os.getpid()):
                os.kill(pid, signal.SIGINT)

    list(pool.map(calls.double, range(2)))
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        data = os.urandom(200_000)
        for _ in range(20):
            assert list(pool.map(len, [data] * 10)) == [200_000] * 10
    finally:
        ended.set()
        thread.join()
    assert pool.stats()["failed"] == 0


def test_sig_02_a_death_by_each_signal_is_reported_with_its_signal(pool):
    for number in (signal.SIGTERM, signal.SIGABRT, signal.SIGUSR1, signal.SIGRTMIN + 1):
        error = pool.submit(calls.kill_itself, number).exception(TIMEOUT)
        assert isinstance(error, WorkerCrashed) and error.signal == number
        wait_until("the worker is reaped", lambda pid=error.pid: not os.path.exists(f"/proc/{pid}"))


def test_leak_01_no_thread_and_no_descriptor_is_left():
    def use():
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(calls.double, range(10)))
            assert pool.submit(calls.exit_process, 1).exception(TIMEOUT)
            assert pool.submit(faults.return_, faults.AtPickle("error")).exception(TIMEOUT)

    use()
    before = os.listdir("/proc/self/fd"), os.listdir("/proc/self/task")
    for _ in range(5):
        use()
    assert len(os.listdir("/proc/self/fd")) <= len(before[0])
    wait_until("threads have ended", lambda: len(os.listdir("/proc/self/task")) <= len(before[1]))


def test_leak_01_calls_and_functions_use_no_memory_when_they_have_ended(pool):
    def use(count):
        for number in range(count):
            list(pool.map(lambda n, number=number: n + number, range(100)))
            assert pool.submit(len, bytes(100_000)).result(TIMEOUT) == 100_000

    use(50)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    use(300)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "KiB"


def test_leak_02_workers_inherit_only_what_is_theirs(pool):
    def links():
        names = os.listdir("/proc/self/fd")
        paths = [f"/proc/self/fd/{name}" for name in names]
        return [os.readlink(path) for path in paths if os.path.lexists(path)]

    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with ProcessPoolExecutor(1) as other:
        theirs = os.readlink(f"/proc/self/fd/{writer}")
        assert theirs not in other.submit(links).result(TIMEOUT)
        sockets = [link for link in other.submit(links).result(TIMEOUT) if link.startswith("socket")]
        assert len(sockets) <= 1 and not set(sockets) & set(pool.submit(links).result(TIMEOUT))
    os.close(reader)
    os.close(writer)


def test_leak_03_nested_workers_of_a_killed_program_end(tmp_path):
    text = """
import faults, sys, time
from runner_pool import ProcessPoolExecutor
pool = ProcessPoolExecutor(2)
futures = [pool.submit(faults.outlive_marked, sys.argv[1]), pool.submit(time.sleep, 1000)]
futures[0].result()
"""
    program = Program(text, tmp_path, tmp_path)
    wait_until("the nested worker runs", (tmp_path / "nested").exists)
    assert len(processes(program.mark)) >= 3
    program.process.kill()
    assert program.end().code == -signal.SIGKILL


def test_leak_05_programs_of_calls_may_read_their_input(pool):
    command = [sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))"]
    assert pool.submit(subprocess.check_output, command).result(TIMEOUT) == b"''\n"
    assert pool.submit(lambda: sys.stdin.read()).result(TIMEOUT) == ""


def test_conc_01_ten_threads_share_a_pool(pool):
    ends = []

    def use(number):
        first = pool.map(calls.double, range(40))
        futures = [pool.submit(calls.add, number, n) for n in range(20)]
        cancelled = [future.cancel() for future in futures[::2]]
        second = pool.map(calls.add, range(40), range(40))
        assert list(second) == list(first) == [2 * n for n in range(40)]
        for n, future in enumerate(futures):
            assert (n % 2 == 0 and cancelled[n // 2]) or future.result(TIMEOUT) == number + n
        ends.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(10)]
    [thread.start() for thread in threads]
    [thread.join(TIMEOUT) for thread in threads]
    assert sorted(ends) == list(range(10))


def test_conc_02_a_submit_that_races_with_shutdown_is_accepted_or_refused():
    for _ in range(30):
        pool, accepted = ProcessPoolExecutor(1), []

        def submit(pool=pool, accepted=accepted):
            try:
                while True:
                    accepted.append(pool.submit(calls.double, 4))
            except RuntimeError:
                pass

        thread = threading.Thread(target=submit)
        thread.start()
        wait_until("calls are accepted", lambda accepted=accepted: accepted)
        pool.shutdown()
        thread.join(TIMEOUT)
        assert all(future.result(TIMEOUT) == 8 for future in accepted)


def test_large_02_a_crash_while_large_arguments_are_sent(pool):
    data = "a" * 4_000_000
    futures = [pool.submit(faults.segfault, data) for _ in range(6)]
    assert all(isinstance(future.exception(TIMEOUT), WorkerCrashed) for future in futures)
    assert pool.submit(len, data).result(TIMEOUT) == len(data)


def test_large_03_a_stop_with_a_large_argument_on_its_way():
    pool = ProcessPoolExecutor(1)
    future = pool.submit(len, os.urandom(100_000_000))
    pool.kill_workers()
    pool.shutdown()
    assert future.cancelled() or future.result(TIMEOUT) == 100_000_000


def test_large_04_large_results_and_errors_of_workers_that_exit():
    with ProcessPoolExecutor(2, max_tasks_per_child=1) as pool:
        results = pool.map(bytes, [3_000_000] * 6)
        assert [len(result) for result in results] == [3_000_000] * 6
        error = pool.submit(faults.raise_, ValueError("x" * 3_000_000)).exception(TIMEOUT)
        assert len(str(error)) == 3_000_000


def test_cfg_02_the_default_number_of_workers_is_that_of_usable_cores(run_program):
    program = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from runner_pool import ProcessPoolExecutor
with ProcessPoolExecutor() as pool:
    futures = [pool.submit(os.getpid) for _ in range(20)]
    print(len({future.result() for future in futures}))
"""
    assert run_program(program).output == "1\n"


def test_cfg_03_a_first_worker_that_cannot_start_breaks_the_pool(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with ProcessPoolExecutor(2) as pool:
        error = pool.submit(calls.double, 1).exception(TIMEOUT)
        assert error is not None and "/no/such/python" in str(error)


def test_cfg_04_workers_start_while_many_threads_run(pool):
    ended = threading.Event()
    threads = [threading.Thread(target=ended.wait) for _ in range(50)]
    [thread.start() for thread in threads]
    try:
        with ProcessPoolExecutor(2) as other:
            assert list(other.map(calls.double, range(4))) == [0, 2, 4, 6]
    finally:
        ended.set()
        [thread.join() for thread in threads]


def test_cfg_04_no_warning_of_threads_and_fork(run_program):
    program = """
import threading, warnings
warnings.simplefilter("error")
import calls
from runner_pool import ProcessPoolExecutor
ended = threading.Event()
thread = threading.Thread(target=ended.wait)
thread.start()
with ProcessPoolExecutor(1) as pool:
    print(pool.submit(calls.double, 1).result())
ended.set()
"""
    ended = run_program(program)
    assert (ended.code, ended.output, ended.errors) == (0, "2\n", "")


def test_cfg_06_environment_and_crash_reports(run_program):
    """Variables reach workers that start later; `faulthandler` writes to the stream of the program."""
    program = """
import os, ctypes, faulthandler
os.environ["OF_TEST"] = "first"
from runner_pool import ProcessPoolExecutor
with ProcessPoolExecutor(1, initializer=faulthandler.enable) as pool:
    print(pool.submit(os.getenv, "OF_TEST").result())
    pool.submit(ctypes.string_at, 0).exception(30)
"""
    ended = run_program(program)
    assert (ended.code, ended.output) == (0, "first\n")
    assert "Segmentation fault" in ended.errors and "string_at" in ended.errors


def test_cfg_07_more_functions_that_are_redefined_or_recursive(run_program):
    program = """
from runner_pool import ProcessPoolExecutor
pool = ProcessPoolExecutor(1)

def inner(x):
    return -x

def outer(x):
    return inner(x)

assert list(pool.map(outer, [1])) == [-1]

def inner(x):
    return 10 * x

assert list(pool.map(outer, [1])) == [10]

def counter(start):
    def count(x):
        return start if x == 0 else count(x - 1) + 1
    return count

assert [pool.submit(counter(start), 5).result() for start in (0, 1, 10)] == [5, 6, 15]
"""
    assert run_program(program).code == 0


def test_cfg_07_more_numpy_threads_of_the_caller_block_no_worker(pool):
    numpy = pytest.importorskip("numpy")
    matrix = numpy.random.default_rng(1).random((500, 500))
    expected = matrix @ matrix  # Starts the threads of the library.
    assert numpy.allclose(pool.submit(numpy.dot, matrix, matrix).result(TIMEOUT), expected)
