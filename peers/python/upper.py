"""Converts each line to upper case and flushes: a filter for `runner each`."""

import sys

for line in sys.stdin:
    sys.stdout.write(line.upper())
    sys.stdout.flush()
