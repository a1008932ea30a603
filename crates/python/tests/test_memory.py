"""Memory of functions, and descriptors of arrays: both are bounded, and given back."""

from __future__ import annotations

import functools
import gc
import os

import calls
import pytest
from conftest import TIMEOUT, wait_until, workers_of

from runner_pool import ProcessPoolExecutor

MIB = 1 << 20


def stored():
    """Returns the size of all functions that the pools of this process keep, in bytes."""
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    files = [name for name in names if os.path.lexists(name) and "runner-functions" in os.readlink(name)]
    return sum(os.stat(name).st_blocks * 512 for name in files)


def resident(pid="self"):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def first(data, number):
    """Returns what depends on both, so that neither can be left out."""
    return data[0] + number


def fail_with(data, number):
    raise ValueError(number)


@pytest.fixture
def single():
    """A pool with one worker, which has started; no other pool of this process has functions."""
    gc.collect()
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(calls.double, 1).result(TIMEOUT) == 2
        yield pool


def are_freed(limit=MIB):
    gc.collect()
    wait_until("functions are freed", lambda: stored() < limit)


def test_functions_with_much_data_are_freed_when_they_end(single):
    (worker,) = workers_of(os.getpid())
    before, before_worker = resident(), resident(worker)
    for number in range(40):
        data = bytes([number]) * (10 * MIB)
        assert single.submit(lambda data=data: data[0]).result(TIMEOUT) == number
    del data
    are_freed()
    assert single.submit(calls.double, 1).result(TIMEOUT) == 2
    assert resident() - before < 60 * MIB
    assert resident(worker) - before_worker < 60 * MIB


def test_functions_with_much_data_that_exist_are_bounded(single):
    (worker,) = workers_of(os.getpid())
    functions = []
    for number in range(20):
        data = bytes([number]) * (10 * MIB)
        functions.append(lambda data=data: data[0])
        assert single.submit(functions[-1]).result(TIMEOUT) == number
    wait_until("the oldest are freed", lambda: stored() < 65 * MIB)
    assert stored() > 50 * MIB, "the newest are kept"
    assert resident(worker) < 140 * MIB
    # All of them can be called again, also the one of which the pool has nothing any more.
    assert [single.submit(function).result(TIMEOUT) for function in functions] == list(range(20))


def test_one_function_with_much_data_is_sent_once(single):
    data = bytes([3]) * (10 * MIB)
    futures = [single.submit(lambda n, data=data: data[0] + n, n) for n in range(3)]
    assert [future.result(TIMEOUT) for future in futures] == [3, 4, 5]

    def add(n):
        return data[0] + n

    futures = [single.submit(add, n) for n in range(500)]
    assert stored() < 45 * MIB
    assert [future.result(TIMEOUT) for future in futures] == list(range(3, 503))


def test_maps_of_functions_with_much_data_free_them(single):
    (worker,) = workers_of(os.getpid())
    before = resident(worker)
    for number in range(30):
        function = functools.partial(first, bytes([number]) * (10 * MIB))
        assert list(single.map(function, range(100))) == list(range(number, number + 100))
        data = bytes([number]) * (10 * MIB)
        assert list(single.map(lambda n, data=data: first(data, n), range(3)))[0] == number
    are_freed()
    assert single.submit(calls.double, 1).result(TIMEOUT) == 2
    assert resident(worker) - before < 100 * MIB, "of 600, some of which the allocator may keep"


def test_maps_that_end_early_free_their_functions(single):
    data = bytes(MIB)
    for _ in range(20):
        results = single.map(functools.partial(first, data), range(50))
        assert next(results) == 0
        results.close()
    for _ in range(20):
        assert next(single.map(functools.partial(first, data), range(50))) == 0
    for _ in range(20):
        with pytest.raises(ValueError):
            list(single.map(functools.partial(fail_with, data), range(3)))
    for _ in range(20):
        results = single.map(functools.partial(first, data), range(3), buffersize=1)
        assert next(results) == 0
        del results
    are_freed()


def test_a_function_is_kept_until_its_last_call_has_ended(single, tmp_path):
    single.submit(calls.mark_and_wait, str(tmp_path))
    data = bytes([5]) * MIB
    future = single.submit(lambda n: data[0] + n, 2)
    results = single.map(functools.partial(first, data), [3])
    gc.collect()
    assert stored() >= 2 * MIB
    (tmp_path / "go").touch()
    assert (future.result(TIMEOUT), list(results)) == (7, [8])
    are_freed()


def test_small_functions_are_freed(single):
    text = "x" * 2000
    futures = [single.submit(lambda number=number: (number, text)) for number in range(5000)]
    assert [future.result(TIMEOUT)[0] for future in futures] == list(range(5000))
    del futures
    are_freed()
    functions = [lambda number=number: number for number in range(3000)]
    for number, function in enumerate(functions):
        assert single.submit(function).result(TIMEOUT) == number
    are_freed(8 * MIB)


def test_a_function_that_calls_itself_is_freed(single):
    def make(data):
        def count(n):
            return len(data) if n == 0 else count(n - 1)

        return count

    for _ in range(20):
        assert single.submit(make(bytes(MIB)), 3).result(TIMEOUT) == MIB
    are_freed(3 * MIB)


def test_a_forked_process_does_not_free_the_functions_of_its_parent():
    def answer():
        return 42

    with ProcessPoolExecutor(1, max_tasks_per_child=1) as pool:
        assert pool.submit(answer).result(TIMEOUT) == 42
        size = stored()
        child = os.fork()
        if child == 0:
            pool._functions._known.clear()
            gc.collect()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert stored() == size > 0
        # By a worker that has not loaded it.
        assert pool.submit(answer).result(TIMEOUT) == 42
