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
_FINISHED = concurrent.futures._base.FINISHED

# Held for moments, when a future is settled or is given its condition. A thread that holds it may run
# finalizers, which may use futures.
_lock = threading.RLock()


class Future(concurrent.futures.Future[T]):
    """The future of a call in a worker process.

    What the base class creates for each future, a lock above all, is created when it is first used: it costs
    more than all else in the life of a future, and is rarely needed.
    """

    _state = _PENDING
    _result = None
    _exception = None
    # None until the call is submitted, if it cannot be pickled, and after it has ended.
    _job: _native.JobHandle | None = None

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name not in ("_condition", "_waiters", "_done_callbacks"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with _lock:
            if "_condition" not in self.__dict__:
                self._waiters: list[Any] = []
                self._done_callbacks: list[Any] = []
                # Last, because it is the one that is looked for.
                self._condition = threading.Condition()
            return self.__dict__[name]

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
        state = self._state
        if state == _PENDING:
            job = self._job
            return job is not None and job.is_running()
        return state == _RUNNING

    def done(self) -> bool:
        return self._state not in (_PENDING, _RUNNING)

    def result(self, timeout: float | None = None) -> T:
        if self._state != _FINISHED:
            timeout = self._wait(timeout)
        if self._state == _FINISHED and self._exception is None:
            return self._result  # type: ignore[return-value]
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if self._state != _FINISHED:
            timeout = self._wait(timeout)
        if self._state == _FINISHED:
            return self._exception
        return super().exception(timeout)

    def _wait(self, timeout: float | None) -> float | None:
        """Waits for the job in the engine, which takes less time than to be woken by another thread. Returns
        how much of the time is left."""
        job = self._job
        if job is None:
            return timeout
        begin = 0.0 if timeout is None else time.monotonic()
        ended = job.wait(self, timeout)
        if ended is not None:
            settle(self, *ended)
        return None if timeout is None else max(0.0, timeout - (time.monotonic() - begin))


def settle(future: Future[Any], kind: int, value: Any) -> None:
    """Gives a future the outcome of its job."""
    future._job = None
    if kind != _CANCELLED and _settle_unobserved(future, kind, value):
        return
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


def _settle_unobserved(future: Future[Any], kind: int, value: Any) -> bool:
    """Settles a future that nothing waits for; returns whether it was one."""
    # The lock under which the future is given what is needed for waiting.
    with _lock:
        if "_condition" in future.__dict__ or future._state != _PENDING:
            return False
        if kind == _VALUE:
            future._result = value
        else:
            future._exception = value
        future._state = _FINISHED
        if "_condition" not in future.__dict__:
            return True
    # A finalizer has begun to observe it in the meantime.
    with future._condition:
        for waiter in future._waiters:
            waiter.add_result(future) if kind == _VALUE else waiter.add_exception(future)
        future._condition.notify_all()
    future._invoke_callbacks()
    return True


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
_deliveries_lock = threading.Lock()


def add_user() -> _Deliveries:
    """Returns the deliveries of this process, for a pool; starts their thread for the first one."""
    global _deliveries, _users
    with _deliveries_lock:
        if _deliveries is None:
            _deliveries = _Deliveries()
        _users += 1
        return _deliveries


def remove_user() -> None:
    """Notes that the calls of a pool have ended; ends the thread after the last one."""
    global _deliveries, _users
    with _deliveries_lock:
        _users -= 1
        if _users > 0 or _deliveries is None:
            return
        ended, _deliveries = _deliveries, None
    ended.stop()


def _after_fork() -> None:
    global _deliveries, _users, _lock, _deliveries_lock
    # The thread does not exist here, and the locks may be held by it. The object is not dropped, as other
    # threads of the parent may have been using it.
    _left_by_parent.append(_deliveries)
    _deliveries, _users = None, 0
    _lock, _deliveries_lock = threading.RLock(), threading.Lock()


_left_by_parent: list[object] = []
os.register_at_fork(after_in_child=_after_fork)
