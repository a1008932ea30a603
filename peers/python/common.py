"""What all Python peers share: the jobs, and the conversation with the program that measures.

A peer prints `ready`, or `missing REASON`. Then each line of input asks for one run, `WHAT JOBS CHUNK`, and is
answered by `NANOSECONDS SUM`; chunk 0 is the pool's own choice.
"""

import math
import statistics
import sys
import time

WORKERS = 2


def gcd(pair):
    # In C, like the pools' own parts: a loop in Python would take a microsecond and flatter nobody.
    return math.gcd(*pair)


def pairs(count):
    """The same pairs as in peers/src/task.rs."""
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
