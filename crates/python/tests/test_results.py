"""The iterator that `map` returns."""

from __future__ import annotations

import gc
import weakref

import calls
import pytest
from conftest import TIMEOUT, start, wait_until
from runner_pool import ProcessPoolExecutor


def stop_at_two(number):
    return next(iter(())) if number == 2 else number


class StopsWhenPickled:
    def __reduce__(self):
        raise StopIteration


@pytest.mark.parametrize("options", [{}, {"buffersize": 2}, {"chunksize": 3}])
def test_stop_iteration_of_a_call_does_not_end_a_map(pool, options):
    results = pool.map(stop_at_two, range(6), **options)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(RuntimeError, match="generator raised StopIteration") as raised:
        next(results)
    assert isinstance(raised.value.__cause__, StopIteration)
    assert list(results) == []


def test_stop_iteration_of_arguments_does_not_end_a_map(pool):
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        list(pool.map(calls.double, [1, StopsWhenPickled(), 3]))


def test_a_lazy_map_after_shutdown_ends_with_what_submit_raises():
    with ProcessPoolExecutor(1) as pool:
        results = pool.map(calls.double, range(10), buffersize=4)
        taken = [next(results)]
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        for result in results:
            taken.append(result)
    assert taken == [0, 2, 4, 6, 8]
    assert list(results) == []


def test_a_lazy_map_whose_calls_are_all_submitted_completes_after_shutdown():
    with ProcessPoolExecutor(1) as pool:
        results = pool.map(calls.double, range(3), buffersize=4)
    assert list(results) == [0, 2, 4]


@pytest.mark.parametrize("chunksize", [1, 3])
def test_shutdown_while_a_map_submits(chunksize):
    pool = ProcessPoolExecutor(1)

    def numbers():
        yield 1
        pool.shutdown()
        yield 2

    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        list(pool.map(calls.double, numbers(), chunksize=chunksize))


def test_a_lazy_map_keeps_its_executor():
    pool = ProcessPoolExecutor(1)
    results, reference = pool.map(calls.double, range(10), buffersize=2), weakref.ref(pool)
    del pool
    gc.collect()
    assert list(results) == [2 * n for n in range(10)]
    wait_until("the executor is gone", lambda: gc.collect() or reference() is None)


def test_results_that_their_own_arguments_refer_to_are_collected(pool):
    class Holder:
        pass

    def numbers(holder):
        yield from range(100)
        del holder

    holder = Holder()
    holder.results = pool.map(calls.double, numbers(holder), buffersize=3)
    references = [weakref.ref(holder), weakref.ref(holder.results)]
    del holder
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_only_one_thread_takes_a_result(pool):
    refusals = []

    def numbers():
        yield 1
        for use in (next, type(results).close):
            # The thread of the test is in `next`, which takes this argument.
            for refused in (start(use, results), start(lambda use=use: use(results))):
                refusals.append(refused.exception(TIMEOUT))
        yield 2

    results = pool.map(calls.double, numbers(), buffersize=1)
    assert list(results) == [2, 4]
    assert [repr(refusal) for refusal in refusals] == ["ValueError('generator already executing')"] * 4
