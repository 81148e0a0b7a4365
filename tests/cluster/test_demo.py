"""The demo, run as `make demo` runs it once the cluster is up."""

import os
import re
import sys
from pathlib import Path

from tests.cluster.conftest import only_newest_helm
from tests.conftest import REPOSITORY


@only_newest_helm
def test_demo_prints_addresses_that_answer(run, kube, namespace, cluster_kubeconfig, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_bytes(Path(cluster_kubeconfig).read_bytes())
    path.chmod(0o600)
    kube("--kubeconfig", str(path), "config", "set-context", "--current", f"--namespace={namespace}")
    environment = {"KUBECONFIG": str(path), "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    helm = os.path.dirname(run("sh", "-c", "command -v helm").stdout.strip())
    environment["PATH"] = f"{helm}:{environment['PATH']}"
    result = run(str(REPOSITORY / "devcluster" / "demo"), env=environment, timeout=180)
    assert result.returncode == 0, result.stdout + result.stderr
    replies = re.findall(r'^\S+:(\d+) +\{"job": "(demo|job)", "worker": (\d)', result.stdout, re.MULTILINE)
    assert {job for _, job, _ in replies} == {"demo", "job"} and len({port for port, _, _ in replies}) == 2
    again = run(str(REPOSITORY / "devcluster" / "demo"), env=environment, timeout=180)
    assert again.returncode == 0, again.stdout + again.stderr
