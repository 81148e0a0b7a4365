"""The shared way in on a real cluster, with bare Helm: who answers at the node port, and what survives."""

import json

import pytest
from pytest_helm_charts.k8s.stateful_set import wait_for_stateful_sets_to_run

from tests.cluster.conftest import ask, eventually, only_newest_helm

ON = ("--set", "nodePort.enabled=true")


def wait_for_workers(address, port, workers):
    """Wait until kube-proxy knows all workers: it learns of a ready pod a moment after everybody else."""
    eventually(lambda: {ask(address, port)["worker"] for _ in range(30)} == workers)


@only_newest_helm
def test_every_address_of_every_node_reaches_every_worker(release, nodes, kube_cluster):
    """100 requests to each address: all are answered, and no worker is missing among the answers."""
    release.install(*ON, "--set", "instances=3")
    wait_for_stateful_sets_to_run(kube_cluster.kube_client, [f"{release.name}-0"], release.namespace, 60)
    port = release.node_ports()["worker"]
    addresses = [address for found in nodes.values() for address in found]
    assert len(nodes) >= 2 and len(addresses) > len(nodes)
    for address in addresses:
        wait_for_workers(address, port, {0, 1, 2})
        answers = [ask(address, port) for _ in range(100)]
        assert {answer["worker"] for answer in answers} == {0, 1, 2}, address
        assert {answer["job"] for answer in answers} == {release.name}


def test_nodes_have_both_families_and_an_external_ip(nodes):
    """What the tests here rest on: without it they would prove less than they say."""
    addresses = [address for found in nodes.values() for address in found]
    assert all(any(":" in address for address in found) for found in nodes.values())
    assert all(any("." in address for address in found) for found in nodes.values())
    assert max(len(found) for found in nodes.values()) > min(len(found) for found in nodes.values()), addresses


@only_newest_helm  # tests/chart compares what each Helm renders.
def test_a_fixed_port_is_honoured(release, nodes, fixed_port):
    release.install(*ON, "--set", f"nodePort.port={fixed_port}")
    assert release.node_ports() == {"worker": fixed_port}
    address = next(iter(nodes.values()))[0]
    assert eventually(lambda: ask(address, fixed_port))["job"] == release.name
    release.helm("uninstall", "--wait")


@only_newest_helm
def test_several_exposed_ports(release, nodes):
    ports = ("--set-json", 'additionalPorts=[{"name":"ui"},{"name":"beat","protocol":"UDP"}]')
    release.install(*ON, *ports, "--set", "nodePort.ports={ui}")
    assert set(release.node_ports()) == {"ui"}
    address = next(iter(nodes.values()))[0]
    answer = eventually(lambda: ask(address, release.node_ports()["ui"]))
    assert (answer["portName"], answer["port"]) == ("ui", 9001)


@only_newest_helm
def test_several_groups_share_the_port(release, nodes):
    release.install(*ON, "--set", "instances=1", "--set-json", 'computeResources=[{"instances":2}]')
    port = release.node_ports()["worker"]
    address = next(iter(nodes.values()))[0]
    wait_for_workers(address, port, {0, 1, 2})
    answers = [ask(address, port) for _ in range(60)]
    assert {(answer["worker"], answer["group"], answer["pod"]) for answer in answers} == {
        (0, 0, f"{release.name}-0-0"),
        (1, 1, f"{release.name}-1-0"),
        (2, 1, f"{release.name}-1-1"),
    }


def test_port_and_pods_survive_upgrades_and_toggles(release, nodes):
    """Whatever is switched at the exposure, no pod is touched; the port stays as long as the Service does."""
    release.install(*ON)
    port, uids = release.node_ports(), release.uids()
    steps = [
        (*ON, "--set", "nodePort.externalTrafficPolicy=Local"),
        (*ON, "--set", "nodePort.sessionAffinity=ClientIP,nodePort.advertisedHost=h.example.com"),
        (*ON, "--set", "headless.labels.a=b,nodePort.annotations.c=d"),
        ON,
    ]
    for step in steps:
        release.upgrade(*step)
        assert (release.node_ports(), release.uids()) == (port, uids), step
    release.upgrade(*ON, "--set", "instances=3")
    assert release.node_ports() == port
    assert uids.items() <= release.uids().items()
    release.upgrade("--set", "instances=3")
    services = json.loads(release.kube("-n", release.namespace, "get", "services", "-o", "json"))["items"]
    assert [service["metadata"]["name"] for service in services] == [release.name]
    assert uids.items() <= release.uids().items()
    release.upgrade(*ON, "--set", "instances=3")
    assert uids.items() <= release.uids().items()
    address = next(iter(nodes.values()))[0]
    assert eventually(lambda: ask(address, release.node_ports()["worker"]))


def test_fixing_the_allocated_port_and_unfixing_it_keeps_it(release):
    release.install(*ON)
    port = release.node_ports()["worker"]
    release.upgrade(*ON, "--set", f"nodePort.port={port}")
    assert release.node_ports()["worker"] == port
    release.upgrade(*ON)
    assert release.node_ports()["worker"] == port


@only_newest_helm
def test_suspend_keeps_the_port_and_resume_brings_the_workers_back(release, nodes):
    release.install(*ON)
    port = release.node_ports()
    release.upgrade(*ON, "--set", "suspend=true")
    assert eventually(lambda: not release.pods())
    release.upgrade(*ON)
    assert release.node_ports() == port
    address = next(iter(nodes.values()))[0]
    assert eventually(lambda: ask(address, port["worker"]))


@only_newest_helm
def test_local_policy_answers_only_at_nodes_with_a_worker(release, nodes):
    release.install(*ON, "--set", "instances=1,nodePort.externalTrafficPolicy=Local")
    port = release.node_ports()["worker"]
    home = release.pods()[f"{release.name}-0-0"]["spec"]["nodeName"]
    assert eventually(lambda: ask(nodes[home][0], port))["node"] == home
    for node, addresses in nodes.items():
        if node != home:
            with pytest.raises(OSError):
                ask(addresses[0], port, timeout=1)


@only_newest_helm
def test_helm_test_passes_with_the_exposure(release):
    release.install(*ON, "--set-json", 'additionalPorts=[{"name":"ui"}]')
    result = release.run("helm", "test", release.name, "--namespace", release.namespace, "--logs", "--timeout", "120s")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"ok: exposure {release.name}-nodeport" in result.stdout and "FAILED" not in result.stdout


@only_newest_helm
def test_two_jobs_in_one_namespace_do_not_mix(release, nodes, run, kube, namespace):
    from tests.cluster.conftest import Release

    other = Release(run, kube, f"{release.name}-b", namespace)
    release.install(*ON)
    other.install(*ON)
    address = next(iter(nodes.values()))[0]
    for one in (release, other):
        port = one.node_ports()["worker"]
        eventually(lambda port=port: ask(address, port))
        assert {ask(address, port)["job"] for _ in range(20)} == {one.name}
