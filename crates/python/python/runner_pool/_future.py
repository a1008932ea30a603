"""Futures, and the thread that settles them."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
from concurrent.futures import InvalidStateError
from typing import Any, TypeVar

from . import _native

T = TypeVar("T")

# How a job has ended; the numbers are those of the extension module.
_VALUE, _EXCEPTION, _CANCELLED = range(3)

_PENDING = concurrent.futures._base.PENDING
_RUNNING = concurrent.futures._base.RUNNING


class Future(concurrent.futures.Future[T]):
    """The future of a call in a worker process."""

    # None until the call is submitted, and if it cannot be pickled.
    _job: _native.JobHandle | None = None

    def cancel(self) -> bool:
        """Cancels the call, unless it has been assigned to a worker."""
        job = self._job
        if job is not None and not self.done() and not job.cancel():
            return False
        return super().cancel()

    def kill(self) -> bool:
        """Cancels the call even if it runs: its worker is killed, and other calls of the worker run again."""
        job = self._job
        return job is not None and not self.done() and job.kill()

    def running(self) -> bool:
        if self._state == _PENDING:
            job = self._job
            return job is not None and job.is_running()
        return super().running()

    def result(self, timeout: float | None = None) -> T:
        return super().result(self._wait(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        return super().exception(self._wait(timeout))

    def _wait(self, timeout: float | None) -> float | None:
        """Waits for the job in the engine, which takes less time than to be woken by another thread. Returns
        how much of the time is left."""
        job = self._job
        if job is None or self._state not in (_PENDING, _RUNNING):
            return timeout
        begin = time.monotonic()
        ended = job.wait(self, timeout)
        if ended is not None:
            settle(self, *ended)
        return None if timeout is None else max(0.0, timeout - (time.monotonic() - begin))


def settle(future: Future[Any], kind: int, value: Any) -> None:
    """Gives a future the outcome of its job."""
    try:
        if kind == _VALUE:
            future.set_result(value)
        elif kind == _EXCEPTION:
            future.set_exception(value)
        else:
            concurrent.futures.Future.cancel(future)
            future.set_running_or_notify_cancel()
    except InvalidStateError:
        pass  # It has been settled by the program.


class _Deliveries:
    """The outcomes of all pools of this process, and the thread that settles futures with them."""

    def __init__(self) -> None:
        self.native = _native.Deliveries()
        self._thread = threading.Thread(target=self._run, name="runner_pool deliveries", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        take = self.native.take
        while batch := take():
            for future, kind, value in batch:
                settle(future, kind, value)
            # Nothing is kept alive while this thread waits.
            del batch, future, value

    def flush(self) -> None:
        """Waits until all futures are settled whose jobs have ended."""
        if threading.current_thread() is not self._thread:
            self.native.flush()

    def stop(self) -> None:
        """Ends the thread after it has settled all futures."""
        self.native.stop()
        if threading.current_thread() is not self._thread:
            self._thread.join()


_deliveries: _Deliveries | None = None
_users = 0
_lock = threading.Lock()


def add_user() -> _Deliveries:
    """Returns the deliveries of this process, for a pool; starts their thread for the first one."""
    global _deliveries, _users
    with _lock:
        if _deliveries is None:
            _deliveries = _Deliveries()
        _users += 1
        return _deliveries


def remove_user() -> None:
    """Notes that the calls of a pool have ended; ends the thread after the last one."""
    global _deliveries, _users
    with _lock:
        _users -= 1
        if _users > 0 or _deliveries is None:
            return
        ended, _deliveries = _deliveries, None
    ended.stop()


def _after_fork() -> None:
    global _deliveries, _users, _lock
    # The thread does not exist here, and the locks may be held by it. The object is not dropped, as other
    # threads of the parent may have been using it.
    _left_by_parent.append(_deliveries)
    _deliveries, _users, _lock = None, 0, threading.Lock()


_left_by_parent: list[object] = []
os.register_at_fork(after_in_child=_after_fork)
