"""Ray on this machine."""

import common

try:
    import ray
except ImportError as error:
    common.missing(error)


def main():
    pairs = common.jobs()
    # Without logging and dashboard, which would slow down the tasks.
    ray.init(address="local", num_cpus=common.WORKERS, include_dashboard=False, logging_level="ERROR")
    gcd, gcds, total = (ray.remote(task) for task in (common.gcd, common.gcds, common.total))

    def run(count, chunk):
        if chunk == 1:
            return ray.get([gcd.remote(pair) for pair in pairs[:count]])
        chunks = common.chunks(pairs[:count], chunk)
        return common.flat(ray.get([gcds.remote(chunk) for chunk in chunks]))

    def totals(count, n):
        return ray.get([total.remote(n) for _ in range(count)])

    run(1000, 1)
    print("version", ray.__version__, flush=True)
    common.serve(map=run, totals=totals, alone=common.totals)
    ray.shutdown()


if __name__ == "__main__":
    main()
