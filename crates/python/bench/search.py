"""Measures the backend of joblib against that of loky with searches of scikit-learn."""

from __future__ import annotations

import statistics
import time


def searches():
    """Returns searches by their names: many short fits, and fewer long ones."""
    from sklearn.datasets import load_digits, load_iris
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    fewer, many = {"C": [0.1, 1, 10], "gamma": [1e-4, 1e-3]}, {"C": range(1, 31), "gamma": [0.01, 0.1]}
    iris, digits = load_iris(return_X_y=True), load_digits(return_X_y=True)
    return {
        "`GridSearchCV`, 180 fits of about 5 ms": (GridSearchCV(SVC(), many, cv=3), iris),
        "`GridSearchCV`, 18 fits of about 200 ms": (GridSearchCV(SVC(), fewer, cv=3), digits),
    }


def measure(workers, rounds):
    """Returns, for each search, the median time in seconds with each backend. The backends take turns.

    Raises `ValueError` if their scores differ."""
    import joblib
    import runner_pool

    runner_pool.register_joblib()
    backends = {"runner_pool": "runner", "loky": "loky", "one process": "sequential"}
    measured = {}
    for what, (search, data) in searches().items():
        times, scores = {name: [] for name in backends}, {}
        # The first round starts workers, which import what fits need, and is not counted.
        for number in range(rounds + 1):
            for name, backend in backends.items():
                with joblib.parallel_config(backend=backend, n_jobs=workers):
                    begin = time.perf_counter()
                    search.fit(*data)
                    if number > 0:
                        times[name].append(time.perf_counter() - begin)
                scores[name] = list(search.cv_results_["mean_test_score"])
        if len(set(map(tuple, scores.values()))) != 1:
            raise ValueError(f"the backends have different scores: {scores}")
        measured[what] = {name: statistics.median(each) for name, each in times.items()}
    return measured
