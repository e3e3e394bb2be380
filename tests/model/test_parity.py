"""Full-size heads against the public loop; minutes and 6 GB of disk."""

import subprocess
import sys

import pytest

from tests.support.places import REPOSITORY


@pytest.mark.slow
def test_full_size_heads_score_as_the_public_loop_through_both_doors():
    program = str(REPOSITORY / "benchmarks" / "parity.py")
    assert subprocess.run([sys.executable, program]).returncode == 0  # it fails above 1e-4
