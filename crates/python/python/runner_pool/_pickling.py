"""The functions that pickle and unpickle calls, functions and results."""

from __future__ import annotations

import functools

# The module `pickle` itself takes as long to import as all else that a worker needs.
from _pickle import dumps, loads

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOL = 5

dump = functools.partial(dumps, protocol=PROTOCOL, buffer_callback=_native.collect_buffer)
load = loads

_cloudpickle_dumps: Any = None


def _by_value(value: Any, **keywords: Any) -> bytes:
    global _cloudpickle_dumps
    if _cloudpickle_dumps is None:
        # Imported when it is needed: it takes as long as all else that a worker imports.
        import cloudpickle  # type: ignore[import-untyped]

        _cloudpickle_dumps = cloudpickle.dumps
    pickled: bytes = _cloudpickle_dumps(value, protocol=PROTOCOL, **keywords)
    return pickled


def dump_by_value(value: Any) -> bytes:
    """Pickles a value, with functions and classes that another process cannot import."""
    return _by_value(value, buffer_callback=_native.collect_buffer)


def dump_whole(value: Any) -> bytes:
    """Pickles a function or an exception, with everything in one piece."""
    try:
        pickled = dumps(value, PROTOCOL)
    except Exception:
        return _by_value(value)
    # ``__main__`` is another module in a worker.
    return _by_value(value) if b"__main__" in pickled else pickled
