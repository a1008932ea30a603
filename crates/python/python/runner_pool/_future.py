"""Futures."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from typing import Any, TypeVar

from . import _native

T = TypeVar("T")

_logger = logging.getLogger("concurrent.futures")

# How a call has ended; the numbers are those of the extension module.
_VALUE, _EXCEPTION, _CANCELLED = range(3)

_PENDING = concurrent.futures._base.PENDING
_RUNNING = concurrent.futures._base.RUNNING
_CANCELLED_BY_PROGRAM = concurrent.futures._base.CANCELLED
_CANCELLED_AND_NOTIFIED = concurrent.futures._base.CANCELLED_AND_NOTIFIED
_FINISHED = concurrent.futures._base.FINISHED


class Future(concurrent.futures.Future[T]):
    """The future of a call in a worker process.

    What the base class creates for each future, a lock above all, is created when it is first used: it costs
    more than all else in the life of a future, and is rarely needed. From then on the future is observed, and
    only the completion thread of its pool settles it, by :meth:`_complete`. Before that, the extension module
    does (`settling.rs`), on whatever thread has the outcome.
    """

    _state = _PENDING
    _result = None
    _exception = None
    _is_observed = False
    # None until the call is submitted, if it cannot be pickled, and after the future is settled.
    _job: _native.JobHandle | None = None

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name not in ("_condition", "_waiters", "_done_callbacks"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        # First, so that the condition of a future that is not settled is always notified.
        self._is_observed = True
        attributes = self.__dict__
        attributes.setdefault("_waiters", [])
        attributes.setdefault("_done_callbacks", [])
        # Last, because it is the one that is looked for.
        attributes.setdefault("_condition", threading.Condition())
        return attributes[name]

    def cancel(self) -> bool:
        """Cancels the call, unless it has been assigned to a worker."""
        job = self._job
        return super().cancel() if job is None else job.cancel(self)

    def _cancel_observed(self) -> None:
        super().cancel()

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
        if self._state != _FINISHED:
            super().result(timeout)
        if self._exception is None:
            return self._result  # type: ignore[return-value]
        try:
            # Even if it is false, which the base class takes for none before Python 3.14.
            raise self._exception
        finally:
            del self  # Else the traceback of the exception refers to the future, which refers to it.

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
        if job is None or self.done():
            return timeout
        begin = 0.0 if timeout is None else time.monotonic()
        interruption = job.wait(self, timeout)
        left = None if timeout is None else max(0.0, timeout - (time.monotonic() - begin))
        # If the completion thread can unpickle the value, the exception came from a signal handler.
        if interruption is not None and super().exception(left) is None:
            raise interruption
        return left

    def _complete(self, kind: int, value: Any) -> None:
        """Settles the future with the outcome of its call, notifies what waits for it, and calls the
        callbacks. Called once, by the completion thread."""
        with self._condition:
            state = self._state
            if state in (_PENDING, _RUNNING):
                self._store(kind, value)
            elif state == _CANCELLED_BY_PROGRAM:
                # Its callbacks have been called by `cancel`. Waiters have not been notified.
                self._store(_CANCELLED, None)
            self._job = None
            if state not in (_PENDING, _RUNNING, _CANCELLED_BY_PROGRAM):
                return  # The program has settled it.
            self._condition.notify_all()
        if state != _CANCELLED_BY_PROGRAM:
            self._call_callbacks()

    def _store(self, kind: int, value: Any) -> None:
        """Stores the outcome, and notifies what waits for several futures. The condition is held."""
        if kind == _VALUE:
            self._result = value
        elif kind == _EXCEPTION:
            self._exception = value
        self._state = _CANCELLED_AND_NOTIFIED if kind == _CANCELLED else _FINISHED
        for waiter in self._waiters:
            if kind == _VALUE:
                waiter.add_result(self)
            elif kind == _EXCEPTION:
                waiter.add_exception(self)
            else:
                waiter.add_cancelled(self)

    def _call_callbacks(self) -> None:
        for callback in self._done_callbacks:
            try:
                callback(self)
            except BaseException:  # Also SystemExit: the other futures of the pool wait for this thread.
                _logger.exception("exception calling callback for %r", self)
