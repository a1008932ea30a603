"""The functions that a pool has been given."""

from __future__ import annotations

import operator
import pickle
import sys
import types
import weakref
from typing import Any, NamedTuple

from . import _native, _pickling, _worker

# Maximum number of functions that a pool keeps for later calls.
MAX_FUNCTIONS = 1000

# Size of a pickle, in bytes, above which a function is kept for one map only, and not for later ones.
LARGE = 64 << 10

# Maximum size of all large functions that a pool keeps for later calls, in bytes. One may be larger.
MAX_LARGE = 64 << 20


class _Sent(NamedTuple):
    """A function that a pool has been given."""

    # When the function is freed, the entry is removed, before another object can have its address.
    function: weakref.ref[Any]
    # Its pickle is kept until this and the calls that refer to it are gone.
    place: _native.Function
    # What its pickle contains: see `_captured`.
    captured: tuple[object, ...]


class Functions:
    """The functions that a pool has been given, as long as they exist and are not too many."""

    def __init__(self, pool: _native.Pool) -> None:
        self._pool = pool
        # By the address of the function, oldest first.
        self._known: dict[int, _Sent] = {}
        # That of the workers.
        self._path = list(sys.path)

    def find(self, fn: Any) -> _native.Function | None:
        """Returns the place of a function; None if it is to be pickled with each call."""
        known = self._known.get(id(fn))
        if known is not None and (not known.captured or _are_same(known.captured, _captured(fn))):
            return known.place
        return self._add(fn, self._dump(fn)) if _is_plain(fn) else None

    def find_for_map(self, fn: Any) -> _native.Function:
        """Returns the place of a function as it is now."""
        pickled = self._dump(fn)
        known = self._known.get(id(fn))
        # The pickle of a function may contain values of variables, which may have changed.
        if known is not None and known.place.holds(pickled):
            return known.place
        if not _is_plain(fn) or len(pickled) > LARGE:
            return self._pool.add_function(pickled, is_temporary=True)
        return self._add(fn, pickled)

    def _add(self, fn: Any, pickled: bytes) -> _native.Function:
        place = self._pool.add_function(pickled, is_temporary=False)
        address = id(fn)
        self._known.pop(address, None)
        self._make_room(place.size)
        captured = _captured(fn) if _pickling.is_by_value(fn) else ()
        self._known[address] = _Sent(self._refer_to(fn), place, captured)
        return place

    def _refer_to(self, fn: Any) -> weakref.ref[Any]:
        """Returns a reference to a function, whose end removes its entry."""
        # The pool must not be kept by its functions, whose entries are reached from this callback.
        address, this = id(fn), weakref.ref(self)

        def forget(_: weakref.ref[Any]) -> None:
            functions = this()
            if functions is not None:
                functions._known.pop(address, None)

        return weakref.ref(fn, forget)

    def _make_room(self, size: int) -> None:
        """Removes the oldest functions if there are too many with another one of this size."""
        if len(self._known) >= MAX_FUNCTIONS:
            self._known.pop(next(iter(self._known)), None)
        if size <= LARGE:
            return
        # Entries may be removed meanwhile, by other threads and when functions are freed.
        for address in reversed(list(self._known)):
            known = self._known.get(address)
            if known is None or known.place.size <= LARGE:
                continue
            size += known.place.size
            if size > MAX_LARGE:
                self._known.pop(address, None)

    def _dump(self, fn: Any) -> bytes:
        """Pickles a function, with what has been added to the path of modules since the workers were given
        it."""
        pickled = _pickling.dump_whole(fn)
        added = [entry for entry in sys.path if entry not in self._path]
        return pickle.dumps(_WithPath(added, pickled)) if added else pickled


class _WithPath:
    """Is unpickled as the function whose pickle it contains, after the path of modules was extended."""

    def __init__(self, entries: list[str], pickled: bytes) -> None:
        self._arguments = entries, pickled

    def __reduce__(self) -> tuple[object, ...]:
        return _worker.with_path, self._arguments


# Stands for a function among what it refers to, so that it is not kept by that.
_ITSELF = object()


def _captured(fn: Any) -> tuple[object, ...]:
    """Returns the objects that a function which is pickled by value refers to itself: its code, its defaults,
    its captured variables, and its global ones. If one of them is assigned to, the pickle is out of date; a
    change inside of one is not seen."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return ()
    values = fn.__globals__
    found = [_contents(cell) for cell in fn.__closure__ or ()]
    found += [values.get(name) for name in code.co_names]
    others = (_ITSELF if value is fn else value for value in found)
    return (code, fn.__defaults__, fn.__kwdefaults__, *others)


def _contents(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # It has not been assigned to.


def _are_same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _is_plain(fn: Any) -> bool:
    """Returns whether a function has no state of its own but its definition."""
    if isinstance(fn, types.BuiltinFunctionType):
        return fn.__self__ is None or isinstance(fn.__self__, types.ModuleType)
    return isinstance(fn, (types.FunctionType, type))
