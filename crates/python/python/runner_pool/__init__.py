"""A process pool as a :class:`concurrent.futures.Executor`.

Like ``concurrent.futures.ProcessPoolExecutor``, but a call that crashes, hangs or uses too much memory fails
alone, and calls cost microseconds::

    from runner_pool import ProcessPoolExecutor

    with ProcessPoolExecutor(timeout=5.0, max_memory="1G") as pool:
        for page in pool.map(parse, urls):
            ...
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # A worker starts faster without what it does not need.
    from typing import Any

__version__ = "0.1.0"

# Where each public name is defined. They are imported when they are first used, so that a worker does not
# load what only callers need.
_MODULES = {
    "ProcessPoolExecutor": "_executor",
    "Future": "_future",
    "BrokenProcessPool": "_errors",
    "JobDenied": "_errors",
    "JobTimeout": "_errors",
    "MemoryLimit": "_errors",
    "RemoteError": "_errors",
    "WorkerCrashed": "_errors",
    "bench": "_bench",
    "register_joblib": "_joblib",
    "serve": "_serve",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("." + module, __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING"})
