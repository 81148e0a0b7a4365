"""`down` removes everything. These tests run after the other modules': the cluster is gone afterwards."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.devcluster.conftest import DEVCLUSTER, Cluster, Machine, devcluster, eventually, machine


def test_down_leaves_nothing(clean_machine: Machine, cluster: Cluster) -> None:
    bystander = subprocess.Popen([sys.executable, str(DEVCLUSTER), "exec", "--", "sleep", "60"])
    try:
        time.sleep(0.5)
        began = time.monotonic()
        done = devcluster("down")
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - began < 30
    finally:
        bystander.kill()
        bystander.wait()
    eventually("nothing to be left", lambda: machine() == clean_machine, 5)
    assert devcluster("status").returncode == 3
