"""The executor."""

from __future__ import annotations

import concurrent.futures
import multiprocessing.process
import os
import pickle
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, ParamSpec, TypeVar

from . import _native, _pickling
from ._completions import Completions
from ._errors import BrokenProcessPool, without_frames
from ._functions import Functions
from ._future import Future

P = ParamSpec("P")
T = TypeVar("T")

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class _Calls(concurrent.futures.Executor):
    """Submits calls with some options: an executor, or a view of one."""

    _options: _native.Options

    @property
    def _executor(self) -> ProcessPoolExecutor:
        raise NotImplementedError

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        executor = self._executor
        executor._check_open()
        future: Future[T] = Future()
        keywords: dict[str, Any] | None = kwargs or None
        try:
            function = executor._functions.find(fn)
        except Exception as error:
            future.set_exception(without_frames(error))
            return future
        if not executor._completions.is_started:
            executor._completions.start()
        if function is None:
            executor._pool.submit(future, None, (fn, args, kwargs), None, self._options)
        else:
            executor._pool.submit(future, function, args, keywords, self._options)
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Calls ``fn`` with the items of the iterables, and returns an iterator of the results, in order.

        ``timeout`` is the time in seconds for all results together. ``chunksize`` is the number of calls that
        are sent to a worker together; by default it is chosen from how long calls take. With ``buffersize``,
        at most that many calls are submitted before their results are taken; by default, all are at once.
        """
        if chunksize is not None and chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        executor = self._executor
        executor._check_open()
        return executor._pool.map(
            executor._functions.find_for_map(fn),
            zip(*iterables),  # noqa: B905 - as in the standard library
            self._options,
            owner=executor,
            chunksize=chunksize or 1,
            ahead=buffersize,
            timeout=timeout,
        )


class ProcessPoolExecutor(_Calls):
    """Runs calls on worker processes.

    The arguments are those of :class:`concurrent.futures.ProcessPoolExecutor`, and:

    - ``timeout``: the time in seconds that a call may run. Then its worker is killed, and the call fails with
      :class:`JobTimeout`.
    - ``max_memory``: the resident size of a worker, in bytes or as a string such as ``"1.5G"``, above which
      it is killed, and the call fails with :class:`MemoryLimit`.
    - ``retries``: how often a call is repeated after its worker crashed.
    - ``threads_per_worker``: the number of threads that libraries of linear algebra may use in a worker
      (``OMP_NUM_THREADS`` and the like). By default, it is the number of cores divided by that of workers,
      unless these variables are set.
    - ``on_crash``: what happens when a worker crashes. ``"heal"``: the call fails with
      :class:`WorkerCrashed`, and the worker is replaced. ``"break"``: all calls fail, as those of Python's
      own executor do.
    - ``sandbox``: ``"best-effort"`` or ``"strict"`` restricts what calls can do: no files, no network, no
      other processes. Modules can still be imported. ``sandbox_read`` and ``sandbox_write`` are paths of files
      and directories that may be read, or read and written; ``sandbox_net`` allows sockets. What is forbidden
      raises :class:`PermissionError`, or kills the worker, and the call fails with :class:`JobDenied`. The
      initializer is not restricted.

    ``mp_context`` is ignored, with a warning unless it is that of ``spawn``: workers are fresh interpreters.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        timeout: float | None = None,
        max_memory: float | str | None = None,
        retries: int = 0,
        on_crash: Literal["heal", "break"] = "heal",
        threads_per_worker: int | None = None,
        sandbox: Literal["off", "best-effort", "strict"] = "off",
        sandbox_read: Iterable[str | os.PathLike[str]] = (),
        sandbox_write: Iterable[str | os.PathLike[str]] = (),
        sandbox_net: bool = False,
    ) -> None:
        workers = _worker_count(max_workers)
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        if on_crash not in ("heal", "break"):
            raise ValueError('on_crash must be "heal" or "break"')
        _check_context(mp_context)
        self._max_workers = workers
        self._options = _native.Options()
        self._is_closed = False
        size = parse_size(max_memory)
        if not isinstance(retries, int):
            raise TypeError("retries must be an integer")
        if retries < 0:
            raise ValueError("retries must be >= 0")
        restrictions = _sandbox(sandbox, sandbox_read, sandbox_write, sandbox_net)
        settings = _settings(initializer, initargs)
        self._completions = Completions()
        self._pool = _native.Pool(
            self._completions.native,
            workers,
            _command(),
            _environment(workers, threads_per_worker),
            settings,
            timeout=timeout,
            max_memory=size,
            retries=retries,
            max_tasks_per_child=max_tasks_per_child,
            break_on_crash=on_crash == "break",
            sandbox=restrictions,
        )
        self._functions = Functions(self._pool)
        _pools.add(self)

    @property
    def _executor(self) -> ProcessPoolExecutor:
        return self

    def options(
        self,
        *,
        timeout: float | None = None,
        retries: int | None = None,
        max_memory: float | str | None = None,
        priority: int = 0,
    ) -> OptionsView:
        """Returns a view of this executor, whose calls have these options instead of its own.

        An option that is ``None`` is that of the executor. Of the calls that wait for a worker, those of the
        highest ``priority`` run first, and those of equal priority in the order in which they were submitted.
        """
        return OptionsView(self, _native.Options(timeout, retries, parse_size(max_memory), priority))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accepts no more calls, and waits for those that were submitted, if ``wait``.

        ``cancel_futures`` cancels those that are not assigned to a worker. With ``on_crash="break"``, a
        worker that is starting has a call assigned, as in the standard library.
        """
        self._is_closed = True
        if cancel_futures:
            self._pool.cancel_waiting()
        self._pool.close()
        if wait:
            self._pool.join()
            self._completions.join()
            _pools.forget(self._pool)

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> bool | None:
        if exc_type is not None and issubclass(exc_type, KeyboardInterrupt):
            # Ctrl-C is to end the program, and not to wait for its calls.
            self.kill_workers()
        self.shutdown(wait=True)
        return None

    def terminate_workers(self) -> None:
        """Ends the workers with SIGTERM, and a second later those that are left with SIGKILL.

        Calls that were assigned to one and do not end until then fail with :class:`BrokenProcessPool`; the
        others are cancelled.
        """
        self._is_closed = True
        self._pool.terminate_workers()

    def kill_workers(self) -> None:
        """Ends the workers with SIGKILL.

        Calls that were assigned to one fail with :class:`BrokenProcessPool`; the others are cancelled.
        """
        self._is_closed = True
        self._pool.kill_workers()

    def stats(self) -> dict[str, Any]:
        """Returns numbers of calls by their state, and how the processes have spent their time, in seconds.

        - ``submitted`` calls are ``queued``, ``running`` (assigned to a worker), ``succeeded``, ``failed`` or
          ``cancelled``. Those that could not be pickled were not submitted. ``retried`` is the number of
          attempts that were repeated.
        - ``queue_time``: the time that all calls together have waited for a worker.
        - ``workers``: one dictionary for each process that was started, with ``worker``, ``pid``, ``calls``,
          ``batches``, ``bytes_sent``, ``bytes_received``, ``start_time`` (until it was ready), ``busy_time``,
          ``cpu_time``, ``lifetime`` and ``stages``, the time in each stage of a call.
        - ``threads``: ``name``, ``lifetime`` and ``stages`` of each thread of the pool in this process;
          ``callers``: the stages of the threads that called the pool.
        """
        return self._pool.stats()

    def _check_open(self) -> None:
        if self._is_closed:
            broken = self._pool.broken()
            if broken is not None:
                raise BrokenProcessPool(broken)
            raise RuntimeError("cannot schedule new futures after shutdown")
        if _pools.is_at_exit:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")


class OptionsView(_Calls):
    """An executor whose calls have options of their own. Made by :meth:`ProcessPoolExecutor.options`."""

    def __init__(self, executor: ProcessPoolExecutor, options: _native.Options) -> None:
        self._viewed = executor
        self._options = options

    @property
    def _executor(self) -> ProcessPoolExecutor:
        return self._viewed

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._viewed.shutdown(wait, cancel_futures=cancel_futures)


class _Pools:
    """The pools of this process that may have calls."""

    def __init__(self) -> None:
        self.is_at_exit = False
        self._open: dict[int, tuple[_native.Pool, Completions]] = {}

    def add(self, executor: ProcessPoolExecutor) -> None:
        # Those whose executors were dropped, and whose calls have ended since.
        for pool in [pool for pool, _ in list(self._open.values()) if pool.has_ended()]:
            self.forget(pool)
        self._open[id(executor._pool)] = executor._pool, executor._completions
        weakref.finalize(executor, _close, executor._pool).atexit = False

    def forget(self, pool: _native.Pool) -> None:
        self._open.pop(id(pool), None)

    def end(self) -> None:
        """Waits for all calls, as Python's own executors do when the interpreter exits; after a Ctrl-C, kills
        them."""
        self.is_at_exit = True
        # At a prompt, an earlier Ctrl-C has ended a statement, and not the program.
        is_prompt = sys.flags.inspect or hasattr(sys, "ps1")
        is_interrupted = not is_prompt and getattr(sys, "last_type", None) is KeyboardInterrupt
        pools = list(self._open.values())
        for pool, _ in pools:
            pool.kill_workers() if is_interrupted else pool.close()
        for pool, completions in pools:
            pool.join()
            completions.join()
            self.forget(pool)

    def kill(self) -> None:
        self.is_at_exit = True
        pools = [pool for pool, _ in self._open.values()]
        for pool in pools:
            pool.kill_workers()
        for pool in pools:
            pool.join()


def kill_all_pools() -> None:
    """Kills the workers of all pools of this process, and waits until they have ended."""
    _pools.kill()


def _close(pool: _native.Pool) -> None:
    """Closes the pool of an executor that has been dropped."""
    if pool.is_usable():
        pool.close()


_pools = _Pools()


def _at_exit() -> None:
    _pools.end()


def _after_fork() -> None:
    global _pools
    _left_by_parent.append(_pools)
    _pools = _Pools()


_left_by_parent: list[object] = []
os.register_at_fork(after_in_child=_after_fork)
# Unlike functions of `atexit`, those are called before the interpreter waits for threads.
threading._register_atexit(_at_exit)  # type: ignore[attr-defined]


def _worker_count(max_workers: int | None) -> int:
    if max_workers is None:
        return len(os.sched_getaffinity(0))
    if max_workers <= 0:
        raise ValueError("max_workers must be greater than 0")
    return max_workers


def _check_context(context: Any) -> None:
    if context is None:
        return
    if not hasattr(context, "get_start_method"):
        raise TypeError("mp_context must be a context of multiprocessing")
    method = context.get_start_method(allow_none=False)
    if method != "spawn":
        message = f"mp_context is ignored: workers are fresh interpreters, as with 'spawn', not {method!r}"
        warnings.warn(message, RuntimeWarning, stacklevel=3)


def _command() -> list[str]:
    """Returns the command that starts a worker."""
    worker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_worker.py")
    return [sys.executable, *_interpreter_flags(), worker]


def _interpreter_flags() -> list[str]:
    """Returns the flags of this interpreter, those of ``-X`` included that the standard library omits."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    passed = {flag.partition("=")[0] for flag in flags}
    for name, value in sys._xoptions.items():
        if name not in passed:
            flags += ["-X", name if value is True else f"{name}={value}"]
    return flags


def _environment(workers: int, threads: int | None) -> list[tuple[str, str]]:
    """Returns variables that keep libraries of linear algebra from starting more threads than cores."""
    if threads is not None:
        return [(name, str(threads)) for name in _THREAD_VARIABLES]
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    return [(name, str(threads)) for name in _THREAD_VARIABLES if name not in os.environ]


def _settings(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> bytes:
    """Returns what a worker needs before its first call."""
    pickled = None if initializer is None else _pickling.dump_whole((initializer, initargs))
    try:
        directory = os.getcwd()
    except OSError:
        directory = "/"
    # With it, processes connect to each other through `multiprocessing`.
    key = bytes(multiprocessing.process.current_process().authkey)
    return pickle.dumps((sys.path, directory, sys.argv, key, pickled))


# What extension modules are linked with.
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")


def _sandbox(
    level: str,
    read: Iterable[str | os.PathLike[str]],
    write: Iterable[str | os.PathLike[str]],
    net: bool,
) -> tuple[str, list[str], list[str], bool]:
    """Returns the restrictions of the workers, which can read what can be imported."""
    if level not in ("off", "best-effort", "strict"):
        raise ValueError('sandbox must be "off", "best-effort" or "strict"')
    readable, writable = ([os.fspath(path) for path in paths] for paths in (read, write))
    if level == "off":
        if readable or writable or net:
            raise ValueError("sandbox_read, sandbox_write and sandbox_net need a sandbox")
        return (level, [], [], False)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    libraries = filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    code = (*sys.path, sys.prefix, sys.base_prefix, package, *libraries, *_LIBRARIES)
    imports = {os.path.abspath(path) for path in code}
    return (level, [*sorted(filter(os.path.exists, imports)), *readable], writable, net)


def parse_size(size: float | str | None) -> int | None:
    """Returns a number of bytes, which may be given as a string such as ``"512M"`` or ``"1.5 GiB"``."""
    if size is None:
        return None
    if not isinstance(size, (int, float, str)):
        raise TypeError(f"a size is a number or a string, not {type(size).__name__}")
    try:
        number = _parse_unit(size) if isinstance(size, str) else int(size)
    except (ValueError, OverflowError):
        raise ValueError(f"{size!r} is not a size, such as 1000000, '512M' or '1.5G'") from None
    if not 0 < number < 1 << 64:
        raise ValueError(f"{size!r} is not a size in bytes, which is positive and has 64 bits")
    return number


def _parse_unit(size: str) -> int:
    text = size.strip().upper().removesuffix("B").removesuffix("I").strip()
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    unit = units.get(text[-1:], 1)
    return int(float(text if unit == 1 else text[:-1]) * unit)
