"""Routes to a Gateway: their addresses, and sentences from the conditions that controllers write into them.

The conditions are those that Envoy Gateway 1.9 writes, word by word, unless a test says otherwise.
"""

import copy

import pytest
from twister2_job.clients.resources import Cluster
from twister2_job.exposure.addresses import report

from .test_addresses import NODES, pod, stateful_set

GROUP = "gateway.networking.k8s.io"
HEADLESS = {
    "kind": "Service",
    "metadata": {
        "name": "job", "namespace": "data",
        "annotations": {"twister2-job/mode": "command", "twister2-job/reads": f"{GROUP}/v1/tcproutes"},
    },
    "spec": {"clusterIP": "None"},
}  # fmt: skip
PUBLIC = {"name": "public", "namespace": "gateways"}
OURS = {"group": GROUP, "kind": "ListenerSet", "name": "job-0", "sectionName": "worker-0"}


def condition(kind, status, reason, message="", generation=1):
    return {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation}


TAKEN = (condition("Accepted", "True", "Accepted"), condition("ResolvedRefs", "True", "ResolvedRefs"))


def route(kind="TCPRoute", port="worker", worker=0, ref=PUBLIC, hosts=(), conditions=TAKEN, status_ref=None, **notes):
    labels = {"twister2-job/exposure": "gateway", "twister2-job/port": port}
    name = f"job-{port}"
    if worker is not None:
        labels["twister2-job/worker"], name = str(worker), f"job-w-{worker}-{port}"
    spec = {"parentRefs": [ref], "rules": [{"backendRefs": [{"name": f"job-w-{worker}", "port": 9000}]}]}
    parents = [{"parentRef": status_ref or ref, "controllerName": "c", "conditions": list(conditions)}]
    return {
        "kind": kind,
        "metadata": {
            "name": name, "namespace": "data", "labels": labels, "generation": 1,
            "annotations": {f"twister2-job/{key.replace('_', '-')}": value for key, value in notes.items()},
        },
        "spec": {**spec, **({"hostnames": list(hosts)} if hosts else {})},
        "status": {"parents": parents if conditions else []},
    }  # fmt: skip


GOOD = (
    condition("Programmed", "True", "Programmed", "Sending translated listener configuration to the data plane"),
    condition("Accepted", "True", "Accepted", "Listener has been successfully translated"),
    condition("ResolvedRefs", "True", "ResolvedRefs", "Listener references have been resolved"),
    condition("Conflicted", "False", "NoConflicts", "No conflicts detected"),
)
ALL_GOOD = (
    condition("Accepted", "True", "Accepted", "All listeners are accepted"),
    condition("Programmed", "True", "Programmed", "All listeners are programmed"),
)


def listener_set(whole=ALL_GOOD, listener=GOOD, generation=1):
    return {
        "kind": "ListenerSet",
        "metadata": {
            "name": "job-0", "namespace": "data", "labels": {"twister2-job/exposure": "gateway"},
            "generation": generation,
        },
        "spec": {
            "parentRef": PUBLIC,
            "listeners": [{"name": f"worker-{i}", "port": 20000 + i, "protocol": "TCP"} for i in range(2)],
        },
        "status": {
            "conditions": list(whole),
            "listeners": [{"name": "worker-0", "conditions": list(listener)}] if listener else [],
        },
    }  # fmt: skip


def gateway(*addresses, listeners=()):
    return {
        "kind": "Gateway",
        "metadata": PUBLIC,
        "spec": {"listeners": list(listeners)},
        "status": {"addresses": [{"type": "IPAddress", "value": one} for one in addresses]},
    }


def found(*objects, others=(), ready=True):
    """Return the first worker's addresses, or the shared ones if it has none."""
    pods = [pod(0, "node-1", ready=ready)]
    result = report("job", Cluster([HEADLESS, stateful_set(1), *pods, *objects], NODES, list(others), []))
    assert all(worker.id == 0 for worker in result.workers)
    return [*result.workers[0].addresses, *result.shared]


def only(*objects, **options):
    (address,) = found(*objects, **options)
    return address


def test_a_listener_of_the_jobs_own_gives_the_number_and_the_gateway_the_host():
    address = only(listener_set(), route(ref=OURS), others=[gateway("192.0.2.7")])
    assert (address.state, address.address, address.source) == ("available", "192.0.2.7:20000", "status")
    assert (address.via, address.service, address.url) == (
        "gateway",
        "TCPRoute/job-w-0-worker",
        "tcp://192.0.2.7:20000",
    )


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"])
def test_only_a_proxy_for_http_is_told_by_a_url_who_is_wanted(kind):
    """The URL of an echo worker behind a TCP route is of HTTP too, and its address is as good as a node's."""
    headless = copy.deepcopy(HEADLESS)
    headless["metadata"]["annotations"]["twister2-job/mode"] = "echo"
    route_ = route(kind, hosts=[] if kind == "TCPRoute" else ["w.example.com"], advertised_port="8000")
    objects = [headless, stateful_set(1), pod(0, "node-1"), route_]
    (address,) = report("job", Cluster(objects, NODES, [gateway("192.0.2.7")], [])).workers[0].addresses
    host = "192.0.2.7" if kind == "TCPRoute" else "w.example.com"
    assert address.address == f"{host}:8000" and address.by_url is (kind == "HTTPRoute")


def test_every_address_of_the_gateway_is_listed_in_both_families():
    both = found(listener_set(), route(ref=OURS), others=[gateway("192.0.2.7", "2001:db8::7")])
    assert [(one.address, one.family) for one in both] == [
        ("192.0.2.7:20000", "IPv4"), ("[2001:db8::7]:20000", "IPv6"),
    ]  # fmt: skip


def test_without_the_right_to_read_the_gateway_the_advertised_host_is_used():
    address = only(listener_set(), route(ref=OURS, advertised_host="gw.example.com"))
    assert (address.state, address.address, address.source) == ("available", "gw.example.com:20000", "advertised")


def test_without_both_the_address_is_pending_and_says_what_is_unknown():
    address = only(listener_set(), route(ref=OURS))
    assert (address.state, address.host, address.number) == ("pending", "", 20000)
    assert address.reason == "the address of the Gateway gateways/public can't be read; set gateway.advertisedHost"
    address = only(listener_set(), route(ref=OURS), others=[gateway()])
    assert (address.state, address.reason) == ("pending", "the Gateway gateways/public has no address yet")


def test_an_address_that_only_the_controller_understands_is_none():
    own = gateway("192.0.2.7", "gw.example.com", "my-static-ip", "x")
    types = ("IPAddress", "Hostname", "NamedAddress", "example.com/Pool")
    for one, kind in zip(own["status"]["addresses"], types, strict=True):
        one["type"] = kind
    listed = found(listener_set(), route(ref=OURS), others=[own])
    assert [one.address for one in listed] == ["192.0.2.7:20000", "gw.example.com:20000"]
    own["status"]["addresses"] = own["status"]["addresses"][2:]
    address = only(listener_set(), route(ref=OURS), others=[own])
    assert (address.state, address.host) == ("pending", "")
    assert address.reason == (
        "the status of the Gateway gateways/public names no IP address and no host; set gateway.advertisedHost"
    )
    own["status"]["addresses"] = [{"value": "192.0.2.8"}]
    assert only(listener_set(), route(ref=OURS), others=[own]).host == "192.0.2.8"


@pytest.mark.parametrize(
    ("allowed", "taken"),
    [
        (None, False),
        ({"namespaces": {"from": "Same"}}, False),
        ({"namespaces": {"from": "None"}}, False),
        ({"namespaces": {"from": "All"}}, True),
        ({"namespaces": {"from": "Selector", "selector": {}}}, True),
        ({"namespaces": {"from": "All"}, "kinds": [{"kind": "TLSRoute"}]}, False),
        ({"namespaces": {"from": "All"}, "kinds": [{"group": GROUP, "kind": "TCPRoute"}]}, True),
    ],
)
def test_a_listener_that_shuts_the_route_out_gives_no_address(allowed, taken):
    """Without allowedRoutes only the Gateway's own namespace is let in; what a selector finds is not known."""
    to_all = {"name": "a", "port": 9000, "protocol": "TCP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    other = {"name": "b", "port": 9001, "protocol": "TCP", **({"allowedRoutes": allowed} if allowed else {})}
    listed = found(route(), others=[gateway("192.0.2.7", listeners=[to_all, other])])
    assert [one.number for one in listed] == [9000, *([9001] if taken else [])]


def test_a_listener_takes_routes_of_its_own_namespace_by_default():
    own = {"name": "job", "namespace": "data"}
    there = gateway("192.0.2.7", listeners=[{"name": "a", "port": 9000, "protocol": "TCP"}])
    other = {"name": "b", "port": 9001, "protocol": "TCP", "allowedRoutes": {"namespaces": {"from": "None"}}}
    there["spec"]["listeners"].append(other)
    assert only(route(ref=own), others=[{**there, "metadata": own}]).number == 9000


WEB = {"name": "web", "port": 80, "protocol": "HTTP"}
SECURE = {"name": "secure", "port": 443, "protocol": "HTTPS", "hostname": "*.example.com"}
OTHER = {"name": "other", "port": 8443, "protocol": "HTTPS", "hostname": "*.example.org"}
PASS = {"name": "pass", "port": 9443, "protocol": "TLS", "tls": {"mode": "Passthrough"}}
FOR_TCP = {"name": "tcp", "port": 7000, "protocol": "TCP"}
FOR_UDP = {"name": "udp", "port": 7000, "protocol": "UDP"}
ALL = gateway("192.0.2.7", listeners=[WEB, SECURE, OTHER, PASS, FOR_TCP, FOR_UDP])


def test_the_listeners_of_the_gateway_that_fit_a_route_give_its_numbers():
    urls = [one.url for one in found(route("HTTPRoute", hosts=["w.example.com"]), others=[ALL])]
    assert urls == ["http://w.example.com:80", "https://w.example.com:443"]
    assert only(route("TLSRoute", hosts=["w.example.com"]), others=[ALL]).url == "tls://w.example.com:9443"
    udp = only(route("UDPRoute"), others=[ALL])
    assert (udp.protocol, udp.address) == ("UDP", "192.0.2.7:7000")
    tcp = route(ref={**PUBLIC, "sectionName": "tcp"})
    assert only(tcp, others=[ALL]).address == "192.0.2.7:7000"
    grpc = route("GRPCRoute", hosts=["w.example.com"], ref={**PUBLIC, "port": 443})
    assert only(grpc, others=[ALL]).url == "grpcs://w.example.com:443"


def test_a_host_of_the_route_has_to_lead_to_the_gateway():
    address = found(route("HTTPRoute", hosts=["w.example.com"]), others=[ALL])[0]
    assert (address.source, address.leads_to) == ("hostname", ("192.0.2.7",))


def test_a_host_that_the_values_give_has_to_lead_to_the_gateway_too():
    address = only(route(ref={**PUBLIC, "sectionName": "tcp"}, advertised_host="gw.example.com"), others=[ALL])
    assert (address.source, address.leads_to) == ("advertised", ("192.0.2.7",))


def test_the_order_of_what_gives_a_number():
    ref = {**PUBLIC, "port": 8080}
    hosts = ["w.example.com"]
    assert only(route("HTTPRoute", ref=ref, hosts=hosts, advertised_port="8443")).number == 8443
    assert only(route("HTTPRoute", ref=ref, hosts=hosts)).number == 8080
    unknown = only(route("HTTPRoute", hosts=hosts))
    assert (unknown.state, unknown.number) == ("pending", 0)
    assert unknown.reason == (
        "the listener's port of the Gateway gateways/public can't be read; set gateway.advertisedPort"
    )
    none = only(route(), others=[gateway("192.0.2.7", listeners=[WEB])])
    assert none.reason == "the Gateway gateways/public has no listener for this TCPRoute; see gateway.parentRefs"
    assert only(route("HTTPRoute", hosts=hosts, advertised_port="443")).url == "https://w.example.com:443"


def test_a_shared_route_is_shared():
    result = report("job", Cluster([HEADLESS, stateful_set(1), pod(0, "node-1"), route(worker=None)], NODES, [ALL], []))
    assert [one.address for one in result.shared] == ["192.0.2.7:7000"] and not result.workers[0].addresses


def test_a_worker_that_is_not_ready_keeps_its_reason():
    address = only(listener_set(), route(ref=OURS), others=[gateway("192.0.2.7")], ready=False)
    assert address.state == "pending" and address.reason.startswith("worker 0 (job-0-0)")
