"""The jobs of the text in Python: a plain loop, threads, and a ProcessPoolExecutor.

Prints its version. Then each line of input is a run as JSON (see peers/src/bin/textbook/experiments.rs), and the reply
is `{"done": [SECONDS, RESULTS]}` or `{"error": TEXT}`.
"""

import asyncio
import json
import multiprocessing
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait

LIMIT_SECONDS = 7
NAP_MILLIS = 50


def factorize(n):
    found = []
    for candidate in range(1, n + 1):
        if n % candidate == 0:
            found.append(candidate)
    return found


def gcd(a, b):
    for candidate in range(min(a, b), 0, -1):
        if a % candidate == 0 and b % candidate == 0:
            return [candidate]
    raise ValueError("there is nothing to count down from")


def nap(millis):
    time.sleep(millis / 1000)
    return [millis]


def add_up(n):
    return [sum(range(n + 1))]


OPERATIONS = {"factorize": factorize, "gcd": gcd, "wait": nap, "sum": add_up}


def work(job):
    """Runs a job: a name with one number or a list of numbers."""
    [(name, numbers)] = job.items()
    return OPERATIONS[name](*(numbers if isinstance(numbers, list) else [numbers]))


async def awaited(executor, jobs):
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*(loop.run_in_executor(executor, work, job) for job in jobs))


def collect(executor, how, jobs):
    if how == "map":
        return list(executor.map(work, jobs))
    if how == "await":
        return asyncio.run(awaited(executor, jobs))
    futures = [executor.submit(work, job) for job in jobs]
    if how == "wait":
        wait(futures)
        return [future.result() for future in futures]
    # Results arrive in any order; in the text they increase with their jobs.
    return sorted(future.result() for future in as_completed(futures, timeout=LIMIT_SECONDS))


def in_series(jobs):
    start = time.perf_counter()
    results = [work(job) for job in jobs]
    return time.perf_counter() - start, results


def on_executor(run):
    kind = ThreadPoolExecutor if run["way"] == "threads" else ProcessPoolExecutor
    start = time.perf_counter()
    # The end of the executor does not count, as in the text.
    with kind(max_workers=run["workers"]) as executor:
        if not run["with_start"]:
            # Long enough that the next nap starts another worker.
            list(executor.map(nap, [NAP_MILLIS] * run["workers"]))
            start = time.perf_counter()
        results = collect(executor, run["collect"], run["jobs"])
        return time.perf_counter() - start, results


def answer(run):
    try:
        return {"done": in_series(run["jobs"]) if run["way"] == "series" else on_executor(run)}
    except Exception as error:  # Reported by the benchmark program.
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    method = multiprocessing.get_start_method()
    print(f"{platform.python_version()}, processes by {method}", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
