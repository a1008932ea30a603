"""What can be called, and with what."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import math
import os
import subprocess
import sys
import threading

import calls
import pytest
from conftest import TIMEOUT, run, wait_until
from runner_pool import Future, ProcessPoolExecutor


def test_arguments_of_all_kinds(pool):
    assert pool.submit(calls.add, 1).result(TIMEOUT) == 1
    assert pool.submit(calls.add, 1, 2, more=3).result(TIMEOUT) == 6
    assert pool.submit(calls.add, left=1, right=2).result(TIMEOUT) == 3
    assert pool.submit(pow, 2, 10).result(TIMEOUT) == 1024
    assert pool.submit(math.sqrt, 9).result(TIMEOUT) == 3
    assert pool.submit(os.getpid).result(TIMEOUT) != os.getpid()


def test_calls_of_higher_priority_run_first(tmp_path):
    with ProcessPoolExecutor(1) as pool:
        held = pool.submit(calls.mark_and_wait, tmp_path)
        wait_until("the call runs", lambda: any(tmp_path.glob("started-*")))
        order = []
        for name, priority in [("a", 0), ("b", -1), ("c", 3), ("d", 0), ("e", 3)]:
            future = pool.options(priority=priority).submit(calls.double, name)
            future.add_done_callback(lambda future: order.append(future.result()))
        (tmp_path / "go").touch()
        held.result(TIMEOUT)
    assert order == ["cc", "ee", "aa", "dd", "bb"]
    with ProcessPoolExecutor(1) as pool, pytest.raises(OverflowError):
        pool.options(priority=1 << 31)


def test_lambda_and_closure(pool):
    factor = 3
    assert pool.submit(lambda n: n + 1, 4).result(TIMEOUT) == 5
    assert list(pool.map(lambda n: n * factor, range(4))) == [0, 3, 6, 9]

    def closure(number):
        return number * factor

    assert list(pool.map(closure, [2])) == [6]
    factor = 5
    assert list(pool.map(closure, [2])) == [10], "a map sees the variables as they are"


def test_methods_and_callable_objects(pool):
    counter = calls.Counter(10)
    assert pool.submit(counter.plus, 5).result(TIMEOUT) == 15
    assert list(pool.map(counter.plus, range(3))) == [10, 11, 12]
    assert pool.submit(calls.Counter.named, 3).result(TIMEOUT) == "Counter 3"
    assert pool.submit(calls.Counter.half, 9).result(TIMEOUT) == 4
    assert pool.submit(counter, 2).result(TIMEOUT) == 20
    assert pool.submit(functools.partial(calls.add, 1, more=2), 4).result(TIMEOUT) == 7
    counter.start = 20
    assert pool.submit(counter.plus, 5).result(TIMEOUT) == 25, "an object is sent as it is"
    assert pool.submit(calls.Counter, 7).result(TIMEOUT).start == 7


def test_map_is_in_order_and_takes_several_iterables(pool):
    assert list(pool.map(calls.double, range(5000))) == [2 * n for n in range(5000)]
    assert list(pool.map(calls.add, [1, 2, 3], [10, 20])) == [11, 22]
    assert list(pool.map(calls.double, [])) == []
    assert list(pool.map(calls.double, range(100), chunksize=7)) == [2 * n for n in range(100)]


def test_map_with_a_buffer_is_lazy(pool):
    taken = []
    endless = iter(lambda: taken.append(None) or len(taken), None)
    results = pool.map(calls.double, endless, buffersize=10)
    assert [next(results) for _ in range(30)] == [2 * n for n in range(1, 31)]
    assert len(taken) <= 40
    results.close()
    assert list(results) == []


def test_map_without_a_buffer_submits_everything(pool):
    taken = []
    pool.map(calls.double, iter(lambda: taken.append(None) or len(taken), 1000))
    assert len(taken) == 1000


def test_map_checks_its_arguments(pool):
    for arguments in ({"chunksize": 0}, {"buffersize": 0}):
        with pytest.raises(ValueError):
            pool.map(calls.double, [1], **arguments)


def test_map_times_out(pool):
    results = pool.map(calls.sleep, [0, 5], timeout=0.5)
    assert next(results) == 0
    with pytest.raises(TimeoutError):
        next(results)
    pool.kill_workers()


def test_map_raises_at_the_call_that_failed(pool):
    results = pool.map(calls.sleep, [0, -1, 0])
    assert next(results) == 0
    with pytest.raises(ValueError):
        next(results)
    assert list(results) == []

    def broken():
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError):
        pool.map(calls.double, broken())


def test_futures_are_those_of_the_standard_library(pool):
    futures = [pool.submit(calls.double, n) for n in range(100)]
    assert all(isinstance(future, concurrent.futures.Future) for future in futures)
    done, waiting = concurrent.futures.wait(futures, TIMEOUT)
    assert len(done) == 100 and not waiting
    results = {future.result() for future in concurrent.futures.as_completed(futures, TIMEOUT)}
    assert results == {2 * n for n in range(100)}
    called = threading.Event()
    pool.submit(calls.double, 1).add_done_callback(lambda future: called.set())
    assert called.wait(TIMEOUT)
    assert isinstance(futures[0], Future)


def test_asyncio(pool):
    async def main():
        loop = asyncio.get_running_loop()
        first = await loop.run_in_executor(pool, calls.double, 4)
        others = await asyncio.gather(*[loop.run_in_executor(pool, calls.double, n) for n in range(50)])
        wrapped = await asyncio.wrap_future(pool.submit(calls.add, 1, more=1))
        with pytest.raises(ValueError):
            await loop.run_in_executor(pool, calls.fail, "no")
        return first, others, wrapped

    assert asyncio.run(main()) == (8, [2 * n for n in range(50)], 2)


def test_waiting_from_several_threads(pool):
    future = pool.submit(calls.sleep, 0.2)
    results = []
    threads = [threading.Thread(target=lambda: results.append(future.result(TIMEOUT))) for _ in range(5)]
    [thread.start() for thread in threads]
    with pytest.raises(TimeoutError):
        future.result(0.01)
    [thread.join(TIMEOUT) for thread in threads]
    assert results == [0.2] * 5


def test_waiting_calls_can_be_cancelled(tmp_path):
    with ProcessPoolExecutor(1) as pool:
        running = pool.submit(calls.mark_and_wait, tmp_path)
        while not running.running():
            pass
        waiting = [pool.submit(calls.double, n) for n in range(10)]
        assert not running.cancel()
        cancelled = [future for future in waiting if future.cancel()]
        assert cancelled, "calls that are not assigned to a worker"
        (tmp_path / "go").touch()
        assert isinstance(running.result(TIMEOUT), int)
        for future in cancelled:
            assert future.cancelled()
            with pytest.raises(concurrent.futures.CancelledError):
                future.result(TIMEOUT)
        concurrent.futures.wait(waiting, TIMEOUT)


MAIN = """
from runner_pool import ProcessPoolExecutor

class Point:
    def __init__(self, x):
        self.x = x

def move(point):
    return Point(point.x + 1)

with ProcessPoolExecutor(2) as pool:
    moved = list(pool.map(move, [Point(1), Point(2)]))
    assert all(type(point) is Point for point in moved)
    print([point.x for point in moved], pool.submit(lambda: Point(7)).result().x)
"""


def test_main_needs_no_guard(tmp_path):
    assert run(MAIN).stdout == "[2, 3] 7\n"
    script = tmp_path / "script.py"
    script.write_text(MAIN)
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=TIMEOUT)
    assert (ended.stdout, ended.stderr) == ("[2, 3] 7\n", "")


def test_namespace_of_exec_like_that_of_a_notebook(pool):
    namespace = {"__name__": "__main__", "pool": pool}
    exec("def cube(n): return n ** 3\nanswer = list(pool.map(cube, range(4)))", namespace)
    assert namespace["answer"] == [0, 1, 8, 27]


def test_large_data_travels_both_ways(pool):
    data = os.urandom(3_000_000)
    assert pool.submit(bytes, data).result(TIMEOUT) == data
    assert pool.submit(len, bytearray(data)).result(TIMEOUT) == len(data)
    text = "\u00e9" * 100_000
    values = [data, bytearray(data), text, (1, data), [data, text], {1: bytearray(data)}, (data, {1: [data]})]
    for value, mapped in zip(values, pool.map(calls.same, values), strict=True):
        back = pool.submit(calls.same, value).result(TIMEOUT)
        assert back == mapped == value and type(back) is type(value)
    one = bytearray(data)
    left, right = pool.submit(calls.same, [one, one]).result(TIMEOUT)
    assert left is right, "one object stays one"
    left[0] ^= 1
    assert pool.submit(calls.add, data, more=b"x").exception(TIMEOUT) is not None
    del back, mapped, value, left, right
    wait_until("shared memory is closed", lambda: open_files_named("runner-payload") == 0)


def test_large_data_beside_objects_of_main():
    program = (
        "from runner_pool import ProcessPoolExecutor\n"
        "class Point:\n    x = 7\n"
        "def both(data, point):\n    return [data, point]\n"
        "with ProcessPoolExecutor(1) as pool:\n"
        "    data, point = pool.submit(both, bytes(200_000), Point()).result()\n"
        "print(len(data), point.x, type(point) is Point)\n"
    )
    assert run(program).stdout == "200000 7 True\n"


def test_arrays(pool):
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(1_000_000, dtype="f8").reshape(1000, 1000)
    back = pool.submit(numpy.add, array, 1).result(TIMEOUT)
    assert (back == array + 1).all()
    back[0, 0] = 5  # It may be changed.

    def change(array):
        array[0] = 7
        return array

    assert (pool.submit(change, array).result(TIMEOUT)[0] == 7).all()
    assert array[0, 1] == 1, "the caller's array is not changed"
    assert (pool.submit(numpy.transpose, array[:, ::2]).result(TIMEOUT) == array[:, ::2].T).all()
    small = pool.map(numpy.sum, [numpy.ones(n) for n in range(50)])
    assert list(small) == list(range(50))


def test_an_array_of_100_mb_for_each_worker(pool):
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(12_500_000, dtype="f8")
    futures = [pool.submit(numpy.add, array, n) for n in range(2)]
    for number, future in enumerate(futures):
        result = future.result(TIMEOUT)
        assert result[0] == number and result[-1] == len(array) - 1 + number
    del array, futures, future, result
    wait_until("shared memory is closed", lambda: open_files_named("runner-payload") == 0)


def open_files_named(name):
    """Number of open files of this process whose names contain this one."""
    links = (os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd"))
    return sum(name in os.readlink(link) for link in links if os.path.lexists(link))


def test_pool_in_a_worker(pool):
    assert pool.submit(calls.nested, 21).result(TIMEOUT) == 42
