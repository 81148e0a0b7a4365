"""NetworkPolicy holds on every node, in both families, also on one that was dead in between (test_devcluster.py)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.devcluster.conftest import (
    WEB_PODS,
    eventually,
    fetch_in_pod,
    fetch_inside,
    get,
    kubectl,
    node_port_addresses,
    pod_addresses,
    pod_spec,
    through_port_forward,
)

Ingress = list[dict[str, Any]]
Fetch = Callable[..., dict[str, str]]
NOBODY: Ingress = []
EVERYBODY: Ingress = [{"ports": [{"port": 8080}]}]
OWN_PODS: Ingress = [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]


def apply_policy(name: str, spec: dict[str, Any]) -> None:
    """Create or change a policy."""
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}
    kubectl("apply", "-f", "-", input=json.dumps(policy))


def allow(ingress: Ingress) -> None:
    """Let a policy allow these to reach the web servers, and no others."""
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": ingress}
    apply_policy("web", spec)


def only(ip_addresses: list[str]) -> Ingress:
    """Return the rule that allows these addresses."""
    cidrs = [f"{address}/128" if ":" in address else f"{address}/32" for address in ip_addresses]
    return [{"from": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]}]


def answered(fetch: Fetch, addresses: list[str]) -> set[str]:
    """Return the addresses of these that answer now."""
    return {address for address, answer in fetch(*addresses).items() if "no answer" not in answer}


def becomes(fetch: Fetch, addresses: list[str], expected: set[str]) -> None:
    """Wait until just the expected addresses answer, and see them do so twice more: each request finds another pod."""
    eventually(f"an answer of just {expected}", lambda: answered(fetch, addresses) == expected, 20)
    for _ in range(2):
        assert answered(fetch, addresses) == expected


@pytest.fixture
def addresses(web: dict[str, Any]) -> Iterator[list[str]]:
    """All addresses of the web servers' node port; there is no policy before and after."""
    found = node_port_addresses()
    assert len(found) == 8, "two of each of three nodes, and two ExternalIPs"
    becomes(fetch_inside, found, set(found))
    yield found
    kubectl("delete", "networkpolicy", "--all")


@pytest.fixture
def stranger(web: dict[str, Any]) -> Iterator[str]:
    """A pod that no policy names."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "labels": {"app": "stranger"}},
        "spec": pod_spec(["sleep", "3600"]) | {"nodeName": "node-1"},
    }
    kubectl("create", "-f", "-", input=json.dumps(manifest))
    kubectl("wait", "--for=condition=Ready", "pod/stranger", "--timeout=30s")
    yield "stranger"
    kubectl("delete", "pod", "stranger")


def test_a_policy_cuts_node_ports_on_every_address_and_a_rule_opens_them_again(addresses: list[str]) -> None:
    allow(NOBODY)
    becomes(fetch_inside, addresses, set())
    allow(EVERYBODY)
    becomes(fetch_inside, addresses, set(addresses))
    allow(NOBODY)
    becomes(fetch_inside, addresses, set())
    kubectl("delete", "networkpolicy", "web")
    becomes(fetch_inside, addresses, set(addresses))


def test_pods_that_a_rule_names_reach_each_other_and_others_do_not(addresses: list[str], stranger: str) -> None:
    pods = list(pod_addresses())
    assert len(pods) == 2 * WEB_PODS
    becomes(lambda *words: fetch_in_pod(stranger, *words), pods, set(pods))
    allow(OWN_PODS)
    becomes(lambda *words: fetch_in_pod(stranger, *words), pods, set())
    for pod in (f"web-{number}" for number in range(WEB_PODS)):
        assert answered(lambda *words, pod=pod: fetch_in_pod(pod, *words), pods) == set(pods)
    becomes(fetch_inside, addresses, set())


def test_egress_is_cut_and_opened_in_both_families(addresses: list[str], stranger: str) -> None:
    def allow_out(egress: list[dict[str, Any]]) -> None:
        selector = {"matchLabels": {"app": "stranger"}}
        apply_policy("stranger", {"podSelector": selector, "policyTypes": ["Egress"], "egress": egress})

    pods = list(pod_addresses())
    allow_out([])
    becomes(lambda *words: fetch_in_pod(stranger, *words), pods, set())
    allow_out([{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}])
    becomes(lambda *words: fetch_in_pod(stranger, *words), pods, set(pods))


def test_pods_of_a_policy_reach_a_pod_of_their_own_node_that_has_none(addresses: list[str]) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "open"},
        "spec": pod_spec(["python3", "-m", "http.server", "8080", "--bind", "::", "--directory", "/etc"])
        | {"nodeName": get("pod", "web-0")["spec"]["nodeName"]},
    }
    allow(NOBODY)
    becomes(fetch_inside, addresses, set())
    kubectl("create", "-f", "-", input=json.dumps(manifest))
    try:
        kubectl("wait", "--for=condition=Ready", "pod/open", "--timeout=30s")
        ips = [entry["ip"] for entry in get("pod", "open")["status"]["podIPs"]]
        found = [f"[{ip}]:8080" if ":" in ip else f"{ip}:8080" for ip in ips]
        becomes(lambda *words: fetch_in_pod("web-0", *words), found, set(found))
    finally:
        kubectl("delete", "pod", "open")


def test_probes_exec_logs_and_port_forward_pass_a_policy_that_allows_nobody(addresses: list[str]) -> None:
    def ready() -> list[dict[str, Any]]:
        pods = get("pods", "-l", "app=web")["items"]
        return [one for pod in pods for one in pod["status"]["conditions"] if one["type"] == "Ready"]

    before = ready()
    assert [one["status"] for one in before] == ["True"] * WEB_PODS
    allow(NOBODY)
    becomes(fetch_inside, addresses, set())
    time.sleep(5)  # A probe a second; the third that fails takes the pod out.
    assert ready() == before
    assert kubectl("exec", "web-1", "--", "echo", "hello") == "hello\n"
    assert "GET /hostname" in kubectl("logs", "web-1")
    assert through_port_forward("web-2") == "web-2"


def test_with_local_policy_a_pod_sees_the_clients_own_address(addresses: list[str]) -> None:
    kubectl("patch", "service", "web-nodeport", "-p", '{"spec": {"externalTrafficPolicy": "Local"}}')
    try:
        allow(only(["10.89.0.1", "fd00:10:89::1"]))
        becomes(fetch_inside, addresses, set(addresses))
        allow(only([f"{start}1{number}" for start in ("10.89.0.", "fd00:10:89::") for number in (1, 2, 3)]))
        becomes(fetch_inside, addresses, set())
    finally:
        kubectl("patch", "service", "web-nodeport", "-p", '{"spec": {"externalTrafficPolicy": "Cluster"}}')


def test_without_it_a_pod_of_another_node_sees_the_address_of_the_node_that_was_asked(addresses: list[str]) -> None:
    node = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in get("pods", "-l", "app=web")["items"]}

    def askers() -> set[tuple[bool, bool]]:
        """Ask every node often; return, for every answer, whether it is IPv6 and from a pod of the node asked."""
        found = set()
        for _ in range(4):
            for address, pod in fetch_inside(*addresses).items():
                if "no answer" not in pod:
                    found.add(("[" in address, address.rsplit(":", 1)[0].strip("[]")[-1] == node[pod][-1]))
        return found

    allow(only(["10.89.0.1", "fd00:10:89::1"]))
    eventually("an answer of pods of the node asked alone", lambda: askers() == {(False, True), (True, True)}, 20)
    allow(only([f"{start}1{number}" for start in ("10.89.0.", "fd00:10:89::") for number in (1, 2, 3)]))
    eventually("an answer of pods of other nodes alone", lambda: askers() == {(False, False), (True, False)}, 20)
