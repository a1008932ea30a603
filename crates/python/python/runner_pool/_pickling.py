"""The functions that pickle and unpickle calls, functions and results."""

from __future__ import annotations

import functools
import sys

# The module `pickle` itself takes as long to import as all else that a worker needs.
from _pickle import Pickler, dumps, loads

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOL = 5

dump = functools.partial(dumps, protocol=PROTOCOL, buffer_callback=_native.collect_buffer)
load = loads

_cloudpickle_dumps: Any = None


def dump_to(value: Any, file: Any) -> None:
    """Pickles a value to a file."""
    Pickler(file, PROTOCOL, buffer_callback=_native.collect_buffer).dump(value)


def _by_value(value: Any, **keywords: Any) -> bytes:
    global _cloudpickle_dumps
    if _cloudpickle_dumps is None:
        # Imported when it is needed: it takes as long as all else that a worker imports.
        import cloudpickle  # type: ignore[import-untyped]

        spawned = sys.modules.get("__mp_main__")
        if spawned is not None and spawned.__name__ == "__mp_main__":
            # The main module in a process of `multiprocessing`, which exists in no other process.
            cloudpickle.register_pickle_by_value(spawned)
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
    except (OSError, MemoryError):
        raise  # The system has refused something, and not `pickle`.
    except Exception:
        return _by_value(value)
    return _by_value(value) if mentions_main(pickled) else pickled


def mentions_main(pickled: bytes) -> bool:
    """Returns whether a pickle may refer to the main module, which is another one in a worker."""
    return b"__main__" in pickled or b"__mp_main__" in pickled


def is_by_value(fn: Any) -> bool:
    """Returns whether a function is pickled with its code, and not by its name."""
    module = sys.modules.get(getattr(fn, "__module__", None) or "")
    if module is None or module.__name__ in ("__main__", "__mp_main__"):
        return True
    found: object = module
    for name in getattr(fn, "__qualname__", "").split("."):
        found = getattr(found, name, None)
    return found is not fn
