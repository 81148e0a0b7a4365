"""Load balancers: addresses, why there is none yet, and workers that should share one."""

import asyncio
import copy
import json
import time

import jsonschema
import pytest
from twister2_job.cli.output import addresses_env, addresses_table
from twister2_job.clients.children import Result
from twister2_job.clients.resources import SERVICE_EVENTS, Cluster
from twister2_job.exposure import live, snapshot
from twister2_job.exposure.addresses import report
from twister2_job.exposure.balancers import late, refusal, waiting

from .test_addresses import HEADLESS, NODES, SCHEMA, pod, stateful_set

NAME = "job-loadbalancer"
# What MetalLB 0.15 and Cilium's LB IPAM say, and cloud controllers.
POOL = f'Failed to allocate IP for "data/{NAME}": no available IPs in pool "devcluster"'
KEY = 'can\'t change sharing key for "data/job-loadbalancer", address also in use by data/b'
SHARED = f'Failed to allocate IP for "data/{NAME}": {KEY}'
NAMED = f'Failed to allocate IP for "data/{NAME}": ["<nil>"] is not allowed in config'
CLOUD = "Error syncing load balancer: failed to ensure load balancer: subnet is gone"


def balancer(*hosts, name=NAME, worker=None, ready=True, **spec):
    labels = {"twister2-job/exposure": "loadBalancer" if worker is None else "perWorker"}
    labels |= {} if worker is None else {"twister2-job/worker": str(worker)}
    points = [{"ip": h} if h[0].isdigit() or ":" in h else {"hostname": h} for h in hosts]
    number = 9000 + (worker or 0)
    pod_name = {} if worker is None else {"statefulset.kubernetes.io/pod-name": f"job-0-{worker}"}
    ports = [{"name": "worker", "port": number, "nodePort": 31000 + (worker or 0), "protocol": "TCP"}]
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "data", "uid": f"uid of {name}", "labels": labels},
        "spec": {"type": "LoadBalancer", "selector": pod_name, "ports": ports, **spec},
        "status": {"loadBalancer": {"ingress": points} if points else {}},
    }


def own(worker, *hosts, **spec):
    return balancer(*hosts, name=f"job-w-{worker}", worker=worker, **spec)


def event(message, kind="Warning", name=NAME, at="2026-01-01T00:00:00Z", **about):
    involved = {"kind": "Service", "name": name, "uid": f"uid of {name}", **about}
    metadata = {"name": "e", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "kind": "Event", "metadata": metadata, "type": kind, "reason": "AllocationFailed", "message": message,
        "involvedObject": involved, "lastTimestamp": at,
    }  # fmt: skip


def cluster(*objects, ready=True):
    count = max(2, sum("-w-" in o["metadata"]["name"] for o in objects if o["kind"] == "Service"))
    pods = [pod(ordinal, "node-1", ready=ready) for ordinal in range(count)]
    return Cluster([HEADLESS, stateful_set(count), *pods, *objects], NODES)


def one(*objects):
    (address,) = report("job", cluster(*objects)).shared
    return address


def test_every_point_of_a_load_balancer_is_an_address_at_the_services_port():
    found = report("job", cluster(balancer("192.0.2.1", "2001:db8::1", "lb.example.com")))
    assert [a.address for a in found.shared] == ["192.0.2.1:9000", "[2001:db8::1]:9000", "lb.example.com:9000"]
    assert {(a.via, a.source, a.state) for a in found.shared} == {("loadBalancer", "loadBalancer", "available")}
    jsonschema.validate(found.to_dict(), SCHEMA)
    assert addresses_env(found) == "TWISTER2_JOB_ADDRESS=192.0.2.1:9000"


def test_a_load_balancer_goes_before_node_ports():
    port = {"name": "worker", "port": 9000, "nodePort": 31001, "protocol": "TCP"}
    other = copy.deepcopy(balancer(name="job-a", ports=[port]))
    other["spec"]["type"], other["metadata"]["labels"] = "NodePort", {"twister2-job/exposure": "nodePort"}
    found = report("job", cluster(other, balancer("192.0.2.1")))
    assert [a.via for a in found.shared][:2] == ["loadBalancer", "nodePort"]


def test_without_a_controller_it_is_pending_and_asks_for_one():
    address = one(balancer())
    assert (address.state, address.number, address.host, address.address) == ("pending", 9000, "", "")
    reason = "the load balancer has no address yet; is there a load-balancer controller in this cluster?"
    assert address.reason == reason
    assert "pending: the load balancer has no address yet" in addresses_table(report("job", cluster(balancer())))


def test_a_class_that_nobody_serves_is_named():
    address = one(balancer(loadBalancerClass="example.com/none"))
    assert address.reason == "no controller has taken it; is there one of the class example.com/none in this cluster?"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (POOL, 'the cluster has no free address for it (no available IPs in pool "devcluster"); free one, or ask for'),
        (SHARED, f"the address that it asks for is another Service's, or its port is taken there ({KEY})"),
        (NAMED, """the cluster has no free address for it (["<nil>"] is not allowed in config); free one"""),
        (CLOUD, "its controller refuses it: failed to ensure load balancer: subnet is gone"),
    ],
    ids=["exhausted", "collided", "the named pool is exhausted", "refused"],
)  # fmt: skip
def test_the_newest_warning_says_why(said, sentence):
    older = event("another", at="2025-12-31T00:00:00Z")
    address = one(balancer(), event(said), older)
    assert address.state == "pending" and address.reason.startswith(sentence)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("out_of_ips", "the cluster has no free address for it (out_of_ips: "),
        ("already_allocated", "the address that it asks for is another Service's"),
        ("no_pool", "its controller refuses it: no_pool: "),
    ],
)
def test_a_condition_says_why(reason, sentence):
    service = balancer()
    service["status"]["conditions"] = [
        {"type": "cilium.io/IPAMRequestSatisfied", "status": "False", "reason": reason, "message": "it is so"}
    ]
    assert one(service).reason.startswith(sentence)
    service["status"]["conditions"][0]["status"] = "True"
    assert "is there a load-balancer controller" in one(service).reason


def test_an_event_that_is_no_warning_says_that_somebody_works_on_it():
    address = one(balancer(), event("Ensuring load balancer", kind="Normal"))
    assert address.reason.endswith("its controller works on it (AllocationFailed: Ensuring load balancer)")


ENDPOINTS = "Error updating Endpoint Slices for Service data/job-loadbalancer: failed to update slice"


@pytest.mark.parametrize(
    "about",
    [
        {"source": {"component": "endpoint-slice-controller"}},
        {"source": {"component": "endpoint-controller"}},
        {"reportingComponent": "endpoint-slice-controller"},
        {"reason": "FailedToUpdateEndpointSlices"},
    ],
    ids=str,
)
def test_what_the_endpoint_controllers_say_is_no_refusal(about):
    warning = {**event(ENDPOINTS), **about}
    assert not refusal(balancer(), [warning])
    assert "is there a load-balancer controller" in one(balancer(), warning).reason


def test_a_warning_does_not_outlive_news_that_somebody_works_on_it():
    newer = event("Ensuring load balancer", kind="Normal", at="2026-01-01T00:10:00Z")
    assert not refusal(balancer(), [event(CLOUD), newer])
    assert "its controller works on it" in one(balancer(), event(CLOUD), newer).reason
    same = event("Ensuring load balancer", kind="Normal")
    again = {**event(CLOUD), "lastTimestamp": None, "eventTime": "2026-01-01T00:00:00.500000Z"}
    for warning in (event(CLOUD), again):
        assert "subnet is gone" in refusal(balancer(), [warning, same])
        assert "subnet is gone" in refusal(balancer(), [same, warning])


def test_events_of_an_earlier_service_of_the_name_and_of_others_do_not_count():
    address = one(balancer(), event(POOL, uid="of an earlier one"), event(POOL, name="other"))
    assert "is there a load-balancer controller" in address.reason
    assert refusal(balancer(), [event(POOL)]) and not refusal(balancer(), [event(POOL, kind="Normal")])


def test_a_host_of_ones_own_is_pending_as_long_as_the_load_balancer_is():
    service = balancer()
    service["metadata"]["annotations"] = {"twister2-job/advertised-host": "job.example.com"}
    address = one(service)
    assert (address.state, address.address) == ("pending", "job.example.com:9000") and late([address])
    service["status"] = balancer("192.0.2.1")["status"]
    address = one(service)
    assert (address.state, address.source, address.address) == ("available", "advertised", "job.example.com:9000")


def test_workers_that_are_not_ready_come_first_among_the_reasons():
    (address,) = report("job", cluster(balancer(), event(POOL), ready=False)).shared
    assert address.state == "pending" and "no worker is ready" in address.reason


def test_a_port_that_the_load_balancer_does_not_serve_has_failed():
    service = balancer("192.0.2.1")
    service["status"]["loadBalancer"]["ingress"][0]["ports"] = [
        {"port": 9000, "protocol": "TCP", "error": "MixedProtocolNotSupported"}
    ]
    address = one(service)
    assert (address.state, address.host) == ("failed", "192.0.2.1")
    assert address.reason == "the load balancer doesn't serve this port: MixedProtocolNotSupported"


def advertised(service, host="job.example.com"):
    service["metadata"].setdefault("annotations", {})["twister2-job/advertised-host"] = host
    return service


def blocked(service, *at):
    for point in service["status"]["loadBalancer"]["ingress"]:
        if point["ip"] in at:
            point["ports"] = [{"port": 9000, "protocol": "TCP", "error": "PortBlocked"}]
    return service


def test_a_host_of_ones_own_hides_no_port_that_every_point_refuses():
    both = ("192.0.2.1", "192.0.2.2")
    address = one(blocked(advertised(balancer(*both)), *both))
    assert (address.state, address.address) == ("failed", "job.example.com:9000")
    assert address.reason == "the load balancer doesn't serve this port: PortBlocked"
    assert one(blocked(advertised(balancer(*both)), "192.0.2.1")).state == "available"


def test_a_port_that_is_not_served_is_one_that_the_user_hears_of():
    for service in (balancer("192.0.2.1"), advertised(balancer("192.0.2.1"))):
        assert [a.state for a in late([one(blocked(service, "192.0.2.1"))])] == ["failed"]


def test_the_load_balancer_of_a_service_that_goes_is_not_waited_for():
    service = balancer("192.0.2.1")
    service["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert one(service).state == "failed" and not late([one(service)])


def test_a_host_of_ones_own_has_to_lead_to_the_load_balancer():
    assert one(advertised(balancer("192.0.2.1", "lb.example.com"))).leads_to == ("192.0.2.1", "lb.example.com")
    assert one(advertised(balancer())).leads_to == () and one(balancer("192.0.2.1")).leads_to == ()


def test_each_worker_has_its_own_load_balancer():
    found = report("job", cluster(own(0, "192.0.2.1"), own(1, "192.0.2.2")))
    assert [[a.address for a in w.addresses] for w in found.workers] == [["192.0.2.1:9000"], ["192.0.2.2:9001"]]
    assert {a.via for w in found.workers for a in w.addresses} == {"perWorker"} and found.warnings == ()


def shared(worker, *hosts, **spec):
    service = own(worker, *hosts, **spec)
    service["metadata"]["annotations"] = {"twister2-job/share": "metallb.io/allow-shared-ip"}
    return service


def test_workers_that_share_an_address_are_no_warning_and_a_pending_one_is_none_yet():
    assert report("job", cluster(*(shared(w, "192.0.2.1") for w in range(3)))).warnings == ()
    assert report("job", cluster(shared(0, "192.0.2.1"), shared(1))).warnings == ()


def test_workers_that_came_to_different_addresses_are_a_warning():
    found = report("job", cluster(*(shared(w, "192.0.2.1") for w in range(5)), shared(5, "192.0.2.2")))
    (warning,) = found.warnings
    assert "workers 0, 1, 2 and 2 more have 192.0.2.1; worker 5 has 192.0.2.2" in warning
    assert "metallb.io/allow-shared-ip" in warning and "docs/load-balancers.md" in warning
    jsonschema.validate(found.to_dict(), SCHEMA)


def test_hosts_of_their_own_hide_no_addresses_that_differ_or_meet():
    apart = [advertised(shared(w, f"192.0.2.{w + 1}"), f"w-{w}.example.com") for w in range(2)]
    (warning,) = report("job", cluster(*apart)).warnings
    assert "worker 0 has 192.0.2.1; worker 1 has 192.0.2.2" in warning
    port = [{"name": "worker", "port": 9000, "protocol": "TCP"}]
    same = [advertised(own(w, "192.0.2.1", ports=port), f"w-{w}.example.com") for w in range(2)]
    (warning,) = report("job", cluster(*same)).warnings
    assert warning.startswith("workers 0, 1 have the same address 192.0.2.1 and number 9000")


def test_workers_at_the_same_address_and_number_are_a_warning():
    port = [{"name": "worker", "port": 9000, "protocol": "TCP"}]
    (warning,) = report("job", cluster(*(own(w, "192.0.2.1", ports=port) for w in range(2)))).warnings
    assert warning.startswith("workers 0, 1 have the same address 192.0.2.1 and number 9000")
    assert "perWorker.servicePortBase" in warning


@pytest.mark.parametrize("kind", ["LoadBalancer", "NodePort"])
def test_a_closed_workers_address_is_reserved(kind):
    hosts = ["192.0.2.1"] if kind == "LoadBalancer" else []
    closed = own(1, *hosts, type=kind)
    closed["spec"]["selector"]["twister2-job/closed"] = "true"
    (address,) = report("job", cluster(own(0, *hosts, type=kind), closed)).workers[1].addresses
    assert (address.state, address.reason) == ("reserved", "closed")
    assert address.number == (9001 if kind == "LoadBalancer" else 31001) and address.host == "".join(hosts)


class Kubectl:
    """Stands in for kubectl: counts what it is asked, and has a Service's new state for each look."""

    def __init__(self, states=(), events=()):
        self.states, self.events, self.asked = list(states), list(events), []

    async def run(self, *words):
        self.asked.append(words[1])
        return Result(0, json.dumps({"items": self.events}), "")

    async def listed(self, kind, job):
        self.asked.append(kind)
        return [self.states.pop(0) if len(self.states) > 1 else self.states[0]]


def test_events_are_read_only_if_a_load_balancer_is_waiting(monkeypatch):
    kubectl = Kubectl(events=[event(POOL)])
    there = cluster(balancer("192.0.2.1"))
    assert asyncio.run(live.with_events(kubectl, there)) is there and not kubectl.asked
    with_them = asyncio.run(live.with_events(kubectl, cluster(balancer())))
    assert kubectl.asked == ["events"] and "no free address" in report("job", with_them).shared[0].reason
    asked = []

    def ran(connection, wanted, meanwhile, limit=0):
        asked.append(wanted)
        return [Result(0, json.dumps({"items": [event(POOL)]}), "")]

    monkeypatch.setattr(snapshot, "_run", ran)
    for found, reads in ((there, 0), (cluster(balancer()), 1)):
        monkeypatch.setattr(snapshot, "read_cluster", lambda *_, found=found: found)
        result = snapshot.addresses(type("C", (), {"kubeconfig": ""})(), "job")
        assert len(asked) == reads
    assert asked == [[SERVICE_EVENTS]] and "no free address" in result.shared[0].reason


def test_without_the_right_to_read_events_the_reason_is_unknown():
    class Denied(Kubectl):
        async def run(self, *words):
            denied = 'events is forbidden: User "x" cannot list resource "events" in API group "" in the namespace "a"'
            return Result(1, "", f"Error from server (Forbidden): {denied}")

    found = report("job", asyncio.run(live.with_events(Denied(), cluster(balancer()))))
    assert "is there a load-balancer controller" in found.shared[0].reason


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(live, "PAUSE", 0.01)
    monkeypatch.setattr(live, "PATIENCE", 0.2)


def test_a_change_waits_for_the_load_balancers_address(fast):
    kubectl = Kubectl([balancer(), balancer("192.0.2.1")])
    found = asyncio.run(live.settled_addresses(kubectl, "job", cluster(balancer())))
    assert [a.address for a in found.shared] == ["192.0.2.1:9000"] and kubectl.asked.count("Service") == 2


def test_a_change_ends_when_there_is_no_address_in_time(fast):
    kubectl = Kubectl([balancer()])
    found = asyncio.run(live.settled_addresses(kubectl, "job", cluster(balancer())))
    assert found.shared[0].state == "pending" and late(found.all())


def test_a_change_does_not_wait_for_what_was_refused(fast):
    kubectl = Kubectl([balancer()], [event(POOL)])
    found = asyncio.run(live.settled_addresses(kubectl, "job", cluster(balancer())))
    assert "no free address" in found.shared[0].reason and kubectl.asked == ["events"]


@pytest.mark.parametrize("what", ["run", "listed"])
def test_a_read_that_never_ends_does_not_hold_up_a_finished_change(fast, monkeypatch, what):
    async def never(*words):
        await asyncio.sleep(60)

    kubectl, begun = Kubectl([balancer()]), time.monotonic()
    monkeypatch.setattr(kubectl, what, never)
    found = asyncio.run(live.settled_addresses(kubectl, "job", cluster(balancer())))
    assert found.shared[0].state == "pending" and time.monotonic() - begun < 5


def test_nothing_is_waited_for_without_a_load_balancer(fast):
    kubectl = Kubectl()
    asyncio.run(live.settled_addresses(kubectl, "job", cluster()))
    assert not kubectl.asked and not waiting(cluster(balancer("192.0.2.1")).objects)
