"""Dask on this machine, with a scheduler and worker processes."""

import common

try:
    import distributed
except ImportError as error:
    common.missing(error)


def main():
    pairs = common.jobs()
    settings = dict(n_workers=common.WORKERS, threads_per_worker=1, processes=True, dashboard_address=None)
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:

        def each(task, items):
            # Not pure: otherwise keys are computed by hashing, and jobs with known results are not run again.
            return client.gather(client.map(task, items, pure=False))

        def run(count, chunk):
            if chunk == 1:
                return each(common.gcd, pairs[:count])
            return common.flat(each(common.gcds, common.chunks(pairs[:count], chunk)))

        def totals(count, n):
            return each(common.total, [n] * count)

        run(1000, 1)
        print("version", distributed.__version__, flush=True)
        common.serve(map=run, totals=totals, alone=common.totals)


if __name__ == "__main__":
    main()
