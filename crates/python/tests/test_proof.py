"""Many calls while workers or the program are killed, large arrays, and scikit-learn."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path

import calls
import pytest
from conftest import TIMEOUT, wait_until, workers_of
from leftovers import Program, processes
from runner_pool import ProcessPoolExecutor, WorkerCrashed

CALLS = 100_000


class Killer:
    """Kills a worker of this process at random times, while it is used as a context."""

    def __init__(self, interval, seed=1):
        self._interval, self._chance = interval, random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.kills = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        while not self._ended.wait(self._chance.uniform(0.5, 1.5) * self._interval):
            if workers := workers_of(os.getpid()):
                os.kill(self._chance.choice(workers), signal.SIGKILL)
                self.kills += 1


def note(directory, number):
    """Notes, in a file of its worker, that a call begins."""
    with open(Path(directory, str(os.getpid())), "a", buffering=1) as file:
        file.write(f"{number}\n")
    return number


def test_workers_killed_at_random_lose_none_of_a_hundred_thousand_calls():
    """With retries, each call has its result."""
    with ProcessPoolExecutor(2, retries=1000) as pool, Killer(0.15) as killer:
        assert list(pool.map(calls.double, range(CALLS))) == [2 * n for n in range(CALLS)]
        while killer.kills < 3:
            assert list(pool.map(calls.double, range(CALLS))) == [2 * n for n in range(CALLS)]
    assert killer.kills >= 3 and pool.stats()["failed"] == 0


def test_workers_killed_at_random_fail_only_what_they_ran(tmp_path):
    """Without retries, a call begins once at most; it fails if its worker was killed while it ran, and each
    other has its result."""
    numbers = range(CALLS // 5)
    with ProcessPoolExecutor(2) as pool, Killer(0.3) as killer:
        futures = [pool.submit(note, tmp_path, n) for n in numbers]
        concurrent.futures.wait(futures, TIMEOUT)
    failed = [number for number, future in enumerate(futures) if future.exception(0) is not None]
    assert all(isinstance(futures[number].exception(), WorkerCrashed) for number in failed)
    assert all(futures[number].result() == number for number in set(numbers) - set(failed))
    begun = Counter(int(line) for file in tmp_path.iterdir() for line in file.read_text().split("\n")[:-1])
    assert set(numbers) - set(failed) <= set(begun)
    assert max(begun.values()) == 1, "no call begins twice"
    assert killer.kills >= 1 and len(failed) <= killer.kills


def test_no_worker_of_a_program_is_left_that_is_killed_at_any_time(tmp_path):
    text = """
import calls, sys
from runner_pool import ProcessPoolExecutor
pool = ProcessPoolExecutor(2)
print("ready", flush=True)
while True:
    list(pool.map(calls.double, range(1000)))
"""
    for delay in (0, 0.01, 0.05, 0.2):
        program = Program(text, tmp_path)
        assert program.process.stdout.readline() == "ready\n"
        threading.Event().wait(delay)  # Before the workers start, while they do, and after.
        program.process.kill()
        # A worker that is being started has a socket in the temporary directory.
        assert program.end(files=True).code == -signal.SIGKILL
        assert processes(program.mark) == set()


def test_100_mb_to_and_from_each_worker(tmp_path):
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(12_500_000, dtype="f8")

    def shift(array, number, count):
        array += number
        Path(tmp_path, f"arrived-{number}").touch()
        while len(list(tmp_path.glob("arrived-*"))) < count:
            pass
        return os.getpid(), array

    with ProcessPoolExecutor(2) as pool:
        futures = [pool.submit(shift, array, number, 2) for number in range(2)]
        pids = set()
        for number, future in enumerate(futures):
            pid, shifted = future.result(TIMEOUT)
            pids.add(pid)
            assert (shifted == array + number).all()
        assert len(pids) == 2 and (array[:3] == [0, 1, 2]).all()
    del futures, future, shifted
    wait_until(
        "shared memory is closed",
        lambda: not any("runner-payload" in name for name in map(target, os.listdir("/proc/self/fd"))),
    )


def target(descriptor):
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


SEARCH = """
import joblib, runner_pool
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

features, labels = load_iris(return_X_y=True)
runner_pool.register_joblib()
results = {}
for backend in ("sequential", "runner"):
    with joblib.parallel_config(backend=backend, n_jobs=2):
        search = GridSearchCV(SVC(), {"C": [0.1, 1, 10], "gamma": [0.01, 0.1]}, cv=3).fit(features, labels)
        forest = RandomForestClassifier(10, random_state=1)
        scores = cross_val_score(forest, features, labels, cv=4)
    columns = [name for name in search.cv_results_ if "score" in name and "time" not in name]
    table = {name: list(search.cv_results_[name]) for name in columns}
    results[backend] = table, search.best_params_, search.best_score_, list(scores)
assert results["sequential"] == results["runner"], results
print(len(columns), "columns are equal")
"""


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="NOT RUN: no scikit-learn")
def test_grid_search_of_scikit_learn_has_the_same_results(run_program):
    ended = run_program(SEARCH)
    assert (ended.code, ended.errors) == (0, ""), ended
    assert ended.output.endswith("columns are equal\n")
