"""Load balancers by MetalLB: every worker answers at its address, one address for all, and pools that are too small.

Skips on a cluster without MetalLB; `devcluster up --with load-balancer` has it.
"""

import json
import re
import time

import pytest

from tests.cluster.asking import reach
from tests.cluster.conftest import QUICK, eventually, only_newest_helm, refused
from tests.cluster.test_per_worker import TABLE, groups, identities, kill

OWN = ("--set", "perWorker.enabled=true,perWorker.type=LoadBalancer", *QUICK)
SHARING = (
    *OWN, "--set", "perWorker.loadBalancer.shareAddress=true,perWorker.servicePortBase.worker=7000",
    "--set", "perWorker.loadBalancer.shareAnnotation=metallb.io/allow-shared-ip,perWorker.servicePortBase.ui=7100",
)  # fmt: skip
IPV4 = ("--set", "perWorker.ipFamilyPolicy=SingleStack,loadBalancer.ipFamilyPolicy=SingleStack")


@pytest.fixture
def metallb(kube, run):
    """The namespace of MetalLB's pools."""
    result = run("kubectl", "get", "ipaddresspools.metallb.io", "--all-namespaces", "-o", "json")
    if result.returncode:
        pytest.skip(f"needs MetalLB, and this cluster does not serve metallb.io: {result.stderr.strip()}")
    pools = json.loads(result.stdout)["items"]
    if not any(pool["spec"].get("autoAssign", True) for pool in pools):
        pytest.skip("needs a pool of MetalLB from which addresses are given without asking; there is none")
    return str(pools[0]["metadata"]["namespace"])


@pytest.fixture
def small_pool(kube, metallb, namespace):
    """A pool of one address, which a Service has to ask for: its name and the address; each test has another."""
    address = f"10.89.0.{210 + int(namespace[-8:], 16) % 40}"
    spec = {"addresses": [f"{address}-{address}"], "autoAssign": False}
    pool = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "spec": spec}
    kube("create", "-f", "-", input=json.dumps({**pool, "metadata": {"name": namespace, "namespace": metallb}}))
    yield namespace, address
    kube("-n", metallb, "delete", "ipaddresspool", namespace)


def report(command, job):
    result = command("address", job, "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def all_available(command, job):
    found = report(command, job)
    listed = [*found["shared"], *(a for w in found["workers"] for a in w["addresses"])]
    assert {a["state"] for a in listed} == {"available"}, listed
    return found


def right(answer, expected):
    """Tell whether this worker answered; without HTTP if the machine took 0.5 s from the connection to the request."""
    late = re.match(r"BadStatusLine\('(.*)\\n'\)$", answer.get("error", ""))
    return answer == expected or bool(late and {"address": answer["address"], **json.loads(late[1])} == expected)


def proven(release, found, times=1):
    """Every address of every worker is answered by that worker, each time."""
    who = identities(release, TABLE)
    targets = [
        ((a["host"], a["number"], "TCP"), who[w["id"], a["port"]])
        for w in found["workers"] for a in w["addresses"] for _ in range(times)
    ]  # fmt: skip
    answers = reach([target for target, _ in targets])
    wrong = [(t, a) for (t, e), (a,) in zip(targets, answers, strict=True) if not right(a, {"address": t[0], **e})]
    assert not wrong, f"{len(wrong)} of {len(targets)}: {wrong[:3]}"
    return len(targets)


@only_newest_helm
def test_the_shared_load_balancer_reaches_the_workers(command, job, metallb, release):
    result = command("install", job, "--set", "loadBalancer.enabled=true", *QUICK)
    assert result.returncode == 0 and "loadBalancer" in result.stdout, result.stdout + result.stderr
    found = all_available(command, job)["shared"]
    assert {a["via"] for a in found} == {"loadBalancer"}
    targets = [(a["host"], a["number"], "TCP") for a in found for _ in range(20)]
    assert eventually(lambda: {a.get("worker") for (a,) in reach(targets)} == {0, 1})
    assert command("check", job).returncode == 0


@only_newest_helm
@pytest.mark.parametrize("way", [OWN, SHARING], ids=["own addresses", "one address"])
def test_every_worker_is_reached_at_its_own_address_through_its_whole_life(command, job, metallb, release, way):
    result = command("install", job, *way, *groups())
    assert result.returncode == 0, result.stdout + result.stderr
    found = eventually(lambda: all_available(command, job))
    hosts = [{a["host"] for a in w["addresses"]} for w in found["workers"]]
    if way is SHARING:
        assert all(one == hosts[0] for one in hosts) and found["warnings"] == []
        assert [w["addresses"][0]["number"] for w in found["workers"]] == [7000, 7001, 7002, 7003, 7004]
    else:
        assert len(set(map(frozenset, hosts))) == len(TABLE)
    assert eventually(lambda: proven(release, found))
    assert proven(release, found, 100) >= 100 * 2 * len(TABLE)
    assert command("check", job).returncode == 0

    kill(release, f"{job}-1-0")
    assert eventually(lambda: proven(release, all_available(command, job)))
    uids = release.uids()
    assert command("upgrade", job, *way, *groups(), "--set", "perWorker.annotations.a=b").returncode == 0
    assert release.uids() == uids
    again = all_available(command, job)
    assert [w["addresses"] for w in again["workers"]] == [w["addresses"] for w in found["workers"]]
    assert eventually(lambda: proven(release, again, 10))


@only_newest_helm
def test_a_pool_without_a_free_address_is_told_and_the_release_stays(run, command, job, namespace, small_pool):
    pool = ("--set", f"perWorker.annotations.metallb\\.io/address-pool={small_pool[0]}", *IPV4)
    began = time.monotonic()
    result = command("install", job, *OWN, *pool)
    refused(result, 3, f"The job {job} runs", "the cluster has no free address for it")
    assert time.monotonic() - began < 60
    status = json.loads(run("helm", "status", job, "--namespace", namespace, "-o", "json").stdout)
    assert status["info"]["status"] == "deployed"
    states = [w["addresses"][0]["state"] for w in report(command, job)["workers"]]
    assert sorted(states) == ["available", "pending"]
    # The way to repair it: one address for all.
    result = command("upgrade", job, *SHARING, *pool, "--set", "additionalPorts[0].name=ui")
    assert eventually(lambda: all_available(command, job)["warnings"] == []), result.stderr


@only_newest_helm
def test_a_class_that_nobody_serves_is_named(command, job, metallb):
    result = command("install", job, "--set", "loadBalancer.enabled=true,loadBalancer.class=example.com/none", *QUICK)
    refused(result, 3, "is there one of the class example.com/none in this cluster?")


@only_newest_helm
def test_an_address_of_another_service_is_named(command, job, kube, namespace, small_pool):
    mine = f"loadBalancer.annotations.metallb\\.io/loadBalancerIPs={small_pool[1]}"
    asking = ("--set-string", mine, *IPV4, *QUICK)
    first, second = f"{job}a", f"{job}b"
    assert command("install", first, "--set", "loadBalancer.enabled=true", *asking).returncode == 0
    result = command("install", second, "--set", "loadBalancer.enabled=true", *asking)
    refused(result, 3, "the address that it asks for is another Service's")


@only_newest_helm
def test_switching_ways_touches_no_pod_and_no_other_address(command, job, metallb, release):
    shape = ("--set", "instances=1", "--set-json", "computeResources=[{}]", *QUICK)
    shared, own = ("--set", "loadBalancer.enabled=true"), OWN
    node = ("--set", "nodePort.enabled=true")
    assert command("install", job, *shape, *shared).returncode == 0
    uids = release.uids()
    before = all_available(command, job)["shared"]
    for ways in ((*shared, *own), (*shared, *own, *node), (*shared, *node), shared):
        assert command("upgrade", job, *shape, *ways).returncode == 0
        assert release.uids() == uids
        kept = [a for a in report(command, job)["shared"] if a["via"] == "loadBalancer"]
        assert kept == before
    assert eventually(lambda: {a.get("worker") for (a,) in reach([(before[0]["host"], 9000, "TCP")] * 10)} == {0, 1})
