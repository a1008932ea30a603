"""The threads that complete futures."""

from __future__ import annotations

import logging
import threading

from . import _native

_logger = logging.getLogger("concurrent.futures")


class Completions:
    """The calls of a pool that have ended, and the thread that completes their futures: it settles those that
    something observes, and calls their callbacks. There is no thread before the first call."""

    def __init__(self) -> None:
        self.native = _native.Completions()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def is_started(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        with self._lock:
            if self._thread is None:
                arguments = (self.native,)
                thread = threading.Thread(
                    target=_complete, args=arguments, name="runner_pool completions", daemon=True
                )
                thread.start()
                self._thread = thread

    def join(self) -> None:
        """Waits until all futures of a closed pool are complete, and the thread has ended."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread() and self.native.wait():
            thread.join()


def _complete(completions: _native.Completions) -> None:
    future = value = None
    while (batch := completions.take()) is not None:
        for future, kind, value in batch:
            try:
                future._complete(kind, value)
            except BaseException:  # A callback may raise SystemExit; other futures wait for this thread.
                _logger.exception("exception completing %r", future)
        # Nothing is kept alive while this thread waits.
        batch = future = value = None
