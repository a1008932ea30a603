"""What all Python peers share: the jobs, and the conversation with the program that measures.

A peer prints `ready`, or `missing REASON`. Then each line of input asks for one run, `WHAT JOBS CHUNK`, and is
answered by `NANOSECONDS SUM`; chunk 0 is the pool's own choice.
"""

import array
import itertools
import math
import statistics
import sys
import time

WORKERS = 2


def gcd(pair):
    # In C, like the pools' own parts: a loop in Python would take a microsecond and flatter nobody.
    return math.gcd(*pair)


def gcds(numbers):
    """Several jobs in one task: the first with the second, the third with the fourth, and so on."""
    return list(map(math.gcd, numbers[::2], numbers[1::2]))


def chunks(pairs, size):
    """What `gcds` takes, in one piece: of a list the pools would look at every element."""
    firsts = range(0, len(pairs), size)
    return [array.array("q", itertools.chain.from_iterable(pairs[first : first + size])) for first in firsts]


def flat(lists):
    return [item for items in lists for item in items]


def total(n):
    """1 + 2 + ... + n, by adding one number after the other: a load of known size."""
    return sum(range(1, n + 1))


def totals(count, n):
    """So many of them, here and not in a pool."""
    return [total(n) for _ in range(count)]


def pairs(count):
    """The same pairs as in peers/src/numbers.rs."""
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
    """Answers until the input ends. Each run takes a number of jobs and a chunk size and returns results."""
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
