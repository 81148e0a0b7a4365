"""Why a route to a Gateway doesn't work, from recorded conditions of the job's own objects."""

import pytest
from twister2_job.exposure.gateway_conditions import REASONS

from .test_gateway import (
    ALL,
    ALL_GOOD,
    GROUP,
    OURS,
    PUBLIC,
    condition,
    gateway,
    listener_set,
    only,
    route,
)

CONFLICT = (
    "All TCP listeners for a given port must use a unique protocol, conflicting listeners: gateways/public/tcp, "
    "data/job-0/worker-0"
)
SET_REFUSED = (condition("Accepted", "False", "ListenersNotValid", "No listeners are accepted"),)
LISTENERS = {
    "NotAllowed": (
        (
            condition("Accepted", "False", "NotAllowed", "ListenerSet attachment from namespace data not allowed"),
            condition("Programmed", "False", "NotAllowed", "Not Programmed"),
        ),
        (),
        "the Gateway gateways/public allows no ListenerSets of namespace data: its spec.allowedListeners has to",
    ),
    "ParentNotAccepted": (
        (condition("Accepted", "False", "ParentNotAccepted", "Parent Gateway gateways/public not accepted"),),
        (),
        "the Gateway gateways/public itself is not accepted by its controller",
    ),
    "ProtocolConflict": (
        SET_REFUSED,
        (
            condition("Conflicted", "True", "ProtocolConflict", CONFLICT),
            condition("Accepted", "False", "ProtocolConflict", CONFLICT),
            condition("Programmed", "False", "ProtocolConflict", CONFLICT),
            condition("ResolvedRefs", "True", "ResolvedRefs"),
        ),
        "port 20000 is taken by another listener of the Gateway gateways/public; "
        "take another gateway.perWorker.listenerSet.portBase",
    ),
    "HostnameConflict": (
        SET_REFUSED,
        (condition("Conflicted", "True", "HostnameConflict", "All listeners must use a unique hostname"),),
        "port 20000 is taken by another listener of the Gateway gateways/public; "
        "take another gateway.perWorker.listenerSet.portBase",
    ),
    "PortUnavailable": (
        SET_REFUSED,
        (condition("Accepted", "False", "PortUnavailable", "port in use"),),
        "the Gateway gateways/public can't open port 20000; take another gateway.perWorker.listenerSet.portBase",
    ),
    "UnsupportedProtocol": (
        SET_REFUSED,
        (condition("Accepted", "False", "UnsupportedProtocol", "Protocol TCP is unsupported"),),
        "the controller of the Gateway gateways/public has no listeners of protocol TCP",
    ),
    "InvalidCertificateRef": (
        ALL_GOOD,
        (
            condition("ResolvedRefs", "False", "InvalidCertificateRef", "No valid secrets exist"),
            condition("Accepted", "True", "Accepted"),
            condition("Programmed", "False", "ListenersNotValid", "Listener is invalid"),
        ),
        "the certificate of gateway.perWorker.listenerSet.tls can't be used",
    ),
}


@pytest.mark.parametrize("reason", LISTENERS)
def test_a_refused_listener_is_told_with_its_reason(reason):
    whole, listener, meaning = LISTENERS[reason]
    bad = (condition("Accepted", "False", "NotAllowedByListeners", "No listeners included by this parent ref"),)
    address = only(listener_set(whole, listener), route(ref=OURS, conditions=bad), others=[gateway("192.0.2.7")])
    assert address.state == "failed"
    assert address.reason == f"listener worker-0 of ListenerSet job-0 is refused: {meaning} ({reason})"


ROUTES = {
    "NotAllowedByListeners": (
        condition("Accepted", "False", "NotAllowedByListeners", "No listeners included by this parent ref allowed"),
        "no listener of the Gateway gateways/public takes HTTPRoutes of namespace data: allowedRoutes have to",
    ),
    "NoMatchingParent": (
        condition("Accepted", "False", "NoMatchingParent", "No listeners match this parent ref"),
        "the Gateway gateways/public has no such listener web; see gateway.parentRefs and the ports' sectionName",
    ),
    "NoMatchingListenerHostname": (
        condition("Accepted", "False", "NoMatchingListenerHostname", "There were no hostname intersections"),
        "no listener of the Gateway gateways/public takes the host w.example.com; take one of its domain",
    ),
    "RefNotPermitted": (
        condition("ResolvedRefs", "False", "RefNotPermitted", "not permitted by any ReferenceGrant"),
        "a ReferenceGrant for it is missing",
    ),
    "BackendNotFound": (
        condition("ResolvedRefs", "False", "BackendNotFound", "Service data/job-w-0 not found"),
        "the Service job-w-0 isn't there",
    ),
    "UnsupportedValue": (condition("Accepted", "False", "UnsupportedValue", "Some words."), "Some words"),
}


@pytest.mark.parametrize("reason", ROUTES)
def test_a_refused_route_is_told_with_its_reason(reason):
    bad, meaning = ROUTES[reason]
    ref = {**PUBLIC, "sectionName": "web"}
    address = only(route("HTTPRoute", ref=ref, hosts=["w.example.com"], conditions=(bad,)), others=[ALL])
    assert address.state == "failed"
    assert address.reason == f"HTTPRoute job-w-0-worker is refused: {meaning} ({reason})"


def test_every_known_reason_has_a_case():
    assert set(REASONS) - {"ListenerConflict"} <= {*LISTENERS, *ROUTES}


def test_no_controller_at_all_is_pending():
    address = only(route(conditions=()), others=[ALL])
    assert (address.state, address.reason) == (
        "pending",
        "TCPRoute job-w-0-worker: no controller has taken it; is the Gateway gateways/public there, and does its "
        "controller know TCPRoutes?",
    )
    # What the CRD puts into a new ListenerSet.
    waiting = tuple(
        condition(kind, "Unknown", "Pending", "Waiting for controller", 0) for kind in ("Accepted", "Programmed")
    )
    for whole in (waiting, ()):
        address = only(listener_set(whole, ()), route(ref=OURS, conditions=()), others=[gateway("192.0.2.7")])
        assert (address.state, address.reason) == (
            "pending",
            "no controller has taken ListenerSet job-0: that of the Gateway gateways/public has to know ListenerSets",
        )


def test_conditions_of_an_older_generation_do_not_count():
    old = route(conditions=(condition("Accepted", "False", "NoMatchingParent", generation=1),))
    old["metadata"]["generation"] = 2
    address = only(old, others=[ALL])
    assert address.state == "pending" and "no controller has looked at its last change yet" in address.reason


def test_a_listener_that_is_not_open_yet_is_pending():
    closed = (condition("Accepted", "True", "Accepted"), condition("Programmed", "False", "Pending", "not yet"))
    address = only(listener_set(ALL_GOOD, closed), route(ref=OURS), others=[gateway("192.0.2.7")])
    assert address.state == "pending"
    assert address.reason == "listener worker-0 of ListenerSet job-0 is not open yet: not yet (Pending)"


def test_a_neighbour_that_is_refused_does_not_matter():
    """Envoy Gateway's words for a ListenerSet of which another listener is refused."""
    some = (
        condition("Accepted", "True", "ListenersNotValid", "Some listeners are invalid"),
        condition("Programmed", "True", "Programmed", "Some listeners are not programmed"),
    )
    assert only(listener_set(some), route(ref=OURS), others=[gateway("192.0.2.7")]).state == "available"
    none = (condition("Accepted", "False", "ListenersNotValid", "words of another controller"),)
    assert only(listener_set(none), route(ref=OURS), others=[gateway("192.0.2.7")]).state == "available"


def test_controllers_write_out_what_a_parent_ref_leaves_out():
    bare = {"name": "public"}
    whole = {"group": GROUP, "kind": "Gateway", "namespace": "data", "name": "public"}
    here = {**ALL, "metadata": {"name": "public", "namespace": "data"}}
    assert only(
        route(ref={**bare, "sectionName": "tcp"}, status_ref={**whole, "sectionName": "tcp"}), others=[here]
    ).state == ("available")
    assert only(route(ref=bare, status_ref={**whole, "sectionName": "tcp"}), others=[here]).state == "pending"


def test_a_listener_set_of_the_users_own_is_judged_by_the_routes_conditions():
    users = {**OURS, "name": "theirs"}
    address = only(route(ref=users, advertised_host="gw.example.com", advertised_port="7000"))
    assert (address.state, address.address) == ("available", "gw.example.com:7000")


def test_the_listeners_of_tls_are_told_by_the_url():
    ended = listener_set()
    ended["spec"]["listeners"][0]["protocol"] = "TLS"
    assert only(ended, route(ref=OURS), others=[gateway("192.0.2.7")]).url == "tls://192.0.2.7:20000"
