"""Runs the tests of CPython for its process pool, those of the interpreter that runs this, against this one.

    python tests/stdlib_suite.py [--verbose]

The interpreter is that of a virtual environment with the package, into which a file is written that exchanges
the class in the processes that the tests start. Each test passes or is in the table below; exits with 1
otherwise. Only the variants for "spawn" are run: the others are the same tests with other ways of starting a
worker, of which this pool has one.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import os
import sys
import sysconfig
import unittest
import warnings

PRIVATE = "uses a private attribute: "

# Why a test is not applicable, by its name.
NOT_APPLICABLE = {
    "test_killed_child": PRIVATE + "_processes",
    "test_saturation": PRIVATE + "_processes, after calls that cannot be pickled",
    "test_idle_process_reuse_one": PRIVATE + "_processes",
    "test_idle_process_reuse_multiple": PRIVATE + "_processes",
    "test_max_tasks_per_child": PRIVATE + "_processes",
    "test_max_tasks_per_child_defaults_to_spawn_context": PRIVATE + "_mp_context",
    "test_processes_terminate": PRIVATE + "_processes, after calls that cannot be pickled",
    "test_context_manager_shutdown": PRIVATE + "_processes",
    "test_del_shutdown": PRIVATE + "_executor_manager_thread",
    "test_shutdown_no_wait": PRIVATE + "_processes",
    "test_shutdown_deadlock_pickle": PRIVATE + "_executor_manager_thread",
    "test_python_finalization_error": PRIVATE + "threading._start_joinable_thread, for its second thread",
    "ProcessPoolSpawnFailingInitializerTest.test_initializer": PRIVATE
    + "_broken, and a queue of multiprocessing in initargs, which this pool refuses",
    "FailingInitializerResourcesTest.test_spawn": PRIVATE
    + "_broken, through ProcessPoolSpawnFailingInitializerTest",
}

MODULES = (
    "test_as_completed",
    "test_deadlock",
    "test_init",
    "test_process_pool",
    "test_shutdown",
    "test_wait",
)

EXCHANGE = """
import concurrent.futures, concurrent.futures.process, runner_pool
class ProcessPoolExecutor(runner_pool.ProcessPoolExecutor):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"on_crash": "break", **kwargs})
concurrent.futures.ProcessPoolExecutor = concurrent.futures.process.ProcessPoolExecutor = ProcessPoolExecutor
"""


class Result(unittest.TestResult):
    """Notes the verdict on each test."""

    def __init__(self, verbose: bool) -> None:
        super().__init__()
        self.verdicts: dict[str, str] = {}
        self.verbose = verbose

    def startTest(self, test):
        super().startTest(test)
        # A test that hangs ends the suite with the stacks of all threads.
        faulthandler.dump_traceback_later(120, exit=True)

    def _note(self, test: unittest.TestCase, verdict: str, details: str = "") -> None:
        name = name_of(test)
        self.verdicts[name] = verdict
        if self.verbose or verdict == "FAILED":
            print(f"{verdict:12} {name} {details}", flush=True)

    def addSuccess(self, test):
        self._note(test, "passed")

    def addError(self, test, err):
        self._note(test, "FAILED", self._exc_info_to_string(err, test))

    addFailure = addError

    def addSkip(self, test, reason):
        self._note(test, "skipped", reason)


def name_of(test: unittest.TestCase) -> str:
    return ".".join(test.id().split(".")[-2:])


def reason(test: unittest.TestCase) -> str | None:
    name = name_of(test)
    return NOT_APPLICABLE.get(name) or NOT_APPLICABLE.get(name.split(".")[-1])


def tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def is_ours(test: unittest.TestCase) -> bool:
    name = type(test).__name__
    return "ProcessPoolSpawn" in name or name_of(test).endswith("ResourcesTest.test_spawn")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--only", default="", help="run the tests whose names contain this")
    arguments = parser.parse_args()
    if sys.prefix == sys.base_prefix:
        print("run this in a virtual environment", file=sys.stderr)
        return 2
    exchange = os.path.join(sysconfig.get_path("purelib"), "runner_pool_stdlib_suite.pth")
    # A file of this kind has lines that are executed at each start; `exec` makes one of all.
    with open(exchange, "w") as file:
        file.write(f"import os; exec({EXCHANGE!r}) if os.environ.get('RUNNER_POOL_SUITE') else None\n")
    os.environ["RUNNER_POOL_SUITE"] = "1"
    exec(EXCHANGE, {})
    try:
        return run(arguments.verbose, arguments.only)
    finally:
        os.remove(exchange)


def run(verbose: bool, only: str) -> int:
    suite = unittest.TestSuite()
    loader = unittest.TestLoader()
    not_applicable = {}
    for module in MODULES:
        loaded = importlib.import_module(f"test.test_concurrent_futures.{module}")
        for test in filter(is_ours, tests_of(loader.loadTestsFromModule(loaded))):
            because = reason(test)
            if only not in name_of(test):
                continue
            if because is None:
                suite.addTest(test)
            else:
                not_applicable[name_of(test)] = because
    result = Result(verbose)
    with warnings.catch_warnings():
        suite.run(result)
    verdicts = list(result.verdicts.values())
    for name, because in sorted(not_applicable.items()):
        print(f"{'n/a':12} {name}: {because}")
    print(
        f"Python {sys.version.split()[0]}: {verdicts.count('passed')} passed, "
        f"{len(not_applicable)} not applicable, "
        f"{verdicts.count('skipped')} skipped by themselves, {verdicts.count('FAILED')} failed"
    )
    return 1 if "FAILED" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
