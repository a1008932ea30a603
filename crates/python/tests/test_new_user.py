"""What a new user tries, each in a program of its own.

A program is a file, a command (`python -c`) and text on standard input. Each ends in bounded time; what fails
has an exception of its own, and the other calls of the same pool have their results. Nothing is left.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from leftovers import Program, processes, wait_until

ROOT = Path(__file__).parents[3]

# A program does this with all that a pool is given; a machine with other work takes a multiple of its time.
BOUND = 25

# Sends a call among others, and prints its exception. The others have results, and so has one sent later.
PRELUDE = """
import asyncio, ctypes, os, signal, sys, threading, time
from concurrent.futures import CancelledError
from runner_pool import ProcessPoolExecutor

def double(number):
    return 2 * number

def attempt(pool, function, *arguments):
    others = [pool.submit(double, n) for n in range(20)]
    future = pool.submit(function, *arguments)
    others += [pool.submit(double, n) for n in range(20, 40)]
    error = future.exception(20)
    assert [other.result(20) for other in others] == [2 * n for n in range(40)]
    assert list(pool.map(double, range(10))) == [2 * n for n in range(10)]
    if error is None:
        print("result:", future.result())
    else:
        print(f"{type(error).__name__}: {error}")
"""


def check(run_program, way, text, output, errors=""):
    ended = run_program(PRELUDE + textwrap.dedent(text), way=way)
    assert ended.code == 0, ended
    assert re.fullmatch(errors, ended.errors), ended
    assert re.fullmatch(output, ended.output.rstrip("\n")), ended
    assert ended.seconds < BOUND


# The programs that end well, with what they print.
PROGRAMS = {
    "a function in __main__": (
        """
        class Point:
            def __init__(self, x):
                self.x = x

        def move(point, by=1):
            return Point(double(point.x) + by)

        with ProcessPoolExecutor(2) as pool:
            moved = list(pool.map(move, [Point(1), Point(2)]))
            assert all(type(point) is Point for point in moved)
            attempt(pool, lambda: [point.x for point in moved])
        """,
        r"result: \[3, 5\]",
    ),
    "a lambda": (
        """
        with ProcessPoolExecutor(2) as pool:
            attempt(pool, lambda left, right: left + right, "a", "b")
        """,
        "result: ab",
    ),
    "a closure": (
        """
        def multiplier(factor):
            def multiply(number):
                return 1 if number == 0 else factor * multiply(number - 1)
            return multiply

        with ProcessPoolExecutor(2) as pool:
            assert [pool.submit(multiplier(n), 3).result(20) for n in (2, 3)] == [8, 27]
            attempt(pool, multiplier(5), 2)
        """,
        "result: 25",
    ),
    "a bound method": (
        """
        class Account:
            def __init__(self, balance):
                self.balance = balance

            def with_interest(self, rate):
                self.balance *= 1 + rate
                return self.balance

        account = Account(100)
        with ProcessPoolExecutor(2) as pool:
            attempt(pool, account.with_interest, 1)
            assert list(pool.map(account.with_interest, [0.5])) == [150]
        assert account.balance == 100
        """,
        "result: 200",
    ),
    "asyncio": (
        """
        async def main(pool):
            loop = asyncio.get_running_loop()
            calls = [loop.run_in_executor(pool, double, n) for n in range(20)]
            crash = asyncio.wrap_future(pool.submit(ctypes.string_at, 0))
            late = asyncio.wrap_future(pool.options(timeout=0.2).submit(time.sleep, 60))
            results = await asyncio.gather(*calls, crash, late, return_exceptions=True)
            assert results[:20] == [2 * n for n in range(20)]
            return [type(error).__name__ for error in results[20:]]

        with ProcessPoolExecutor(2) as pool:
            attempt(pool, str, asyncio.run(main(pool)))
        """,
        r"result: \['WorkerCrashed', 'JobTimeout'\]",
    ),
    "the namespace of a notebook": (
        """
        import types

        # As IPython has it: cells are executed in a module that takes the place of the main one.
        notebook = types.ModuleType("__main__")
        notebook.__dict__.update(pool=ProcessPoolExecutor(1), answers=[])
        program, sys.modules["__main__"] = sys.modules["__main__"], notebook
        def run_cell(cell):
            exec(compile(cell, "<cell>", "exec"), notebook.__dict__)

        run_cell("import os\\nclass Shape:\\n    def __init__(self, sides): self.sides = sides")
        run_cell("def sides(shape): return shape.sides + extra\\nextra = 0")
        run_cell("answers += pool.map(sides, [Shape(3), Shape(4)])")
        run_cell("extra = 10\\nanswers += pool.map(sides, [Shape(3)])")
        run_cell("def sides(shape): return -shape.sides")
        run_cell("answers.append(pool.submit(sides, Shape(5)).result())")
        run_cell("answers.append(type(pool.submit(os._exit, 1).exception(20)).__name__)")
        run_cell("answers.append(pool.submit(Shape, 8).result(20).__class__ is Shape)")
        run_cell("pool.shutdown()")
        print(notebook.answers)
        sys.modules["__main__"] = program
        """,
        r"\[3, 4, 13, -5, 'WorkerCrashed', True\]",
    ),
    "a segmentation fault": (
        """
        with ProcessPoolExecutor(2) as pool:
            attempt(pool, ctypes.string_at, 0)
        """,
        "WorkerCrashed: .*SIGSEGV.*",
    ),
    "os._exit": (
        """
        with ProcessPoolExecutor(2) as pool:
            attempt(pool, os._exit, 3)
        """,
        "WorkerCrashed: .*3.*",
    ),
    "an endless loop": (
        """
        def loop():
            while True:
                pass

        begin = time.monotonic()
        with ProcessPoolExecutor(2, timeout=0.3) as pool:
            attempt(pool, loop)
        assert time.monotonic() - begin < 15
        """,
        "JobTimeout: .*",
    ),
    "sys.exit": (
        """
        with ProcessPoolExecutor(2) as pool:
            attempt(pool, sys.exit, 4)
        """,
        "SystemExit: 4",
    ),
    "an exception that cannot be pickled": (
        """
        class Locked(Exception):
            def __init__(self, message):
                super().__init__(message)
                self.lock = threading.Lock()

        def fail():
            raise Locked("no key")

        with ProcessPoolExecutor(2) as pool:
            attempt(pool, fail)
            assert "in fail" in str(pool.submit(fail).exception(20).__cause__)
        """,
        "RemoteError: .*Locked: no key",
    ),
    "an argument that cannot be pickled": (
        """
        with ProcessPoolExecutor(2) as pool:
            attempt(pool, double, threading.Lock())
        """,
        "TypeError: cannot pickle '_thread.lock' object",
    ),
    "a result that cannot be unpickled": (
        """
        def refuse():
            raise ValueError("broken seal")

        class Sealed:
            def __reduce__(self):
                return refuse, ()

        with ProcessPoolExecutor(2) as pool:
            attempt(pool, Sealed)
        """,
        "ValueError: broken seal",
    ),
    "no shutdown": (
        """
        pool = ProcessPoolExecutor(2)
        attempt(pool, double, 21)
        sys.stdout.flush()
        late = pool.submit(lambda: time.sleep(0.2) or os.write(1, b"printed at the end"))
        crashed = pool.submit(os._exit, 1)
        """,
        "result: 42\nprinted at the end",
    ),
    "a fork": (
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of os.fork with threads

        pool = ProcessPoolExecutor(2)
        running = pool.submit(time.sleep, 0.5)
        assert pool.submit(double, 1).result(20) == 2
        child = os.fork()
        if child == 0:
            for use in (lambda: pool.submit(double, 1), lambda: running.result(0)):
                try:
                    use()
                except RuntimeError as error:
                    print(error, flush=True)
            with ProcessPoolExecutor(1) as own:
                assert own.submit(double, 4).result(20) == 8
            sys.exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
        assert running.result(20) is None
        attempt(pool, os._exit, 3)
        """,
        "(this pool was created before a fork.*\n){2}WorkerCrashed: .*",
    ),
    "a pool in a worker": (
        """
        def outer(number):
            with ProcessPoolExecutor(2) as inner:
                results = list(inner.map(double, range(number)))
                results.append(type(inner.submit(ctypes.string_at, 0).exception(20)).__name__)
                return results

        with ProcessPoolExecutor(2) as pool:
            attempt(pool, outer, 3)
        """,
        r"result: \[0, 2, 4, 'WorkerCrashed'\]",
    ),
}


@pytest.mark.parametrize("way", Program.ways)
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(run_program, name, way):
    check(run_program, way, *PROGRAMS[name])


@pytest.mark.parametrize("way", Program.ways)
def test_numpy_array(run_program, way):
    pytest.importorskip("numpy")
    program = """
        import numpy

        def scale(array, factor):
            array *= factor
            return array

        with ProcessPoolExecutor(2) as pool:
            for size in (3, 1_000_000):
                array = numpy.arange(size, dtype="f8")
                back = pool.submit(scale, array, 2).result(20)
                assert (back == 2 * array).all() and array[1] == 1
                back[0] = 7
            attempt(pool, numpy.sum, numpy.ones((1000, 1000)))
        """
    check(run_program, way, program, r"result: 1000000\.0")


def test_a_thousand_pools(run_program):
    program = """
        for number in range(1000):
            with ProcessPoolExecutor(2) as pool:
                if number % 50 == 0:
                    assert pool.submit(double, number).result(20) == 2 * number
        assert len(os.listdir("/proc/self/fd")) < 20 and threading.active_count() < 10
        left = [ProcessPoolExecutor(1) for _ in range(50)]
        assert [pool.submit(double, n).result(20) for n, pool in enumerate(left[:5])] == [0, 2, 4, 6, 8]
        print("done")
        """
    check(run_program, "file", program, "done")


INTERRUPTED = """
pool = ProcessPoolExecutor(2)
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell ignores it for what is in the background.
running = [pool.submit(time.sleep, 1000) for _ in range(2)]
while not all(future.running() for future in running):
    time.sleep(0.005)
print("ready", flush=True)
"""


@pytest.mark.parametrize("way", Program.ways)
def test_interrupt_in_result(tmp_path, way):
    program = Program(PRELUDE + INTERRUPTED + "running[0].result()", tmp_path, way=way)
    assert program.process.stdout.readline() == "ready\n"
    assert len(processes(program.mark)) == 3
    # As a terminal does it: to the whole group.
    os.killpg(program.process.pid, signal.SIGINT)
    ended = program.end()
    assert ended.code in (1, -signal.SIGINT), ended
    assert ended.errors.count("Traceback") == 1 and ended.errors.rstrip().endswith("KeyboardInterrupt"), ended
    assert ended.seconds < BOUND


def test_a_pool_is_usable_after_an_interrupt(tmp_path):
    text = """
try:
    running[0].result()
except KeyboardInterrupt:
    assert running[0].kill()
    try:
        running[0].result(20)
    except CancelledError:
        pass
    attempt(pool, double, 4)
    assert running[1].kill()
"""
    program = Program(PRELUDE + INTERRUPTED + text, tmp_path)
    assert program.process.stdout.readline() == "ready\n"
    program.process.send_signal(signal.SIGINT)
    ended = program.end()
    assert (ended.code, ended.output, ended.errors) == (0, "result: 8\n", "")


def examples(page):
    """Returns the examples of a page that use the executor."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [block for block in blocks if "with ProcessPoolExecutor" in block]


@pytest.mark.parametrize(
    ("page", "output"),
    [
        ("README.md", "".join(f"{number * number}\n" for number in range(10))),
        ("crates/python/README.md", "2\n1\n"),
        ("docs/src/python.md", "2\n1\n"),
    ],
)
def test_examples_of_the_pages(run_program, page, output):
    if not (ROOT / page).exists():
        pytest.skip(f"NOT RUN: {page} is not there")
    found = examples(page)
    assert found, f"{page} has no example"
    for example in found:
        ended = run_program(example)
        assert (ended.code, ended.output, ended.errors) == (0, output, ""), ended


def test_wheel_in_an_empty_environment(tmp_path):
    wheel = os.environ.get("RUNNER_POOL_WHEEL")
    if not wheel:
        pytest.skip("NOT RUN: RUNNER_POOL_WHEEL, the path of the wheel, is not set")
    python = tmp_path / "environment/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "environment"], check=True, timeout=120)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel]
    installed = subprocess.run(pip, capture_output=True, text=True, timeout=120)
    if installed.returncode != 0 and "cloudpickle" in installed.stderr:
        pytest.skip(f"NOT RUN: what the wheel requires cannot be installed: {installed.stderr}")
    assert installed.returncode == 0, installed.stderr
    example = examples("crates/python/README.md")[0]
    program = PRELUDE + "print(sys.prefix)\n" + example
    program += "with ProcessPoolExecutor(2) as pool:\n    attempt(pool, ctypes.string_at, 0)\n"
    ended = Program(program, tmp_path, python=str(python), PYTHONPATH="").end()
    assert ended.code == 0 and ended.errors == "", ended
    prefix, *lines = ended.output.splitlines()
    assert prefix == str(tmp_path / "environment") and lines[:2] == ["2", "1"]
    assert lines[2].startswith("WorkerCrashed")


def test_marks_find_processes_wherever_they_are(tmp_path):
    """The checks of this file see a process in a session of its own whose parent has ended."""
    text = """
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 3)
    time.sleep(1000)
    os._exit(0)
"""
    program = Program(PRELUDE + text, tmp_path)
    program.process.communicate(timeout=BOUND)
    wait_until("the process is found", lambda: len(processes(program.mark)) == 1)
    os.kill(processes(program.mark).pop(), signal.SIGKILL)
    assert program.end().code == 0
