"""Load balancers on a cluster whether or not it has a controller for them: what is pending, why, and what is refused.

The Services have a class that no controller serves; their status is then written by the test, as a controller would.
"""

import json
import time

import pytest

from tests.cluster.asking import reach
from tests.cluster.conftest import QUICK, eventually, only_newest_helm, refused
from tests.conftest import CHART

CLASS = ("--set", "loadBalancer.class=example.com/none")
ON = ("--set", "loadBalancer.enabled=true", *CLASS, *QUICK)
SHARING = (
    *QUICK, "--set", "perWorker.enabled=true,perWorker.type=LoadBalancer,perWorker.loadBalancer.class=example.com/none",
    "--set", "perWorker.servicePortBase.worker=9000,perWorker.loadBalancer.shareAddress=true",
    "--set", "perWorker.loadBalancer.shareAnnotation=example.com/share",
)  # fmt: skip


@pytest.fixture
def give(kube, namespace):
    """Give a Service an address, as a controller does."""

    def status(service, *addresses):
        points = [{"ip": address, "ipMode": "VIP"} for address in addresses]
        patch = json.dumps({"status": {"loadBalancer": {"ingress": points}}})
        words = ("patch", "service", service, "--subresource=status", "--type=merge", "-p", patch)
        kube("-n", namespace, *words)

    return status


@pytest.fixture
def warn(kube, namespace):
    """Report something about a Service, as a controller does."""

    def event(service, message):
        live = json.loads(kube("-n", namespace, "get", "service", service, "-o", "json"))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        about = {"kind": "Service", "namespace": namespace, "name": service, "uid": live["metadata"]["uid"]}
        made = {
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": f"{service}.test", "namespace": namespace},
            "involvedObject": about, "type": "Warning", "reason": "AllocationFailed", "message": message,
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        }  # fmt: skip
        kube("-n", namespace, "create", "-f", "-", input=json.dumps(made))

    return event


def addresses(command, job):
    result = command("address", job, "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_install_ends_with_the_release_deployed_and_says_why_the_address_is_pending(
    run, command, job, namespace, give, warn, kube
):
    began = time.monotonic()
    result = command("install", job, *ON)
    took = time.monotonic() - began
    refused(result, 3, f"The job {job} runs", "no controller has taken it", "example.com/none", "address", "--watch")
    assert took < 90, took
    assert "pending: no controller has taken it; is there one of the class example.com/none" in result.stdout
    status = json.loads(run("helm", "status", job, "--namespace", namespace, "-o", "json").stdout)
    assert status["info"]["status"] == "deployed"
    (address,) = addresses(command, job)["shared"]
    assert (address["via"], address["state"], address["number"]) == ("loadBalancer", "pending", 9000)
    refused(command("address", job, "-o", "plain"), 3, "pending", "no controller has taken it")
    assert "no controller has taken it" in command("status", job).stdout
    published = json.loads(kube("-n", namespace, "get", "configmap", f"{job}-addresses", "-o", "json"))["data"]
    assert json.loads(published["addresses.json"])["shared"] == [address]

    service = f"{job}-loadbalancer"
    warn(service, f'Failed to allocate IP for "{namespace}/{service}": no available IPs')
    refused(command("check", job), 3, "the cluster has no free address for it (no available IPs)")

    give(service, "192.0.2.77")
    (address,) = addresses(command, job)["shared"]
    assert (address["state"], address["address"]) == ("available", "192.0.2.77:9000")
    assert command("address", job, "-o", "env").stdout.strip() == "TWISTER2_JOB_ADDRESS=192.0.2.77:9000"


def test_another_class_is_refused_before_anything_is_changed(run, command, job, namespace):
    refused(command("install", job, *ON), 3)
    other = ("--set", "loadBalancer.enabled=true,loadBalancer.class=example.com/other", *QUICK)
    refused(command("upgrade", job, *other), 5, "loadBalancer.class: example.com/none", "second upgrade", "Nothing was")
    gone = ("--set", "loadBalancer.enabled=true", *QUICK)
    refused(command("upgrade", job, *gone), 5, "loadBalancer.class: example.com/none", "would become none")
    history = json.loads(run("helm", "history", job, "--namespace", namespace, "-o", "json").stdout)
    assert len(history) == 1
    assert command("upgrade", job, *QUICK).returncode == 0
    refused(command("upgrade", job, *other), 3, "example.com/other")


def test_kubernetes_own_refusal_of_a_class_is_told_in_a_sentence(run, release):
    from twister2_job.clients.messages import Step, translate

    release.helm("install", *ON)
    words = ("upgrade", release.name, str(CHART), "--namespace", release.namespace, *ON)
    result = run("helm", *words, "--set", "loadBalancer.class=example.com/other")
    assert result.returncode != 0
    error = translate(result.stderr, "helm", Step.APPLY)
    assert f"The load balancer of Service {release.name}-loadbalancer can't change its loadBalancerClass" in str(error)


@only_newest_helm
def test_packets_reach_the_workers_at_an_address_that_a_controller_gave(command, release, give):
    """From inside the cluster: kube-proxy takes the address of a load balancer for the Service's own."""
    release.install(*ON)
    give(f"{release.name}-loadbalancer", "192.0.2.78")
    pod, target = f"{release.name}-0-0", ("192.0.2.78", 9000, "TCP")

    def workers():
        return {answer.get("worker") for (answer,) in release.reach_from(pod, [target] * 20)}

    assert eventually(lambda: workers() == {0, 1})
    uids = release.uids()
    release.upgrade(*QUICK)
    release.upgrade(*ON)
    assert release.uids() == uids


@only_newest_helm
def test_each_worker_has_a_number_of_its_own_on_one_address(command, release, give, job):
    release.install(*SHARING)
    services = sorted(name for name in release.services() if "-w-" in name)
    assert {
        one["metadata"]["annotations"]["example.com/share"] for name, one in release.services().items() if "-w-" in name
    } == {f"{release.namespace}/{release.name}"}
    for service in services:
        give(service, "192.0.2.79")
    report = addresses(command, job)
    found = [a["address"] for worker in report["workers"] for a in worker["addresses"]]
    assert found == ["192.0.2.79:9000", "192.0.2.79:9001"]
    assert report["warnings"] == []
    targets = [("192.0.2.79", 9000 + worker, "TCP") for worker in (0, 1) for _ in range(10)]
    wanted = [0] * 10 + [1] * 10
    assert eventually(
        lambda: [a.get("worker") for (a,) in release.reach_from(f"{release.name}-0-0", targets)] == wanted
    )
    give(services[1], "192.0.2.80")
    (warning,) = addresses(command, job)["warnings"]
    assert "worker 0 has 192.0.2.79; worker 1 has 192.0.2.80" in warning and "example.com/share" in warning


@only_newest_helm
def test_node_ports_and_pods_outlive_a_change_of_type(release, nodes):
    own = ("--set", "perWorker.enabled=true", *QUICK)
    balanced = (*own, "--set", "perWorker.type=LoadBalancer,perWorker.loadBalancer.class=example.com/none")
    release.install(*own)
    numbers, uids = release.worker_ports(), release.uids()
    for arguments in (balanced, own, balanced):
        release.upgrade(*arguments)
        assert (release.worker_ports(), release.uids()) == (numbers, uids)
    address = next(iter(nodes.values()))[0]
    targets = [(address, numbers[worker]["worker"], "TCP") for worker in (0, 1)]
    assert eventually(lambda: [a.get("worker") for (a,) in reach(targets)] == [0, 1])
