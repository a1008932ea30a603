"""joblib's Parallel with its default backend."""

import common

try:
    from joblib import Parallel, delayed, parallel_config
except ImportError as error:
    common.missing(error)


def main():
    pairs = common.jobs()
    # The default timeout would end idle workers between two rounds.
    with parallel_config("loky", idle_worker_timeout=3600):

        def run(count, chunk):
            parallel = Parallel(n_jobs=common.WORKERS, batch_size=chunk or "auto")
            return parallel(delayed(common.gcd)(pair) for pair in pairs[:count])

        run(1000, 0)
        common.serve(map=run)


if __name__ == "__main__":
    main()
