"""Exceptions for calls that have no result. The functions are called by the extension module."""

from __future__ import annotations

import pickle
import signal as signals
import traceback
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool as BrokenProcessPool

try:
    from concurrent.futures.process import _RemoteTraceback
except ImportError:

    class _RemoteTraceback(Exception):  # type: ignore[no-redef]
        def __init__(self, tb: str) -> None:
            self.tb = tb

        def __str__(self) -> str:
            return self.tb


class WorkerCrashed(BrokenProcessPool):
    """The worker process died while it ran the call. Other calls are not affected.

    ``exit_code`` is set if it exited, ``signal`` if a signal killed it. ``attempts`` is the number of times
    that the call was started.
    """

    def __init__(
        self, message: str, pid: int, exit_code: int | None, signal: int | None, attempts: int
    ) -> None:
        super().__init__(message, pid, exit_code, signal, attempts)
        self.pid = pid
        self.exit_code = exit_code
        self.signal = None if signal is None else _signal(signal)
        self.attempts = attempts

    def __str__(self) -> str:
        return str(self.args[0])


class JobTimeout(TimeoutError):
    """The call ran longer than ``limit`` seconds, and its worker was killed."""

    def __init__(self, message: str, limit: float, attempts: int) -> None:
        super().__init__(message, limit, attempts)
        self.limit = limit
        self.attempts = attempts

    def __str__(self) -> str:
        return str(self.args[0])


class MemoryLimit(MemoryError):
    """The worker was killed because it used more memory than allowed, or than there is."""

    def __init__(self, message: str, pid: int, attempts: int) -> None:
        super().__init__(message, pid, attempts)
        self.pid = pid
        self.attempts = attempts

    def __str__(self) -> str:
        return str(self.args[0])


class JobDenied(PermissionError):
    """The call did what the sandbox forbids, and its worker was killed for it."""

    def __init__(self, message: str, pid: int, attempts: int) -> None:
        super().__init__(message, pid, attempts)
        self.pid = pid
        self.attempts = attempts

    def __str__(self) -> str:
        return str(self.args[0])


class RemoteError(Exception):
    """The call raised an exception that cannot be pickled. The message has its type and its message."""


def _signal(number: int) -> int:
    try:
        return signals.Signals(number)
    except ValueError:
        return number


def raised(pickled: bytes, summary: str, text: str) -> BaseException:
    exception: object = None
    if pickled:
        try:
            exception = pickle.loads(pickled)
        except Exception as error:
            summary = f"{summary} (it cannot be unpickled: {error!r})"
    if not isinstance(exception, BaseException):
        exception = RemoteError(summary)
    _set_cause(exception, text)
    return exception


def without_frames(error: BaseException) -> BaseException:
    """Gives the exception of a call that cannot be pickled its traceback as text.

    The frames of the traceback refer to the caller's, and those to the future of the exception: such a cycle
    would keep the executor and its files until the next garbage collection.
    """
    text = "".join(traceback.format_exception(error))
    _set_cause(BaseException.with_traceback(error, None), text)
    return error


def _set_cause(exception: BaseException, text: str) -> None:
    cause = _RemoteTraceback(f'\n"""\n{text}"""')  # type: ignore[arg-type]
    # Not by an assignment, which the class of an exception may refuse.
    BaseException.__dict__["__cause__"].__set__(exception, cause)


def crashed(
    message: str, pid: int, exit_code: int | None, signal: int | None, attempts: int
) -> WorkerCrashed:
    return WorkerCrashed(message, pid, exit_code, signal, attempts)


def timed_out(message: str, limit: float, attempts: int) -> JobTimeout:
    return JobTimeout(message, limit, attempts)


def out_of_memory(message: str, pid: int, attempts: int) -> MemoryLimit:
    return MemoryLimit(message, pid, attempts)


def denied(message: str, pid: int, attempts: int) -> JobDenied:
    return JobDenied(message, pid, attempts)


def cancelled() -> CancelledError:
    return CancelledError()


def broken(message: str) -> BrokenProcessPool:
    return BrokenProcessPool(message)


def other(message: str) -> RuntimeError:
    return RuntimeError(message)
