"""Functions that the pools call."""

import time


def increment(number):
    return number + 1


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def same(value):
    return value
