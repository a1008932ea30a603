"""Compares the page about conformance with the tests, and with the rows of the Rust library."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import stdlib_suite

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = ROOT / "docs/src/python-conformance.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="NOT RUN: the pages are not there")


def names_in(file):
    names = (node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef))
    return [name for name in names if name.startswith("test_")]


def rows_of(name):
    """Returns the rows that the name of a test begins with, such as `test_mtc_02_and_03_a_backlog`."""
    group, first, relation, last = re.match(
        r"test_([a-z]+)_(\d\d)[a-d]?(?:_(and|to)_(\d\d))?_", name
    ).groups()
    numbers = range(int(first), int(last or first) + 1) if relation != "and" else (int(first), int(last))
    return [f"{group.upper()}-{number:02}" for number in numbers]


def page_rows():
    cells = re.findall(r"^\| ([A-Z]+-\d\d) \| (.*?) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    return {row: tests for row, _, tests in cells}


def test_each_row_is_on_the_page():
    table = (ROOT / "tests/conformance.tsv").read_text().splitlines()
    assert list(page_rows()) == [line.split("\t")[0] for line in table if not line.startswith("#")]


def test_each_test_names_a_row_of_the_page_which_names_its_file():
    files = [file for file in sorted(HERE.glob("test_conformance_*.py")) if file != Path(__file__)]
    assert len(files) > 3
    for file in files:
        for name in names_in(file):
            for row in rows_of(name):
                assert f"`{file.name}`" in page_rows()[row], (name, row)


def test_each_row_has_a_test_that_exists_or_a_reason():
    for row, tests in page_rows().items():
        if tests.startswith(("not offered: ", "not applicable: ")):
            continue
        assert "`" in tests or "each test" in tests, row
        for file in re.findall(r"`(test_\w+\.py)`", tests):
            names = names_in(HERE / file)
            assert names
            if file.startswith("test_conformance_"):
                assert any(row in rows_of(name) for name in names), (row, file)
        for name in re.findall(r"`(test_\w+)`", tests.partition("CPython: ")[2]):
            assert name not in stdlib_suite.NOT_APPLICABLE, (row, name)
