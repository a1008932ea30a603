"""The same filter on a hand-written pool, in order and with a fixed chunk size."""

import sys
from multiprocessing import Pool


def main():
    with Pool(2) as pool:
        for line in pool.imap(str.upper, sys.stdin, chunksize=1000):
            sys.stdout.write(line)


if __name__ == "__main__":
    main()
