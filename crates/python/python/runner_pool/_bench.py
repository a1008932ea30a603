"""The size of a call from which a process pool pays."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ._executor import ProcessPoolExecutor

_SIZES = [0.0, 1e-6, 3e-6, 10e-6, 30e-6, 100e-6, 300e-6, 1e-3]


@dataclass(frozen=True)
class Measurement:
    """The times of calls of one size, in seconds per call."""

    #: Time that a call needs on a core of its own.
    size: float
    #: Measured in a loop.
    serial: float
    #: Measured with ``map``.
    pool: float

    @property
    def speedup(self) -> float:
        return self.serial / self.pool


@dataclass(frozen=True)
class Report:
    """What :func:`bench` has measured. ``str`` of it is a table."""

    workers: int
    measurements: list[Measurement]
    #: Time in seconds until the first result of a fresh pool.
    first_result: float
    #: Time in seconds of ``submit(...).result()`` with a worker that waits.
    round_trip: float

    @property
    def break_even(self) -> float | None:
        """The smallest measured size, in seconds, from which on a pool is faster than a loop; ``None`` if it
        never is."""
        found = None
        for measurement in reversed(self.measurements):
            if measurement.speedup <= 1:
                break
            found = measurement.size
        return found

    def __str__(self) -> str:
        unit = f"microseconds per call, {self.workers} workers"
        lines = [f"{'size':>10} {'serial':>10} {'pool':>10} {'speedup':>8}   {unit}"]
        for one in self.measurements:
            times = f"{one.size * 1e6:10.1f} {one.serial * 1e6:10.2f} {one.pool * 1e6:10.2f}"
            lines.append(f"{times} {one.speedup:8.2f}")
        pays = (
            "a pool pays for no size"
            if self.break_even is None
            else f"a pool pays from {self.break_even * 1e6:.0f} us on"
        )
        lines.append(
            f"{pays}; a round trip takes {self.round_trip * 1e6:.0f} us, "
            f"the first {self.first_result * 1e3:.0f} ms"
        )
        return "\n".join(lines)


def work(steps: int) -> None:
    """Keeps a core busy with an amount of work, and not for a time: a call that has to wait for a core takes
    longer."""
    for _ in range(steps):
        pass


def _steps_per_second() -> float:
    steps = 100_000
    return steps / min(_time(map, work, [steps]) for _ in range(20))


def bench(max_workers: int | None = None, seconds: float = 0.2, rounds: int = 3) -> Report:
    """Measures ``map`` of calls of several sizes against a loop, and reports the medians.

    Each of the eight sizes takes about ``2 * seconds * rounds``. The loop and the pool take turns, so that
    both see the same load of the machine, which should be idle otherwise.
    """
    if seconds <= 0 or rounds < 1:
        raise ValueError("seconds and rounds must be positive")
    rate = _steps_per_second()
    begin = time.perf_counter()
    with ProcessPoolExecutor(max_workers) as pool:
        pool.submit(work, 0).result()
        first_result = time.perf_counter() - begin
        pool._pool.prestart()
        list(pool.map(work, [round(rate / 1000)] * 200))
        measurements = [_measure(pool, size, round(size * rate), seconds, rounds) for size in _SIZES]
        round_trip = statistics.median(_time(_round_trips, pool, [0]) for _ in range(200))
        return Report(pool._max_workers, measurements, first_result, round_trip)


def _measure(pool: ProcessPoolExecutor, size: float, steps: int, seconds: float, rounds: int) -> Measurement:
    calls = [steps] * max(100, min(20_000, int(seconds / max(size, 5e-6))))
    serial, pooled = [], []
    for _ in range(rounds):
        serial.append(_time(map, work, calls))
        pooled.append(_time(pool.map, work, calls))
    return Measurement(size, statistics.median(serial) / len(calls), statistics.median(pooled) / len(calls))


def _round_trips(pool: ProcessPoolExecutor, calls: list[int]) -> Iterator[None]:
    for call in calls:
        yield pool.submit(work, call).result()


def _time(mapping: Callable[..., Iterator[Any]], *arguments: Any) -> float:
    begin = time.perf_counter()
    list(mapping(*arguments))
    return time.perf_counter() - begin
