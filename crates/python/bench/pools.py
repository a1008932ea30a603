"""Measures `runner_pool` against other pools, in one run, with two workers each:

    python pools.py [--calls N] [--rounds N]

Needs loky, numpy and scikit-learn. Prints a table in Markdown: medians of the rounds, in which the pools take
turns.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import multiprocessing
import os
import statistics
import sys
import time

import jobs
import search

WORKERS = 2


class Pool:
    """A pool with the methods that are measured."""

    name = ""

    def __init__(self):
        self.executor = self.create()

    def map(self, function, items, chunksize=None):
        extra = {} if chunksize is None else {"chunksize": chunksize}
        return list(self.executor.map(function, items, **extra))

    def submit(self, function, *args):
        return self.executor.submit(function, *args)

    def close(self):
        self.executor.shutdown()


class Ours(Pool):
    name = "runner_pool"

    def create(self):
        from runner_pool import ProcessPoolExecutor

        return ProcessPoolExecutor(WORKERS)


class Fork(Pool):
    name, method = "PPE fork", "fork"

    def create(self):
        context = multiprocessing.get_context(self.method)
        return concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context)


class Spawn(Fork):
    name, method = "PPE spawn", "spawn"


class Forkserver(Fork):
    name, method = "PPE forkserver", "forkserver"


class Loky(Pool):
    name = "loky"

    def create(self):
        import loky

        return loky.ProcessPoolExecutor(WORKERS)


class Applied:
    """A result of `multiprocessing.Pool`, as a future."""

    def __init__(self, applied):
        self.result = applied.get


class Multiprocessing(Pool):
    name = "multiprocessing.Pool"

    def create(self):
        return multiprocessing.get_context("fork").Pool(WORKERS)

    def submit(self, function, *args):
        return Applied(self.executor.apply_async(function, args))

    def close(self):
        self.executor.close()
        self.executor.join()


ALL = [Ours, Fork, Loky, Multiprocessing]


def seconds(action, *args):
    begin = time.perf_counter()
    action(*args)
    return time.perf_counter() - begin


def submit_all(pool, calls):
    futures = [pool.submit(jobs.increment, n) for n in range(calls)]
    [future.result() for future in futures]


def one_by_one(pool, calls):
    for n in range(calls):
        pool.submit(jobs.increment, n).result()


def start(pool):
    """Has all workers of a pool start."""
    pool.map(jobs.spin, [0.02] * (2 * WORKERS), 1)


def measure(kinds, rounds, action, calls, scale=1e6, prepare=start):
    """Returns the median time of a call for each kind of pool; the pools take turns."""
    times = {kind.name: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            pool = kind()
            try:
                prepare(pool)
                times[kind.name].append(seconds(action, pool) / calls * scale)
            finally:
                pool.close()
    return {name: statistics.median(measured) for name, measured in times.items()}


def first_result(kinds, rounds):
    times = {kind.name: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            begin = time.perf_counter()
            pool = kind()
            pool.submit(jobs.increment, 1).result()
            times[kind.name].append((time.perf_counter() - begin) * 1e3)
            pool.close()
    return {name: statistics.median(measured) for name, measured in times.items()}


def row(what, unit, times):
    others = [
        f"{name} {time:.{2 if time < 100 else 0}f}" for name, time in times.items() if name != Ours.name
    ]
    print(f"| {what} | {unit} | {times[Ours.name]:.2f} | {', '.join(others)} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    calls, rounds = arguments.calls, arguments.rounds
    few = max(1000, calls // 10)
    load = os.getloadavg()[0]
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} cores, load {load:.1f} before\n")
    print("| what | unit | runner_pool | others |\n|---|---|---|---|")

    times = measure([Ours], rounds, lambda pool: pool.map(jobs.increment, range(calls)), calls)
    times |= measure([Fork, Loky], rounds, lambda pool: pool.map(jobs.increment, range(few)), few)
    row(f"`map` of {calls} tiny calls, defaults (others {few})", "us a call", times)

    chunked = measure(
        [Fork, Loky, Multiprocessing],
        rounds,
        lambda pool: pool.map(jobs.increment, range(calls), 5000),
        calls,
    )
    row("the same, others in chunks of 5000", "us a call", {Ours.name: times[Ours.name], **chunked})

    times = measure(ALL, rounds, lambda pool: submit_all(pool, few), few)
    row(f"`submit` of {few} tiny calls, all results", "us a call", times)
    times = measure(ALL, rounds, lambda pool: one_by_one(pool, 1000), 1000)
    row("`submit().result()`, hot", "us a call", times)

    times = measure(ALL, rounds, lambda pool: pool.map(jobs.spin, [0.01] * 200, 1), 1, scale=1)
    row("speedup with 200 calls of 10 ms", "times serial", {name: 2 / time for name, time in times.items()})

    import numpy

    array = numpy.random.default_rng(1).random(1_250_000)
    # How many of the results are in use at the same time: their memory cannot be used again.
    for what, data, kept in (
        ("a numpy array", array, 1),
        ("numpy arrays, of which 10 are kept,", array, 10),
        ("bytes", array.tobytes(), 1),
    ):

        def exchange(pool, calls, data=data, kept=kept):
            results = collections.deque(maxlen=kept)
            for _ in range(calls):
                results.append(pool.submit(jobs.same, data).result())

        # Without the first calls, in which workers import numpy unless they were forked.
        times = measure(
            ALL, rounds, lambda pool: exchange(pool, 10), 10, 1e3, prepare=lambda pool: exchange(pool, 4)
        )
        row(f"{what} of 10 MB there and back", "ms", times)
    row("first result of a fresh pool", "ms", first_result([Ours, Fork, Spawn, Forkserver, Loky], 2 * rounds))
    for what, times in search.measure(WORKERS, rounds).items():
        row(what, "s", times)
    print(f"\nload {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
