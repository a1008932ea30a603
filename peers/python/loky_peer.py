"""loky's reusable executor."""

import common

try:
    from loky import get_reusable_executor
except ImportError as error:
    common.missing(error)


def main():
    pairs = common.jobs()
    # The default timeout would end idle workers between two rounds.
    pool = get_reusable_executor(max_workers=common.WORKERS, timeout=3600)

    def run(count, chunk):
        return list(pool.map(common.gcd, pairs[:count], chunksize=chunk or 1))

    run(1000, 0)
    common.serve(map=run)
    pool.shutdown()


if __name__ == "__main__":
    main()
