"""Memory of functions, and descriptors of arrays: both are bounded, and given back."""

from __future__ import annotations

import functools
import gc
import os
from pathlib import Path

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


# Begins programs with few descriptors.
FEW = """
import os, resource, sys, calls, numpy as np
from runner_pool import ProcessPoolExecutor
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

def check_others():
    for file in [open(os.devnull) for _ in range(80)]:
        file.close()
"""


def check(ended):
    assert ended.code == 0, ended.errors


def test_a_map_over_more_arrays_than_descriptors(run_program):
    text = """
with ProcessPoolExecutor(2) as pool:
    arrays = [np.full(10_000, n) for n in range(1500)]
    results = pool.map(np.sum, arrays)
    check_others()
    assert list(results) == [10_000 * n for n in range(1500)]
    results = list(pool.map(np.add, arrays, [1] * 1500))
    check_others()
    assert all((result == n + 1).all() for n, result in enumerate(results))
"""
    pytest.importorskip("numpy")
    check(run_program(FEW + text))


def test_more_queued_calls_with_arrays_than_descriptors(run_program, tmp_path):
    text = """
with ProcessPoolExecutor(1) as pool:
    pool.submit(calls.mark_and_wait, sys.argv[1])
    futures = [pool.submit(np.sum, np.full(10_000, n)) for n in range(1000)]
    futures += [pool.submit(len, bytes([n % 256]) * 100_000) for n in range(1000)]
    check_others()
    open(sys.argv[1] + "/go", "w").close()
    assert [future.result(60) for future in futures[:1000]] == [10_000 * n for n in range(1000)]
    assert all(future.result(60) == 100_000 for future in futures[1000:])
"""
    pytest.importorskip("numpy")
    check(run_program(FEW + text, tmp_path))


def test_more_arrays_in_one_call_than_descriptors(run_program):
    text = """
def halves(arrays):
    return [array / 2 for array in arrays]

with ProcessPoolExecutor(2) as pool:
    arrays = [np.full(10_000, n) for n in range(1000)]
    for future in [pool.submit(halves, arrays) for _ in range(3)]:
        results = future.result(60)
        assert all((result == n / 2).all() for n, result in enumerate(results)) and len(results) == 1000
    check_others()
"""
    pytest.importorskip("numpy")
    check(run_program(FEW + text))


def test_results_are_received_without_more_mappings(run_program):
    text = """
import mmap, numpy as np
from runner_pool import ProcessPoolExecutor
with ProcessPoolExecutor(1) as pool:
    pool.submit(np.ones, 10).result(60)
    maps = []
    try:
        while len(maps) < 1 << 20:
            # The system would merge neighbors that have the same protection.
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if len(maps) % 2 else 0)
            maps.append(mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=protection))
    except OSError:
        pass
    assert len(maps) < 1 << 20
    results = list(pool.map(np.full, [8192] * 500, range(500)))
    assert all((result == n).all() for n, result in enumerate(results))
    maps.clear()
"""
    pytest.importorskip("numpy")
    limit = int(Path("/proc/sys/vm/max_map_count").read_text())
    if limit > 1 << 18:
        pytest.skip("the system allows too many mappings")
    check(run_program(text))


def test_errors_of_the_system_are_reported_as_they_are(pool):
    class Refused:
        def __reduce__(self):
            attempts.append(1)
            raise OSError(24, "no more of them")

    attempts = []
    with pytest.raises(OSError, match="no more of them"):
        pool.submit(calls.double, Refused()).result(TIMEOUT)
    with pytest.raises(OSError, match="no more of them"):
        pool.submit(functools.partial(calls.add, Refused())).result(TIMEOUT)
    with pytest.raises(OSError, match="no more of them"):
        list(pool.map(calls.double, [Refused()]))
    with pytest.raises(OSError, match="no more of them"):
        pool.map(functools.partial(calls.add, Refused()), [1])
    assert len(attempts) == 4, "each is pickled once"
