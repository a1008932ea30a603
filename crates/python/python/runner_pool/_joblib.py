"""A backend for joblib, and so for scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ._executor import ProcessPoolExecutor

# Executors by their number of workers and other arguments. They are kept for later calls, like those of loky,
# because workers have imported what jobs need.
_executors: dict[object, ProcessPoolExecutor] = {}


def register_joblib(name: str = "runner", **options: Any) -> None:
    """Registers this pool as a backend of joblib.

    ``options`` are arguments of :class:`ProcessPoolExecutor`, such as ``timeout`` and ``max_memory``; each
    batch of joblib is one call. Then::

        with joblib.parallel_config(backend="runner", n_jobs=4):
            ...
    """
    import joblib  # type: ignore[import-untyped]

    joblib.register_parallel_backend(name, lambda **arguments: _backend_class()(**{**options, **arguments}))


def _executor(workers: int, options: dict[str, Any]) -> ProcessPoolExecutor:
    key = (workers, os.getpid(), tuple(sorted(options.items())))
    executor = _executors.get(key)
    if executor is None or executor._is_closed:
        executor = _executors[key] = ProcessPoolExecutor(workers, **options)
    return executor


def _backend_class() -> Any:
    from joblib._parallel_backends import (  # type: ignore[import-untyped]
        AutoBatchingMixin,
        FallbackToBackend,
        SequentialBackend,
    )
    from joblib.parallel import ParallelBackendBase  # type: ignore[import-untyped]

    class Backend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
        supports_retrieve_callback = True

        def __init__(self, nesting_level: int | None = None, **options: Any) -> None:
            super().__init__(nesting_level=nesting_level)
            self._pool_options = options
            self._executor: ProcessPoolExecutor | None = None

        def effective_n_jobs(self, n_jobs: int | None) -> int:
            if n_jobs == 0:
                raise ValueError("n_jobs == 0 in Parallel has no meaning")
            if n_jobs is None:
                return 1
            return n_jobs if n_jobs > 0 else max(len(os.sched_getaffinity(0)) + 1 + n_jobs, 1)

        def configure(self, n_jobs: int = 1, parallel: Any = None, **ignored: Any) -> int:
            workers = self.effective_n_jobs(n_jobs)
            if workers == 1:
                raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
            self.parallel = parallel
            self._executor = _executor(workers, self._pool_options)
            return workers

        def submit(self, func: Callable[[], Any], callback: Any = None) -> Any:
            assert self._executor is not None
            future = self._executor.submit(func)
            if callback is not None:
                future.add_done_callback(callback)
            return future

        def retrieve_result_callback(self, future: Any) -> Any:
            return future.result()

        def terminate(self) -> None:
            self._executor = None
            self.reset_batch_stats()

        def abort_everything(self, ensure_ready: bool = True) -> None:
            executor, self._executor = self._executor, None
            if executor is not None:
                executor.kill_workers()
            if ensure_ready:
                self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)

    return Backend
