"""The demo, run as `make demo` runs it once the cluster is up."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import alone, only_newest_helm
from tests.cluster.twister2_images import jar
from tests.conftest import REPOSITORY


@pytest.fixture
def demo(run, kube, namespace, cluster_kubeconfig, tmp_path):
    """Run one of the demos in the test's namespace."""
    path = tmp_path / "kubeconfig"
    path.write_bytes(Path(cluster_kubeconfig).read_bytes())
    path.chmod(0o600)
    kube("--kubeconfig", str(path), "config", "set-context", "--current", f"--namespace={namespace}")
    environment = {"KUBECONFIG": str(path), "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    helm = os.path.dirname(run("sh", "-c", "command -v helm").stdout.strip())
    environment["PATH"] = f"{helm}:{environment['PATH']}"

    def start(name, *words, **variables):
        return run(str(REPOSITORY / "devcluster" / name), *words, env=environment | variables, timeout=420)

    return start


@only_newest_helm
def test_demo_prints_addresses_that_answer(demo):
    result = demo("demo")
    assert result.returncode == 0, result.stdout + result.stderr
    replies = re.findall(r'^\S+:(\d+) +\{"job": "(demo|demo-helm)", "worker": (\d)', result.stdout, re.MULTILINE)
    assert {job for _, job, _ in replies} == {"demo", "demo-helm"} and len({port for port, _, _ in replies}) == 2
    again = demo("demo")
    assert again.returncode == 0, again.stdout + again.stderr


@only_newest_helm
def test_demo_shows_the_ways_in_that_it_is_asked_for(demo):
    result = demo("demo", WITH="load-balancer,gateway,ingress", GATEWAY_PORTS="18000")
    assert result.returncode == 0, result.stdout + result.stderr
    checked = result.stdout.split("$ twister2-job check demo")[-1].split(" addresses answer from this machine")[0]
    answered = set(re.findall(r"^(any|\d) .* (\w+) +answered +\S+ +(\d) ", checked, re.MULTILINE))
    ways = {way for _, way, _ in answered}
    assert ways == {"nodePort", "perWorker", "loadBalancer", "gateway"}, checked
    own = {(asked, by) for asked, way, by in answered if way in ("gateway", "perWorker")}
    assert own == {("0", "0"), ("1", "1"), ("2", "2")}
    assert re.search(r'http://demo\.example\.com/\n\{"job": "demo", "worker": \d', result.stdout), result.stdout


@only_newest_helm
def test_demo_of_twister2_computes_and_reaches_every_worker(demo):
    with alone("twister2"):
        result = demo("demo-twister2", str(jar()))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("Results are verified") == 8  # 4 workers by the command, 4 by bare Helm.
    replies = re.findall(r"^(\S+):(\d+) .*workerID: (\d) port: (\d+)$", result.stdout, re.MULTILINE)
    shared = [reply for reply in replies if reply[1] == replies[0][1]]
    assert {worker for _, _, worker, _ in shared} == {"0", "1", "2"}
    before, after = replies[len(shared) : len(shared) + 5], replies[len(shared) + 5 :]
    expected = [("0", "9000"), ("1", "9002"), ("2", "9000"), ("3", "9002"), ("4", "9000")]
    assert [reply[2:] for reply in before] == [reply[2:] for reply in after] == expected
    assert [reply[1] for reply in before] == [reply[1] for reply in after]
