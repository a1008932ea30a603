"""A backend for joblib, and so for scikit-learn."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ._executor import ProcessPoolExecutor


class _Kept:
    """Executors that are kept for later calls, like that of loky, because workers have imported what jobs
    need. Those that nothing uses are closed when another one is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._executors: list[_Shared] = []

    def acquire(self, options: dict[str, Any]) -> _Shared:
        """Returns an executor with these arguments, to be released."""
        with self._lock:
            if self._process != os.getpid():
                # Those of a parent that has forked this process.
                self._process, self._executors = os.getpid(), []
            found = next((each for each in self._executors if each.fits(options)), None)
            unused = self._take_unused(found)
            if found is None:
                found = _Shared(options)
                self._executors.append(found)
            found.uses += 1
        for each in unused:
            each.executor.shutdown(wait=False)
        return found

    def close_unused(self) -> None:
        """Ends the executors that nothing uses."""
        with self._lock:
            unused = self._take_unused(None)
        for each in unused:
            each.executor.shutdown()

    def _take_unused(self, kept: _Shared | None) -> list[_Shared]:
        unused = [each for each in self._executors if each is not kept and each.uses == 0]
        self._executors = [each for each in self._executors if each not in unused]
        return unused

    def release(self, shared: _Shared) -> None:
        with self._lock:
            shared.uses -= 1


class _Shared:
    """An executor, its arguments, and the number of calls of joblib that use it."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.executor = ProcessPoolExecutor(**options)
        self.options = options
        self.uses = 0

    def fits(self, options: dict[str, Any]) -> bool:
        return self.options == options and not self.executor._is_closed


_kept = _Kept()


def register_joblib(name: str = "runner", **options: Any) -> None:
    """Registers this pool as a backend of joblib.

    ``options`` are arguments of :class:`ProcessPoolExecutor`, such as ``timeout`` and ``max_memory``; each
    batch of joblib is one call. Then::

        with joblib.parallel_config(backend="runner", n_jobs=4):
            ...
    """
    import joblib  # type: ignore[import-untyped]

    joblib.register_parallel_backend(name, lambda **arguments: _backend_class()(**{**options, **arguments}))


def _backend_class() -> Any:
    from joblib._parallel_backends import (  # type: ignore[import-untyped]
        AutoBatchingMixin,
        FallbackToBackend,
        SequentialBackend,
    )
    from joblib.parallel import ParallelBackendBase  # type: ignore[import-untyped]

    class Backend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
        supports_retrieve_callback = True
        supports_inner_max_num_threads = True

        def __init__(
            self, nesting_level: int | None = None, inner_max_num_threads: int | None = None, **options: Any
        ) -> None:
            super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
            self._pool_options = options
            self._shared: _Shared | None = None

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
            options = {**self._pool_options, "max_workers": workers}
            if self.inner_max_num_threads is not None:
                options["threads_per_worker"] = self.inner_max_num_threads
            self._shared = _kept.acquire(options)
            return workers

        def submit(self, func: Callable[[], Any], callback: Any = None) -> Any:
            assert self._shared is not None
            future = self._shared.executor.submit(func)
            if callback is not None:
                future.add_done_callback(callback)
            return future

        def retrieve_result_callback(self, future: Any) -> Any:
            return future.result()

        def terminate(self) -> None:
            self._release()
            self.reset_batch_stats()

        def abort_everything(self, ensure_ready: bool = True) -> None:
            if (shared := self._release()) is not None:
                shared.executor.kill_workers()
            if ensure_ready:
                self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)

        def _release(self) -> _Shared | None:
            shared, self._shared = self._shared, None
            if shared is not None:
                _kept.release(shared)
            return shared

    return Backend
