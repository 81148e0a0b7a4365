"""What the API leaves empty (null, null in a list, no spec) is nothing, and no end of the report."""

import copy

import pytest
from twister2_job.clients.resources import Cluster
from twister2_job.exposure import balancers
from twister2_job.exposure.addresses import report

from .test_addresses import HEADLESS, NODE_PORT, NODES, pod, stateful_set
from .test_gateway import HEADLESS as WITH_ROUTES
from .test_gateway import OURS, gateway, listener_set, route
from .test_ways import HEADLESS_WITH, ingress

BALANCED = {**NODE_PORT, "spec": {**NODE_PORT["spec"], "type": "LoadBalancer"}, "status": {"conditions": [None]}}
LISTENER = {"name": "tcp", "port": 9000, "protocol": "TCP"}
WAYS = {
    "ingress": (HEADLESS_WITH, [ingress()], []),
    "load balancer": (HEADLESS, [BALANCED], []),
    "route": (WITH_ROUTES, [route("HTTPRoute", hosts=["w.example.com"])], [gateway("192.0.2.7", listeners=[LISTENER])]),
    "listener set": (WITH_ROUTES, [listener_set(), route(ref=OURS)], [gateway("192.0.2.7")]),
}
EMPTY = ("spec", "status", "status.loadBalancer", "status.loadBalancer.ingress", "status.conditions",
         "status.listeners", "status.parents", "status.addresses", "spec.ports", "spec.rules", "spec.listeners",
         "spec.parentRefs", "spec.hostnames", "metadata.annotations")  # fmt: skip


def emptied(item, path, how):
    """Return a copy of an object whose field is null, a list of null, or missing."""
    item = copy.deepcopy(item)
    *above, last = path.split(".")
    place = item
    for key in above:
        if not isinstance(place.get(key), dict):
            return item
        place = place[key]
    if how == "missing":
        place.pop(last, None)
    elif how == "null":
        place[last] = None
    elif isinstance(place.get(last), list):
        place[last] = [None, *place[last]]
    return item


@pytest.mark.parametrize("how", ["null", "missing", "null in a list"])
@pytest.mark.parametrize("path", EMPTY)
@pytest.mark.parametrize("way", WAYS)
def test_an_empty_field_is_no_end_of_the_report(way, path, how):
    headless, items, others = WAYS[way]
    items, others = ([emptied(one, path, how) for one in some] for some in (items, others))
    found = report("job", Cluster([headless, stateful_set(1), pod(0, "node-1"), *items], NODES, others))
    assert found.job == "job" and (how != "null in a list" or path.startswith("spec.hostnames") or found.all())


def test_an_ingress_whose_status_is_empty_waits_for_its_controller():
    one = {**ingress(), "status": {"loadBalancer": None}}
    objects = [HEADLESS_WITH, stateful_set(1), pod(0, "node-1"), one]
    (address,) = report("job", Cluster(objects, NODES)).all()
    assert address.state == "pending" and "no Ingress controller has reported an address" in address.reason


def test_a_service_without_a_status_waits_for_its_load_balancer():
    one = {**BALANCED, "status": None}
    event = {"kind": "Event", "metadata": {}, "involvedObject": None}
    assert balancers.waiting([one]) == [one] and "no address yet" in balancers.why_pending(one, [event])
