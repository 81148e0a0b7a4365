"""What a Gateway that may be read says against its own addresses: none assigned, or listeners that are refused."""

import pytest
from twister2_job.exposure.balancers import late

from .test_gateway import ALL, GOOD, OURS, PUBLIC, SECURE, condition, found, gateway, listener_set, only, route

HOST = ["w.example.com"]
OPEN = {"namespaces": {"from": "All"}}
WEB = {"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": OPEN}
TLS = {**SECURE, "allowedRoutes": OPEN}
TCP = {"name": "tcp", "port": 9000, "protocol": "TCP", "allowedRoutes": OPEN}
NO_ADDRESS = condition("Programmed", "False", "AddressNotAssigned", "No addresses have been assigned")
BAD_CERTIFICATE = (
    condition("Programmed", "False", "Invalid", "Listener is invalid"),
    condition("ResolvedRefs", "False", "InvalidCertificateRef", "Secret gateways/tls does not exist"),
)


def told(*addresses, whole=(), generation=1, **listeners):
    """Return a Gateway of the three listeners with the conditions that its controller wrote of each."""
    one = gateway(*addresses, listeners=[WEB, TLS, TCP])
    one["metadata"] = {**PUBLIC, "generation": generation}
    one["status"]["conditions"] = list(whole)
    one["status"]["listeners"] = [{"name": name, "conditions": list(said)} for name, said in listeners.items()]
    return one


@pytest.mark.parametrize("whole", [(NO_ADDRESS,), ()], ids=["says so", "says nothing"])
@pytest.mark.parametrize(
    "one",
    [
        route("HTTPRoute", hosts=HOST, ref={**PUBLIC, "sectionName": "web"}),
        route(ref={**PUBLIC, "sectionName": "tcp"}, advertised_host="gw.example.com"),
    ],
    ids=["host of the route", "advertised host"],
)
def test_a_host_waits_for_the_address_of_its_gateway(one, whole):
    address = only(one, others=[told(whole=whole)])
    assert (address.state, address.reason) == ("pending", "the Gateway gateways/public has no address yet")
    assert address.address and late([address]) == [address]


def test_a_listener_of_the_jobs_own_waits_for_the_gateways_address_too():
    address = only(listener_set(), route(ref=OURS, advertised_host="gw.example.com"), others=[told(whole=[NO_ADDRESS])])
    assert (address.state, address.reason) == ("pending", "the Gateway gateways/public has no address yet")


def test_a_gateway_that_works_without_telling_an_address_is_believed():
    programmed = condition("Programmed", "True", "Programmed")
    one = route("HTTPRoute", hosts=HOST, ref={**PUBLIC, "sectionName": "web"})
    assert only(one, others=[told(whole=[programmed])]).state == "available"
    assert only(one, others=[told(whole=[programmed], generation=2)]).state == "pending", "of its last change"
    named = told(whole=[NO_ADDRESS])
    named["status"]["addresses"] = [{"type": "NamedAddress", "value": "my-static-ip"}]
    assert only(one, others=[named]).state == "available"


def test_a_refused_listener_is_left_out_where_another_one_fits():
    both = route("HTTPRoute", hosts=HOST)
    assert [a.url for a in found(both, others=[told("192.0.2.7", secure=BAD_CERTIFICATE)])] == [
        "http://w.example.com:80"
    ]
    urls = [a.url for a in found(both, others=[told("192.0.2.7", secure=GOOD, web=GOOD)])]
    assert urls == ["http://w.example.com:80", "https://w.example.com:443"]


OF_THE_GATEWAY = {
    "InvalidCertificateRef": ("secure", BAD_CERTIFICATE, "its certificate can't be used"),
    "PortUnavailable": (
        "tcp",
        (condition("Programmed", "False", "PortUnavailable", "port in use"),),
        "the Gateway gateways/public can't open port 9000: its owner has to free it, or to give the listener another",
    ),
    "ProtocolConflict": (
        "tcp",
        (condition("Conflicted", "True", "ProtocolConflict", "x"), condition("Programmed", "False", "Invalid", "y")),
        "another listener of the Gateway gateways/public has port 9000: its owner has to give one of them another",
    ),
    "UnsupportedProtocol": (
        "tcp",
        (condition("Accepted", "False", "UnsupportedProtocol", "TCP is unsupported"),),
        "the controller of the Gateway gateways/public has no listeners of protocol TCP",
    ),
}


@pytest.mark.parametrize("reason", OF_THE_GATEWAY)
def test_a_refused_listener_that_no_other_one_replaces_is_told_with_its_reason(reason):
    name, said, meaning = OF_THE_GATEWAY[reason]
    kind, hosts = ("HTTPRoute", HOST) if name == "secure" else ("TCPRoute", ())
    one = route(kind, hosts=hosts, ref={**PUBLIC, "sectionName": name}, advertised_host="gw.example.com")
    address = only(one, others=[told("192.0.2.7", **{name: said})])
    assert address.state == "failed"
    assert address.reason == f"listener {name} of the Gateway gateways/public is refused: {meaning} ({reason})"


def test_a_listener_that_is_not_open_yet_is_pending():
    waits = (condition("Programmed", "False", "Pending", "not yet"),)
    address = only(route(ref={**PUBLIC, "sectionName": "tcp"}), others=[told("192.0.2.7", tcp=waits)])
    assert (address.state, address.reason) == (
        "pending",
        "listener tcp of the Gateway gateways/public is not open yet: not yet (Pending)",
    )


def test_what_was_said_of_an_older_gateway_or_beside_a_listener_that_works_does_not_count():
    one = route(ref={**PUBLIC, "sectionName": "tcp"})
    refused = (condition("Programmed", "False", "PortUnavailable"),)
    assert only(one, others=[told("192.0.2.7", generation=2, tcp=refused)]).state == "available"
    works = (condition("Programmed", "True", "Programmed"), condition("ResolvedRefs", "False", "InvalidRouteKinds"))
    assert only(one, others=[told("192.0.2.7", tcp=works)]).state == "available"
    assert only(route(ref={**PUBLIC, "sectionName": "tcp"}), others=[ALL]).state == "available"


def test_a_listener_of_the_jobs_own_is_not_judged_by_those_of_the_gateway():
    refused = {"worker-0": (condition("Programmed", "False", "PortUnavailable"),)}
    assert only(listener_set(), route(ref=OURS), others=[told("192.0.2.7", **refused)]).state == "available"
