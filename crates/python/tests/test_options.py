"""Arguments of the executor, and what workers have of the caller."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import warnings

import calls
import pytest
from conftest import run
from runner_pool import ProcessPoolExecutor, RemoteError


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"max_memory": -1}, ValueError),
        ({"max_memory": 0}, ValueError),
        ({"max_memory": "inf"}, ValueError),
        ({"max_memory": float("nan")}, ValueError),
        ({"max_memory": "1X"}, ValueError),
        ({"max_memory": []}, TypeError),
        ({"retries": -1}, ValueError),
        ({"retries": 1.5}, TypeError),
        ({"mp_context": "spawn"}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"on_crash": "ignore"}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(arguments, error):
    with pytest.raises(error):
        ProcessPoolExecutor(1, **arguments)


def test_sizes_are_numbers_or_strings():
    for size in (1e9, 1_000_000_000, "1G", "1.5 GiB", "900MB"):
        with ProcessPoolExecutor(1, max_memory=size) as pool:
            assert pool.submit(calls.double, 1).result() == 2


def test_a_context_warns_at_the_line_of_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ProcessPoolExecutor(1, multiprocessing.get_context("fork")).shutdown()
    assert [warning.filename for warning in caught] == [__file__]


def interrupted_program():
    program = subprocess.Popen(["sleep", "60"])
    program.send_signal(signal.SIGINT)
    try:
        return program.wait(timeout=20)
    finally:
        program.kill()


def test_programs_of_calls_are_interrupted_by_sigint(pool):
    assert pool.submit(interrupted_program).result() == -signal.SIGINT


def test_sigint_has_no_effect_on_workers(pool):
    workers = {pool.submit(os.getpid).result() for _ in range(10)}
    futures = [pool.submit(calls.double, number) for number in range(20_000)]
    for _ in range(1000):
        for worker in workers:
            os.kill(worker, signal.SIGINT)
    assert [future.result() for future in futures] == [2 * number for number in range(20_000)]
    assert {pool.submit(os.getpid).result() for _ in range(10)} <= workers | {
        worker["pid"] for worker in pool.stats()["workers"]
    }
    assert not any(future.exception() for future in futures)


def test_a_function_of_a_folder_that_was_added_to_the_path_later(tmp_path, monkeypatch):
    (tmp_path / "added_later.py").write_text("def answer():\n    return 42\n")
    with ProcessPoolExecutor(1) as pool:
        pool.submit(calls.double, 1).result()
        monkeypatch.syspath_prepend(tmp_path)
        import added_later  # type: ignore[import-not-found]

        assert pool.submit(added_later.answer).result() == 42
        assert list(pool.map(len, [[1]])) == [1]


VARIABLES = """
from runner_pool import ProcessPoolExecutor

rate = 1
def price(amount, factor=1):
    return amount * rate * factor

def helper():
    return 1

def with_helper():
    return helper()

def counter():
    count = 1
    def get():
        return count
    def increase():
        nonlocal count
        count += 1
    return get, increase

with ProcessPoolExecutor(1) as pool:
    before = pool.submit(price, 10).result()
    rate = 3
    after = pool.submit(price, 10).result()
    price.__defaults__ = (2,)
    print(before, after, pool.submit(price, 10).result())

    first = pool.submit(with_helper).result()
    def helper():
        return 2
    print(first, pool.submit(with_helper).result())

    get, increase = counter()
    first = pool.submit(get).result()
    increase()
    print(first, pool.submit(get).result())
"""


def test_submit_sends_a_function_again_if_its_variables_were_assigned_to():
    ended = run(VARIABLES)
    assert (ended.stdout, ended.stderr) == ("10 30 60\n1 2\n1 2\n", "")


SPAWNED = """
import multiprocessing, sys
from runner_pool import ProcessPoolExecutor

class Number:
    def __init__(self, value):
        self.value = value

def next_number(number):
    return Number(number.value + 1)

def child():
    with ProcessPoolExecutor(1) as pool:
        print(pool.submit(next_number, Number(1)).result().value)
        print([number.value for number in pool.map(next_number, [Number(5)])])

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join(60)
    sys.exit(process.exitcode)
"""


def test_a_pool_in_a_process_that_multiprocessing_has_spawned(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(SPAWNED)
    ended = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("2\n[6]\n", "", 0)


PROMPT = """
import sys, time
from runner_pool import ProcessPoolExecutor
sys.ps1 = ">>> "
sys.last_type = KeyboardInterrupt
pool = ProcessPoolExecutor(1)
future = pool.submit(time.sleep, 0.2)
future.add_done_callback(lambda future: print("cancelled" if future.cancelled() else "done"))
"""


def test_an_earlier_interrupt_at_a_prompt_cancels_nothing():
    assert run(PROMPT).stdout == "done\n"


FLAGS = """
import sys
from runner_pool import ProcessPoolExecutor
with ProcessPoolExecutor(1) as pool:
    print(pool.submit(sys.get_int_max_str_digits).result())
    print(pool.submit(eval, "__import__('sys').pycache_prefix").result())
"""


def test_workers_have_all_flags_of_the_interpreter():
    flags = ["-X", "int_max_str_digits=1000", "-X", "pycache_prefix=/nonexistent"]
    ended = subprocess.run(
        [sys.executable, *flags, "-c", FLAGS], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "1000\n/nonexistent\n"


class RefusesAssignments(Exception):
    def __setattr__(self, name, value):
        raise AttributeError(f"{name} cannot be assigned to")


class ExitsWhenPickled(Exception):
    def __reduce__(self):
        sys.exit(4)


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    number: int


def raise_error(error, *arguments):
    raise error(*arguments)


def test_exceptions_that_refuse_assignments(pool):
    with pytest.raises(RefusesAssignments) as caught:
        pool.submit(raise_error, RefusesAssignments, "text").result()
    assert "raise_error" in str(caught.value.__cause__)
    with pytest.raises(RemoteError, match="Frozen: 3") as frozen:
        pool.submit(raise_error, Frozen, 3).result()
    assert "raise_error" in str(frozen.value.__cause__)


def test_an_exception_that_exits_when_it_is_pickled(pool):
    with pytest.raises(RemoteError, match="ExitsWhenPickled") as caught:
        pool.submit(raise_error, ExitsWhenPickled).result()
    assert "raise_error" in str(caught.value.__cause__)
    assert pool.submit(calls.double, 1).result() == 2


def thread_variable():
    return os.environ.get("OMP_NUM_THREADS")


def test_threads_per_worker():
    with ProcessPoolExecutor(1, threads_per_worker=3) as pool:
        assert pool.submit(thread_variable).result() == "3"
