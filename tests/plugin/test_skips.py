"""In CI no test is skipped: a skipped one would be counted as if it had passed."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

SKIPS = """
import pytest


def test_that_skips():
    pytest.skip("needs what is not here")


@pytest.mark.skipif(True, reason="needs what is not here")
def test_that_is_marked():
    raise AssertionError


def test_that_passes():
    pass
"""


@pytest.mark.parametrize(("ci", "counts"), [("", "1 passed, 2 skipped"), ("true", "1 failed, 1 passed, 1 error")])
def test_a_skipped_test_fails_in_ci_alone(tmp_path, ci, counts):
    (tmp_path / "test_skips.py").write_text(SKIPS)
    words = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", tmp_path, tmp_path]
    env = {**os.environ, "CI": ci, "PYTHONPATH": str(REPOSITORY), "PYTEST_ADDOPTS": ""}
    told = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert counts in told.stdout, told.stdout + told.stderr
    assert ("CI skips no test" in told.stdout) == bool(ci)
