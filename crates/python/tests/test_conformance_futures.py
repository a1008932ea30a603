"""Conformance: futures, callbacks, `submit`, and waiting. Each test name starts with its row."""

from __future__ import annotations

import concurrent.futures
import gc
import logging
import threading
import time
import weakref
from concurrent.futures import CancelledError, InvalidStateError

import calls
import faults
import pytest
from conftest import TIMEOUT, wait_until
from runner_pool import JobTimeout, ProcessPoolExecutor, WorkerCrashed


@pytest.fixture
def blocked(tmp_path):
    """A pool whose only worker runs a call until `release`."""
    with ProcessPoolExecutor(1) as pool:
        pool.running = pool.submit(calls.mark_and_wait, tmp_path)
        pool.release = (tmp_path / "go").touch
        wait_until("the call runs", lambda: list(tmp_path.glob("started-*")))
        yield pool
        pool.release()


def states(future):
    return future.running(), future.cancelled(), future.done()


def test_fut_01_states_form_one_truth_table(blocked):
    waiting = [blocked.submit(calls.double, n) for n in range(200)]
    assert states(waiting[-1]) == (False, False, False)
    assert states(blocked.running) == (True, False, False)
    assert waiting[-1].cancel() and states(waiting[-1]) == (False, True, True)
    blocked.release()
    assert waiting[0].result(TIMEOUT) == 0 and states(waiting[0]) == (False, False, True)
    failed = blocked.submit(calls.fail, "no")
    assert failed.exception(TIMEOUT) and states(failed) == (False, False, True)


def test_fut_02a_a_cancelled_call_never_runs(blocked, tmp_path):
    paths = [tmp_path / f"ran-{number}" for number in range(200)]
    waiting = [blocked.submit(faults.touch, path) for path in paths]
    cancelled = [path for future, path in zip(waiting, paths, strict=True) if future.cancel()]
    assert len(cancelled) > 100
    blocked.release()
    concurrent.futures.wait(waiting, TIMEOUT)
    assert not any(path.exists() for path in cancelled)
    assert sum(path.exists() for path in paths) == 200 - len(cancelled)


def test_fut_02b_cancelling_again_changes_nothing(blocked):
    last = [blocked.submit(calls.double, n) for n in range(100)][-1]
    assert last.cancel() and last.cancel() and last.cancelled()


def test_fut_02c_running_and_finished_calls_are_not_cancelled(blocked):
    assert not blocked.running.cancel() and blocked.running.running()
    blocked.release()
    assert blocked.running.result(TIMEOUT)
    assert not blocked.running.cancel() and not blocked.running.cancelled()


def test_fut_03_a_zero_timeout_never_blocks(blocked):
    last = [blocked.submit(calls.double, n) for n in range(100)][-1]
    for read in (blocked.running.result, blocked.running.exception, last.result, last.exception):
        with pytest.raises(TimeoutError):
            read(timeout=0)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        blocked.running.result(0.1)
    assert time.monotonic() - begin >= 0.1
    assert last.cancel()
    for read in (last.result, last.exception):
        with pytest.raises(CancelledError):
            read(timeout=0)
    blocked.release()
    assert blocked.running.exception(TIMEOUT) is None and blocked.running.result(0)
    failed = blocked.submit(calls.fail, "no")
    assert isinstance(failed.exception(TIMEOUT), ValueError)
    with pytest.raises(ValueError, match="no"):
        failed.result(0)


@pytest.mark.parametrize("read", ["result", "exception"])
def test_fut_04_completion_and_cancellation_wake_waiting_threads(blocked, read):
    last = [blocked.submit(calls.double, n) for n in range(100)][-1]
    woken = {}

    def wait(future, name):
        try:
            woken[name] = getattr(future, read)(TIMEOUT)
        except CancelledError:
            woken[name] = "cancelled"

    threads = [
        threading.Thread(target=wait, args=(blocked.running, "completed")),
        threading.Thread(target=wait, args=(last, "cancelled")),
    ]
    [thread.start() for thread in threads]
    assert last.cancel()
    blocked.release()
    [thread.join(TIMEOUT) for thread in threads]
    assert woken["cancelled"] == "cancelled"
    assert woken["completed"] == (blocked.running.result() if read == "result" else None)


def test_fut_05_the_first_outcome_is_final(pool):
    future = pool.submit(list, "ab")
    assert future.result(TIMEOUT) is future.result() == ["a", "b"]
    for settle in (future.set_result, future.set_exception):
        with pytest.raises(InvalidStateError):
            settle(ValueError())
    assert future.result() == ["a", "b"]


def test_fut_06_cancelling_races_with_completion(pool, capfd, caplog):
    cancelled = 0
    for _ in range(300):
        future = pool.submit(calls.double, 1)
        if future.cancel():
            cancelled += 1
        else:
            assert future.result(TIMEOUT) == 2
    assert pool.submit(calls.double, 4).result(TIMEOUT) == 8
    assert (capfd.readouterr().err, caplog.records) == ("", [])


def test_fut_07_failures_are_not_recognized_by_their_values(pool):
    with pytest.raises(faults.FalsyError):
        pool.submit(faults.raise_, faults.FalsyError()).result(TIMEOUT)
    with pytest.raises(faults.FalsyError):
        list(pool.map(faults.raise_, [faults.FalsyError()]))
    returned = pool.submit(faults.return_, ValueError("a value")).result(TIMEOUT)
    assert isinstance(returned, ValueError) and returned.args == ("a value",)
    assert pool.submit(faults.return_, None).result(TIMEOUT) is None
    assert pool.submit(faults.return_, b"").result(TIMEOUT) == b""


def test_fut_08_exceptions_keep_their_type_their_fields_and_their_traceback(pool):
    error = pool.submit(faults.raise_, faults.FrozenError(7)).exception(TIMEOUT)
    assert type(error) is faults.FrozenError and error.code == 7
    assert "in raise_" in str(error.__cause__)
    group = pool.submit(faults.raise_, ExceptionGroup("two", [ValueError(1), KeyError("k")]))
    assert [type(each) for each in group.exception(TIMEOUT).exceptions] == [ValueError, KeyError]


def test_fut_09_representations_name_the_state(blocked):
    last = [blocked.submit(calls.double, n) for n in range(100)][-1]
    assert "state=pending" in repr(last)
    last.cancel()
    assert "state=cancelled" in repr(last)
    blocked.release()
    assert blocked.running.result(TIMEOUT) and "state=finished returned int" in repr(blocked.running)
    failed = blocked.submit(calls.fail, "no")
    assert failed.exception(TIMEOUT) and "state=finished raised ValueError" in repr(failed)


def test_cb_01_a_callback_runs_once_for_every_end(blocked):
    seen = []
    cancelled = [blocked.submit(calls.double, n) for n in range(100)][-1]
    blocked.release()
    quick = blocked.options(timeout=0.2)
    futures = [
        blocked.submit(calls.double, 4),
        blocked.submit(calls.fail, "no"),
        blocked.submit(calls.exit_process, 1),
        quick.submit(calls.sleep, 100),
        cancelled,
    ]
    for future in futures:
        future.add_done_callback(seen.append)
    assert cancelled.cancel() or cancelled.result(TIMEOUT)
    concurrent.futures.wait(futures, TIMEOUT)
    wait_until("all callbacks have run", lambda: len(seen) == len(futures))
    assert set(seen) == set(futures)
    assert futures[0].result() == 8
    assert [type(future.exception()) for future in futures[1:4]] == [ValueError, WorkerCrashed, JobTimeout]


def test_cb_02_a_late_callback_runs_at_once_on_its_thread(blocked):
    cancelled = [blocked.submit(calls.double, n) for n in range(100)][-1]
    assert cancelled.cancel()
    blocked.release()
    failed = blocked.submit(calls.fail, "no")
    assert failed.exception(TIMEOUT) and blocked.running.result(TIMEOUT)
    for future in (blocked.running, failed, cancelled):
        threads = []
        future.add_done_callback(lambda _, threads=threads: threads.append(threading.current_thread()))
        assert threads == [threading.current_thread()]


def test_cb_03_a_callback_that_raises_has_no_other_effect(blocked, caplog):
    called = threading.Event()
    blocked.running.add_done_callback(lambda _: faults.refuse())
    blocked.running.add_done_callback(lambda _: called.set())
    with caplog.at_level(logging.ERROR, "concurrent.futures"):
        blocked.release()
        assert called.wait(TIMEOUT) and blocked.running.result(TIMEOUT)
        blocked.running.add_done_callback(lambda _: faults.refuse())
    assert len(caplog.records) == caplog.text.count("PicklingError: refused by the test") == 2
    assert blocked.submit(calls.double, 2).result(TIMEOUT) == 4


def test_cb_04a_callbacks_continue_chains(pool):
    lengths = {"a": 60, "b": 30, "c": 40}
    seen, ended = {name: [] for name in lengths}, threading.Semaphore(0)

    def go_on(name, future):
        left = future.result()
        seen[name].append(left)
        if left == 0:
            ended.release()
        else:
            submit(name, left - 1)

    def submit(name, left):
        pool.submit(faults.return_, left).add_done_callback(lambda future: go_on(name, future))

    for name, length in lengths.items():
        submit(name, length)
    assert all(ended.acquire(timeout=TIMEOUT) for _ in lengths)
    assert seen == {name: list(range(length, -1, -1)) for name, length in lengths.items()}


@pytest.mark.parametrize("fault", faults.FAULTS)
@pytest.mark.parametrize("what", ["argument", "call", "result"])
def test_cb_04b_a_callback_submits_a_call_with_a_fault(pool, fault, what):
    later, submitted = [], threading.Event()
    if what == "argument":
        bad = (faults.return_, faults.AtUnpickle(fault))
    elif what == "call":
        bad = (faults.FAULTS[fault],)
    else:
        bad = (faults.AtPickle, fault)

    def submit(_):
        later.append(pool.submit(*bad))
        submitted.set()

    pool.submit(calls.sleep, 0.01).add_done_callback(submit)
    assert submitted.wait(TIMEOUT) and later[0].exception(TIMEOUT)
    assert pool.submit(calls.double, 2).result(TIMEOUT) == 4


def test_sub_01_a_pool_is_built_and_used_by_another_thread():
    results = []

    def use():
        with ProcessPoolExecutor(1) as pool:
            results.extend(
                future.result(TIMEOUT) for future in [pool.submit(calls.double, n) for n in range(9)]
            )

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(TIMEOUT)
    assert results == [2 * n for n in range(9)]


def test_sub_02a_submits_after_shutdown_are_refused_while_calls_run(blocked):
    blocked.shutdown(wait=False)
    assert blocked.running.running()
    with pytest.raises(RuntimeError, match="after shutdown"):
        blocked.submit(calls.double, 1)


def test_sub_03_submits_do_not_wait_for_workers(blocked):
    begin = time.monotonic()
    waiting = [blocked.submit(calls.double, n) for n in range(1000)]
    assert time.monotonic() - begin < 5 and len(blocked.stats()["workers"]) == 1
    blocked.release()
    assert sum(future.result(TIMEOUT) for future in waiting) == 999_000


class Watched:
    """Can be referred to weakly."""

    def method(self):
        return None


def test_sub_05a_the_caller_keeps_nothing_of_a_call_that_has_ended(pool):
    watched = Watched()
    collected = threading.Event()
    reference = weakref.ref(watched, lambda _: collected.set())
    pool.submit(watched.method)
    del watched
    assert collected.wait(TIMEOUT) and reference() is None
    future = pool.submit(calls.double, 1)
    dropped = weakref.ref(future)
    del future
    wait_until("the future is dropped", lambda: gc.collect() >= 0 and dropped() is None)


def test_wait_06_no_completion_is_lost_while_threads_begin_to_wait(pool):
    for _ in range(50):
        futures = [pool.submit(calls.double, n) for n in range(10)]
        done, left = concurrent.futures.wait(futures, TIMEOUT)
        assert len(done) == 10 and not left


def test_wait_07_a_cancelled_call_is_done_at_once(blocked):
    last = [blocked.submit(calls.double, n) for n in range(100)][-1]
    assert last.cancel()
    done, _ = concurrent.futures.wait([last, blocked.running], TIMEOUT, concurrent.futures.FIRST_COMPLETED)
    assert done == {last}
    assert next(concurrent.futures.as_completed([blocked.running, last], TIMEOUT)) is last
