"""Jobs that keep their state in ZooKeeper: each run has a znode of its own there, so that a job can run again.

ZooKeeper is a real one; the job is the contract worker's (tests/images), which makes the znode as Twister2 0.8.0 does,
and starts no run where there is one.
"""

import json

import pytest

from tests.cluster.conftest import eventually, only_newest_helm, refused
from tests.cluster.test_contract_worker import packaged, state, submit  # noqa: F401
from tests.cluster.twister2_images import SMALL

pytestmark = only_newest_helm
JAVA = ["/opt/java/bin/java", "-Xmx48m", "-XX:+UseSerialGC", "-cp", "/opt/zookeeper/*"]
SERVER = "twister2.resource.zookeeper.server.addresses"


@pytest.fixture
def zookeeper(release):
    """A ZooKeeper that jobs reach at `zookeeper:2181`; returns a function that runs a command of its zkCli."""
    pod = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "zookeeper", "image": ":".join(SMALL["image"].values()),
                "command": [*JAVA, "org.apache.zookeeper.server.ZooKeeperServerMain", "2181", "/tmp/data"],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "readinessProbe": {"tcpSocket": {"port": 2181}, "periodSeconds": 1},
            }
        ],
    }  # fmt: skip
    metadata = {"name": "zookeeper", "labels": {"app": "zookeeper"}}
    objects = (
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": metadata["labels"], "ports": [{"port": 2181}]},
        },
    )
    in_namespace = ("-n", release.namespace)
    release.kube(*in_namespace, "create", "-f", "-", input="---\n".join(json.dumps(one) for one in objects))
    release.kube(*in_namespace, "wait", "--for=condition=Ready", "--timeout=60s", "pod/zookeeper")

    def command(*words):
        shell = ("exec", "zookeeper", "--", *JAVA, "org.apache.zookeeper.ZooKeeperMain", "-server", "127.0.0.1:2181")
        return release.kube(*in_namespace, *shell, *words).splitlines()

    return command


def test_each_run_has_a_znode_of_its_own_and_rerun_says_so_first(zookeeper, submit, command, job):  # noqa: F811
    result = submit("Complete", "--config", f"{SERVER}=zookeeper:2181")
    assert result.returncode == 0, result.stderr
    (first,) = zookeeper("ls", "/twister2")[-1].strip("[]").split(", ")
    result = command("rerun", job)
    assert result.returncode == 0, result.stderr
    assert f"this run at /twister2/TIME/{job}" in result.stderr.splitlines()[0]
    assert f"job {job} completed" in result.stderr
    runs = zookeeper("ls", "/twister2")[-1].strip("[]").split(", ")
    assert len(runs) == 2 and first in runs and all(len(run) == 13 and run.isdigit() for run in runs)
    for run in runs:
        assert zookeeper("ls", f"/twister2/{run}")[-1] == f"[{job}]"


def test_a_run_that_finds_the_znode_of_an_earlier_one_is_lost_and_the_advice_mends_it(
    zookeeper,
    command,
    job,
    packaged,  # noqa: F811
):
    """A package that Twister2's own client made is run as it is: at one path each time."""
    words = packaged((1, 1), config={SERVER: "zookeeper:2181"})
    result = command("submit", job, *words)
    assert result.returncode == 0, result.stderr
    assert f"at /twister2/{job}, and Twister2 starts no run where there is one" in result.stderr
    assert zookeeper("ls", "/twister2")[-1] == f"[{job}]"

    remedy = f"deleteall /twister2/{job}"
    refused(command("rerun", job), 26, f"ZooKeeper has /twister2/{job} of an earlier run", remedy)
    assert eventually(lambda: state(command, job)["state"] == "lost")
    zookeeper(*remedy.split())
    result = command("rerun", job)
    assert result.returncode == 0, result.stderr
    assert f"job {job} completed" in result.stderr
