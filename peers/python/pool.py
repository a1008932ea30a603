"""multiprocessing.Pool."""

from multiprocessing import Pool

import common


def main():
    pairs = common.jobs()
    with Pool(common.WORKERS) as pool:

        def run(count, chunk):
            return pool.map(common.gcd, pairs[:count], chunksize=chunk or None)

        run(1000, 0)
        common.serve(map=run)


if __name__ == "__main__":
    main()
