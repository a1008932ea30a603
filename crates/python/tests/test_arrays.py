"""Memory of arrays: it is used again for other calls, but never by two arrays at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import TIMEOUT, wait_until, workers_of

from runner_pool import ProcessPoolExecutor

numpy = pytest.importorskip("numpy")

LENGTH = 200_000


def files(pid):
    """Returns the number of files with the memory of arrays that a process has open."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return sum("runner-payload" in link for link in links)


def test_results_are_writable_and_do_not_share_memory(pool):
    arrays = [numpy.full(LENGTH + 5000 * (n % 5), n, dtype="i8") for n in range(40)]
    results = [pool.submit(numpy.add, array, 1).result(TIMEOUT) for array in arrays]
    results += pool.map(numpy.add, arrays, [1] * len(arrays))
    for number, result in enumerate(results):
        assert result.flags.writeable and (result == number % 40 + 1).all()
        result[:] = -number
    for number, result in enumerate(results):
        assert (result == -number).all()
    assert all((array == number).all() for number, array in enumerate(arrays))


def test_arguments_that_a_worker_keeps_do_not_change():
    def keep(array):
        import builtins

        array[0] = -1
        kept = builtins.__dict__.setdefault("_kept", [])
        kept.append(array)
        return [int(array[0]) == -1 and bool((array[1:] == n).all()) for n, array in enumerate(kept)]

    with ProcessPoolExecutor(1) as pool:
        for number in range(20):
            correct = pool.submit(keep, numpy.full(LENGTH, number)).result(TIMEOUT)
            assert correct == [True] * (number + 1)


def test_one_array_in_several_places_of_a_result(pool):
    def same():
        array = numpy.full(LENGTH, 3)
        return array, [array, array[::2]], array + 1

    first, (second, half), other = pool.submit(same).result(TIMEOUT)
    assert first is second and (half == 3).all() and (other == 4).all()
    first[0] = 9
    assert second[0] == 9 and other[0] == 4


def test_few_files_are_open_and_none_when_idle():
    with ProcessPoolExecutor(1) as pool:
        array, most = numpy.ones(LENGTH), 0
        for _ in range(50):
            pool.submit(numpy.add, array, 1).result(TIMEOUT)
            (worker,) = workers_of(os.getpid())
            most = max(most, files(worker), files(os.getpid()))
        assert 0 < most <= 4
        wait_until("an idle pool has freed its memory", lambda: files(worker) + files(os.getpid()) == 0)
        assert (pool.submit(numpy.add, array, 1).result(TIMEOUT) == 2).all()
    assert files(os.getpid()) == 0


def test_memory_of_results_is_freed(pool):
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def make(length):
        return numpy.ones(length)

    pool.submit(make, LENGTH).result(TIMEOUT)
    before = resident()
    results = [pool.submit(make, 2_000_000).result(TIMEOUT) for _ in range(10)]
    assert resident() > before + 140_000_000
    del results
    # Some of it is kept for a second.
    wait_until("the memory is freed", lambda: resident() < before + 20_000_000)


def test_forked_process_keeps_the_results_as_they_are(pool):
    result = pool.submit(numpy.add, numpy.ones(LENGTH), 1).result(TIMEOUT)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read_end, 1)
        same = (result == 2).all()
        result[:] = 5
        os._exit(0 if same else 1)
    result[:] = 3
    others = [pool.submit(numpy.add, numpy.ones(LENGTH), n).result(TIMEOUT) for n in range(5)]
    os.write(write_end, b"x")
    assert os.waitpid(child, 0)[1] == 0
    assert (result == 3).all() and all((other == n + 1).all() for n, other in enumerate(others))
    os.close(read_end)
    os.close(write_end)
