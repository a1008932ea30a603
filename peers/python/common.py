"""Code shared by all Python peers: the jobs, and the protocol with the benchmark program.

A peer prints `ready` or `missing REASON`. Then each line of input requests one run, `WHAT JOBS CHUNK`, and the reply
is `NANOSECONDS SUM`; chunk 0 is the default of the pool.
"""

import array
import itertools
import math
import statistics
import sys
import time

WORKERS = 2


def gcd(pair):
    # Implemented in C: a loop in Python would take a microsecond and hide the overhead of the pools.
    return math.gcd(*pair)


def gcds(numbers):
    """Runs several jobs in one task: the first number with the second, the third with the fourth, and so on."""
    return list(map(math.gcd, numbers[::2], numbers[1::2]))


def chunks(pairs, size):
    """Returns arguments for `gcds`: arrays, since the pools would inspect each element of a list."""
    firsts = range(0, len(pairs), size)
    return [array.array("q", itertools.chain.from_iterable(pairs[first : first + size])) for first in firsts]


def flat(lists):
    return [item for items in lists for item in items]


def total(n):
    """Returns 1 + 2 + ... + n by adding one number after the other: a load of known size."""
    return sum(range(1, n + 1))


def totals(count, n):
    """Computes `count` totals in this process."""
    return [total(n) for _ in range(count)]


def pairs(count):
    """Returns the same pairs as peers/src/numbers.rs."""
    state, found, mask = 0x9E3779B97F4A7C15, [], (1 << 64) - 1
    for _ in range(2 * count):
        state ^= (state << 13) & mask
        state ^= state >> 7
        state ^= (state << 17) & mask
        found.append(state >> 43 | 1 << 21)
    return list(zip(found[::2], found[1::2]))


def jobs():
    return pairs(int(sys.argv[1]))


def missing(reason):
    print("missing", reason, flush=True)
    sys.exit()


def serve(**runs):
    """Serves requests until the input ends. Each run takes a number of jobs and a chunk size and returns results."""
    print("ready", flush=True)
    for line in sys.stdin:
        what, count, chunk = line.split()
        count, chunk = int(count), int(chunk)
        start = time.perf_counter_ns()
        results = runs[what](count, chunk)
        elapsed = time.perf_counter_ns() - start
        if what == "trips":
            elapsed = int(statistics.median(results))
        print(elapsed, sum(results), flush=True)
