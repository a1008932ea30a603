"""A worker process: this file is the program that a pool starts, with the interpreter of the caller.

The functions are called by the extension module, in the copy of this module that is imported as a part of the
package.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # A worker starts faster without what it does not need.
    from typing import Any


def main() -> None:
    # The path of this file need not be on the path of the interpreter. Its folder must not be: all modules of
    # the package would be top-level modules, too.
    package = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.path.dirname(package)] + [entry for entry in sys.path if entry != package]
    from runner_pool import _native

    # The extension has read it. The processes that jobs start are not workers.
    os.environ.pop("RUNNER_WORKER_ROLE", None)
    _native.serve()


def start(settings: bytes) -> None:
    """Prepares this process, from the settings of the executor."""
    import _signal  # type: ignore[import-not-found]

    from . import _pickling

    # The caller decides what Ctrl-C means. The signal is not ignored and not blocked, because programs that
    # calls start would inherit that.
    _signal.signal(_signal.SIGINT, _nothing)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT])
    for stream in (sys.stdout, sys.stderr):
        # What a job has printed is not lost when a later one crashes.
        if stream is not None:
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    path, directory, argv, key, initializer = _pickling.load(settings)
    sys.path[:] = path
    sys.argv[:] = argv
    try:  # noqa: SIM105 - contextlib would be one more import
        os.chdir(directory)
    except OSError:
        pass  # It has been removed, or is not readable any more; the caller can still work there.
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"].current_process().authkey = key
    else:
        sys.meta_path.insert(0, _AuthenticationKey(key))
    if initializer is not None:
        initialize(initializer)


def _nothing(number: int, frame: Any) -> None:
    """The handler of a signal that has no effect."""


def with_path(entries: list[str], pickled: bytes) -> Any:
    """Returns a function that may be in folders which the caller has added to its `sys.path`."""
    from . import _pickling

    sys.path += [entry for entry in entries if entry not in sys.path]
    return _pickling.load(pickled)


class _AuthenticationKey:
    """Gives this process the key of the caller when `multiprocessing` is imported, which takes a while, so
    that calls can use what the caller's managers share."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "multiprocessing.process":
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_with_key(module: Any) -> None:
                execute(module)
                module.current_process().authkey = self._key

            spec.loader.exec_module = execute_with_key  # type: ignore[method-assign]
        return spec


def initialize(pickled: bytes) -> None:
    """Calls the initializer of the executor."""
    from . import _pickling

    try:
        function, args = _pickling.load(pickled)
        function(*args)
    except BaseException as error:
        import traceback

        print("Exception in initializer:", file=sys.stderr)
        traceback.print_exception(error)
        raise RuntimeError(f"the initializer failed: {summary_of(error)}") from error


def finish() -> None:
    """Does what an interpreter does when it ends, before this process exits."""
    import atexit

    atexit._run_exitfuncs()
    # Pools of calls, which these have not shut down; a worker that is being started has a file until it is ready.
    executors = sys.modules.get("runner_pool._executor")
    if executors is not None:
        executors.kill_all_pools()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def end_fork(error: BaseException | None) -> None:
    """Ends a process that a job has forked, and that has returned from the job or raised an exception, with
    the status of a program that ends so."""
    status = 0
    try:
        if isinstance(error, SystemExit):
            status = _exit_status(error.code)
        elif error is not None:
            status = 1
            import traceback

            traceback.print_exception(error)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    finally:
        os._exit(status)


def _exit_status(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def summary_of(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception_only(error)).strip()


def describe(error: BaseException) -> tuple[bytes, str, str]:
    """Returns an exception, pickled if that is possible, its summary, and its traceback as text."""
    import traceback

    text = "".join(traceback.format_exception(error))
    # Frames would keep the objects of the job alive. An exception may refuse to be changed by an assignment.
    BaseException.with_traceback(error, None)
    return pickled_exception(error), summary_of(error), text


def pickled_exception(error: BaseException) -> bytes:
    """Returns the pickle of an exception; an empty one if it cannot be pickled, or not be unpickled."""
    from . import _pickling

    try:
        pickled = _pickling.dump_whole(error)
        # Many an exception is pickled without the arguments that its class requires.
        _pickling.load(pickled)
    except BaseException:
        # A class may well exit the interpreter while it is being pickled.
        return b""
    return pickled


if __name__ == "__main__":
    main()
