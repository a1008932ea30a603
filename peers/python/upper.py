"""Answers each line with its capitals, and flushes: a filter as `runner each` keeps it running."""

import sys

for line in sys.stdin:
    sys.stdout.write(line.upper())
    sys.stdout.flush()
