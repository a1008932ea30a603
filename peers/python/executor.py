"""concurrent.futures.ProcessPoolExecutor."""

import time
from concurrent.futures import ProcessPoolExecutor

import common


def main():
    pairs = common.jobs()
    with ProcessPoolExecutor(common.WORKERS) as pool:

        def run(count, chunk):
            return list(pool.map(common.gcd, pairs[:count], chunksize=chunk or 1))

        def trips(count, _):
            times = []
            for pair in pairs[:count]:
                start = time.perf_counter_ns()
                pool.submit(common.gcd, pair).result()
                times.append(time.perf_counter_ns() - start)
            return times

        run(1000, 0)
        common.serve(map=run, trips=trips)


if __name__ == "__main__":
    main()
