"""The package with other libraries, and its other functions."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys

import calls
import pytest
import runner_pool
from conftest import TIMEOUT


def test_joblib_backend():
    joblib = pytest.importorskip("joblib")
    runner_pool.register_joblib()
    with joblib.parallel_config(backend="runner", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(calls.double)(n) for n in range(200)) == [
            2 * n for n in range(200)
        ]
        with pytest.raises(ValueError, match="no"):
            joblib.Parallel()(joblib.delayed(calls.fail)("no") for _ in range(3))
        assert joblib.Parallel()(joblib.delayed(lambda n: n + 1)(n) for n in range(5)) == [1, 2, 3, 4, 5]
    from runner_pool import _joblib

    _joblib._kept.close_unused()


def inner_threads(number):
    return os.environ["OMP_NUM_THREADS"]


def test_joblib_backend_limits_the_threads_of_libraries():
    joblib = pytest.importorskip("joblib")
    runner_pool.register_joblib()
    with joblib.parallel_config(backend="runner", n_jobs=2, inner_max_num_threads=3):
        assert joblib.Parallel()(joblib.delayed(inner_threads)(n) for n in range(4)) == ["3"] * 4
    from runner_pool import _joblib

    _joblib._kept.close_unused()


def test_joblib_backend_closes_executors_that_are_not_used():
    joblib = pytest.importorskip("joblib")
    runner_pool.register_joblib(initargs=([1], {}))
    from runner_pool import _joblib

    for workers in (2, 3, 2):
        with joblib.parallel_config(backend="runner", n_jobs=workers):
            assert joblib.Parallel()(joblib.delayed(calls.double)(n) for n in range(8))[7] == 14
            assert len(_joblib._kept._executors) == 1
    _joblib._kept.close_unused()


def test_version_is_that_of_the_distribution():
    assert runner_pool.__version__ == importlib.metadata.version("runner-pool")


def serve(program, requests):
    command = [sys.executable, "-c", f"import runner_pool\n{program}"]
    return subprocess.run(command, input=requests, capture_output=True, text=True, timeout=TIMEOUT)


def test_serve_json():
    ended = serve("def f(n):\n    print('noise')\n    return 1 / n\nrunner_pool.serve(f)", "4\n0\nx\n")
    replies = [json.loads(line) for line in ended.stdout.splitlines()]
    assert replies[0] == {"result": 0.25} and replies[1] == {"error": "division by zero"}
    assert "Expecting value" in replies[2]["error"] and len(replies) == 3
    assert ended.stderr.splitlines() == ["noise", "noise"]


def test_serve_text():
    ended = serve("runner_pool.serve(str.upper, protocol='text')", "one\ntwo\n")
    assert (ended.stdout, ended.returncode) == ("ONE\nTWO\n", 0)


def test_bench():
    report = runner_pool.bench(2, seconds=0.01, rounds=1)
    assert report.workers == 2 and "speedup" in str(report)
    sizes = [one.size for one in report.measurements]
    assert sizes == sorted(sizes) and all(one.serial > 0 and one.pool > 0 for one in report.measurements)
    # Work, not time: on a core of its own a call takes about its size, otherwise longer.
    assert report.measurements[-1].serial > sizes[-1] / 2
    assert 0 < report.round_trip < report.first_result
    for arguments in ({"seconds": 0}, {"rounds": 0}):
        with pytest.raises(ValueError):
            runner_pool.bench(2, **arguments)


def test_break_even_is_where_the_pool_stays_faster():
    from runner_pool._bench import Measurement, Report

    def report(*speedups):
        measured = [Measurement(n * 1e-6, speedup, 1.0) for n, speedup in enumerate(speedups, 1)]
        return Report(2, measured, 0.1, 1e-5)

    assert report(0.1, 1.5, 0.9, 1.2, 1.9).break_even == 4e-6
    assert report(1.1, 1.5).break_even == 1e-6
    assert report(1.5, 1.0).break_even is None
    assert "a pool pays from 2 us on; a round trip takes 10 us, the first 100 ms" in str(report(0.5, 1.5))
    assert "a pool pays for no size" in str(report(0.5, 0.9))


def test_public_names():
    assert set(runner_pool.__all__) <= set(dir(runner_pool))
    for name in runner_pool.__all__:
        assert getattr(runner_pool, name) is not None
    with pytest.raises(AttributeError):
        runner_pool.no_such_name  # noqa: B018


def test_metadata_of_the_distribution():
    distribution = importlib.metadata.distribution("runner-pool")
    assert distribution.version == runner_pool.__version__
    assert distribution.metadata["License-Expression"] == "MIT OR Apache-2.0"
    files = [str(file) for file in distribution.files]
    for name in ("LICENSE-MIT", "LICENSE-APACHE", "runner_pool/py.typed", "runner_pool/__init__.pyi"):
        assert any(file.endswith(name) for file in files), name


def test_sizes():
    from runner_pool._executor import parse_size

    sizes = {"100": 100, "1K": 1024, "1.5G": 3 << 29, "2 GiB": 2 << 30, "512MB": 512 << 20, 7: 7, None: None}
    assert [parse_size(size) for size in sizes] == list(sizes.values())
    with pytest.raises(ValueError):
        parse_size("much")
