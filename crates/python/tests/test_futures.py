"""Settling of futures: which thread does what, and what can come in between."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import sys
import threading

import calls
import pytest
from conftest import TIMEOUT, run, start, wait_until
from runner_pool import ProcessPoolExecutor


class Alarm(Exception):
    """Raised by a signal handler."""


@pytest.fixture
def alarm():
    """Sets what is done at SIGUSR1; `send` sends it to this process."""

    def raise_alarm(*_):
        raise Alarm

    def handle(handler=raise_alarm):
        signal.signal(signal.SIGUSR1, handler)

    before = signal.getsignal(signal.SIGUSR1)
    yield handle
    signal.signal(signal.SIGUSR1, before)


class Waiting:
    """A call that ends when it is released."""

    def __init__(self, pool, directory):
        self._directory = directory
        self.future = pool.submit(calls.mark_and_wait, directory)
        wait_until("the call runs", lambda: any(directory.glob("started-*")))

    def release(self):
        (self._directory / "go").touch()


@pytest.fixture
def waiting(pool, tmp_path):
    waiting = Waiting(pool, tmp_path)
    yield waiting
    waiting.release()


def is_in_wait(thread_id):
    """Returns whether a thread executes a function that waits for a job."""
    frame = sys._current_frames().get(thread_id)
    return frame is not None and frame.f_code.co_name == "_wait"


# Futures whose threads are interrupted.


def test_a_signal_handler_that_raises_when_a_call_ends_loses_nothing(pool, alarm):
    def handle(_, frame):
        if frame.f_code.co_name in ("result", "_wait", "settle"):
            raise Alarm

    alarm(handle)
    interrupted = 0
    for number in range(50):
        future = pool.submit(calls.send_signal, os.getpid(), signal.SIGUSR1, number)
        try:
            future.result(TIMEOUT)
        except Alarm:
            interrupted += 1
        assert future.result(TIMEOUT) == number
        assert concurrent.futures.wait([future], TIMEOUT).done
    assert interrupted


def test_a_signal_handler_that_raises_while_a_value_is_unpickled(pool, alarm):
    alarm()
    future = pool.submit(calls.SignalsWhenUnpickled, os.getpid())
    with pytest.raises(Alarm):
        future.result(TIMEOUT)
    assert future.result(TIMEOUT) == "unpickled"


def test_a_value_that_cannot_be_unpickled_is_an_exception(pool):
    for _ in range(2):
        future = pool.submit(calls.NoUnpickle)
        with pytest.raises(Exception, match="never unpickled"):
            future.result(TIMEOUT)
        assert "never unpickled" in str(future.exception(TIMEOUT))


@pytest.mark.parametrize("is_observed", [False, True])
def test_a_signal_handler_waits_for_the_awaited_future(waiting, alarm, is_observed):
    future, received = waiting.future, []
    if is_observed:
        future.add_done_callback(lambda future: None)

    def handle(*_):
        waiting.release()
        received.append(future.result(TIMEOUT))

    alarm(handle)
    main = threading.get_ident()
    start(lambda: (wait_until("it waits", lambda: is_in_wait(main)), os.kill(os.getpid(), signal.SIGUSR1)))
    assert future.result(TIMEOUT) == received[0]


def test_threads_wait_for_the_same_future(waiting):
    results = [start(waiting.future.result, TIMEOUT) for _ in range(8)]
    waiting.release()
    assert len({result.result(TIMEOUT) for result in results}) == 1


def test_futures_are_done_after_shutdown_though_threads_wait_for_them(tmp_path):
    pool = ProcessPoolExecutor(1)
    waiting = Waiting(pool, tmp_path)
    results = [start(waiting.future.result) for _ in range(4)]
    waiting.release()
    pool.shutdown()
    assert waiting.future.done()
    assert [result.result(TIMEOUT) for result in results] == [waiting.future.result()] * 4


# Callbacks.


def test_callbacks_are_not_called_by_the_thread_that_waits(waiting):
    lock, names = threading.Lock(), []

    def note(future):
        with lock:
            names.append(threading.current_thread().name)

    waiting.future.add_done_callback(note)
    with lock:
        waiting.release()
        assert waiting.future.result(TIMEOUT)
        assert waiting.future.exception(TIMEOUT) is None
    wait_until("the callback is called", lambda: names)
    assert names == ["runner_pool completions"]


def test_a_callback_that_does_not_return_delays_only_callbacks_of_its_pool(pool):
    called, release = threading.Event(), threading.Event()

    def block(future):
        called.set()
        release.wait(TIMEOUT)

    with ProcessPoolExecutor(1) as other:
        blocked = pool.submit(calls.double, 1)
        blocked.add_done_callback(block)
        assert called.wait(TIMEOUT)
        assert blocked.result(0) == 2
        assert pool.submit(calls.double, 2).result(TIMEOUT) == 4
        futures = [other.submit(calls.double, number) for number in range(3)]
        assert not concurrent.futures.wait(futures, TIMEOUT).not_done
        assert not release.is_set()
        release.set()


def test_a_callback_waits_for_an_ended_call_of_another_pool(pool):
    called, release, results = threading.Event(), threading.Event(), []

    def wait_for_other(future):
        called.set()
        release.wait(TIMEOUT)
        results.append(awaited.result(TIMEOUT))

    with ProcessPoolExecutor(1) as other:
        awaited = other.submit(calls.double, 1)
        pool.submit(calls.double, 1).add_done_callback(wait_for_other)
        assert called.wait(TIMEOUT)
        later = other.submit(calls.double, 2)
        assert not concurrent.futures.wait([awaited, later], TIMEOUT).not_done
        release.set()
        wait_until("the callback has its result", lambda: results)
    assert results == [2]


@pytest.mark.parametrize("error", [SystemExit, ValueError])
def test_a_callback_that_raises_disturbs_nothing(pool, waiting, error):
    called = []

    def fail(future):
        raise error("from a callback")

    waiting.future.add_done_callback(fail)
    waiting.future.add_done_callback(called.append)
    waiting.release()
    assert waiting.future.result(TIMEOUT)
    wait_until("the next callback is called", lambda: called)
    futures = [pool.submit(calls.double, number) for number in range(3)]
    assert not concurrent.futures.wait(futures, TIMEOUT).not_done


def test_a_future_that_the_program_has_set_running_is_killed(pool, waiting):
    future, called = waiting.future, []
    future.add_done_callback(called.append)
    assert future.set_running_or_notify_cancel()
    assert future.kill()
    assert concurrent.futures.wait([future], TIMEOUT).done
    assert future.cancelled()
    wait_until("the callback is called", lambda: called)
    assert not concurrent.futures.wait([pool.submit(calls.double, 1)], TIMEOUT).not_done


def test_a_future_that_the_program_has_settled_stays_so(pool, waiting):
    waiting.future.set_result("by the program")
    waiting.release()
    assert not concurrent.futures.wait([pool.submit(calls.double, 1)], TIMEOUT).not_done
    assert waiting.future.result() == "by the program"


def test_cancel_calls_callbacks_before_it_returns(tmp_path):
    with ProcessPoolExecutor(1) as pool:
        running = Waiting(pool, tmp_path)
        wait_until("a call is not assigned", lambda: not pool.submit(calls.double, 1).running())
        future, called = pool.submit(calls.double, 2), []
        future.add_done_callback(called.append)
        if future.cancel():
            assert called == [future]
        unobserved = pool.submit(calls.double, 3)
        assert unobserved.cancel() == unobserved.cancelled()
        running.release()
        assert not concurrent.futures.wait([future, unobserved], TIMEOUT).not_done
        assert len(called) == 1


def test_cancel_races_with_the_ends_of_calls(pool):
    interval, futures, stop = sys.getswitchinterval(), [], threading.Event()

    def cancel_all():
        while not stop.is_set():
            for future in list(futures):
                future.cancel()

    sys.setswitchinterval(1e-6)
    try:
        threads = [start(cancel_all) for _ in range(2)]
        for _ in range(30):
            futures[:] = [pool.submit(calls.double, number) for number in range(200)]
            not_done = concurrent.futures.wait(futures, TIMEOUT).not_done
            assert not not_done
            for number, future in enumerate(futures):
                assert future.cancelled() or future.result(0) == 2 * number
    finally:
        stop.set()
        sys.setswitchinterval(interval)
    assert [thread.result(TIMEOUT) for thread in threads] == [None, None]


def test_shutdown_in_a_callback_that_cancel_calls(tmp_path):
    pool = ProcessPoolExecutor(1)
    running = Waiting(pool, tmp_path)
    futures = [pool.submit(calls.double, number) for number in range(100)]

    def end(future):
        running.release()
        pool.shutdown()

    futures[-1].add_done_callback(end)
    futures[-1].cancel()
    pool.shutdown()
    assert all(future.done() for future in [running.future, *futures])


def test_a_pool_has_a_thread_only_for_futures():
    def threads():
        return [thread.name for thread in threading.enumerate() if "completions" in thread.name]

    before = threads()
    with ProcessPoolExecutor(1) as pool:
        assert list(pool.map(calls.double, [1])) == [2]
        assert threads() == before
        assert pool.submit(calls.double, 1).result(TIMEOUT) == 2
        assert len(threads()) == len(before) + 1
    assert threads() == before


# Forks.

FORK = """
import os, sys, warnings
import calls
from runner_pool import ProcessPoolExecutor

warnings.simplefilter("ignore")  # newer versions of Python warn of forks
pool = ProcessPoolExecutor(2)
results = pool.map(calls.double, range(3), buffersize=1)
future = pool.submit(calls.mark_and_wait, sys.argv[2])
child = os.fork()
if child == 0:
    try:
        eval(sys.argv[1])
    except RuntimeError as error:
        os._exit(7 if "before a fork" in str(error) else 1)
    os._exit(2)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
open(os.path.join(sys.argv[2], "go"), "w").close()
assert future.result() > 0 and list(results) == [0, 2, 4]
print(status)
"""


@pytest.mark.parametrize(
    "use",
    [
        "future.result()",
        "future.result(1)",
        "future.exception()",
        "future.cancel()",
        "future.kill()",
        "future.running()",
        "next(results)",
    ],
)
def test_a_forked_process_cannot_use_calls_of_its_parent(use, tmp_path):
    ended = run(FORK, use, tmp_path)
    assert (ended.stdout, ended.returncode) == ("7\n", 0), ended.stderr


@pytest.mark.parametrize(
    ("end", "status"),
    [("return", 0), ("raise", 1), ("exit", 0), ("exit 3", 3), ("exit text", 1), ("_exit 5", 5)],
)
def test_a_process_that_a_job_has_forked_ends_as_python_does(pool, end, status, capfd):
    assert pool.submit(calls.fork, end).result(TIMEOUT) == status
    printed = capfd.readouterr().err
    assert ("ValueError: in the child" in printed) == (end == "raise")
    assert ("a text" in printed) == (end == "exit text")
    assert pool.submit(calls.double, 1).result(TIMEOUT) == 2


def test_calls_that_are_too_few_for_a_batch_are_sent_though_no_thread_waits_for_them(pool):
    list(pool.map(calls.double, range(1000)))
    for _ in range(100):
        futures = [pool.submit(calls.double, number) for number in range(1500)]
        assert not concurrent.futures.wait(futures, TIMEOUT).not_done
