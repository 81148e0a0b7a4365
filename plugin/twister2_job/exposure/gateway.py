"""Finds the addresses of a job's routes to a Gateway: pure functions over kubectl's output.

The Gateway is the user's, often of another namespace, and may not be readable: then its addresses and its listeners'
ports are unknown, and only what the job's own objects say is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .gateway_conditions import Parent, closed_listeners, trouble
from .model import Address
from .nodes import family, host_port
from .ways import View
from .workers import Object, listed, number, of_kind, part

ADVERTISED_HOST = "twister2-job/advertised-host"
ADVERTISED_PORT = "twister2-job/advertised-port"
LISTENS = {
    "HTTPRoute": ("HTTP", "HTTPS"),
    "GRPCRoute": ("HTTP", "HTTPS"),
    "TLSRoute": ("TLS",),
    "TCPRoute": ("TCP", "TLS"),
    "UDPRoute": ("UDP",),
}
"""Kinds of routes, and the protocols of the listeners that they attach to."""
UNKNOWN = "can't be read"
"""In the reason of an address that stays unknown to this user however long one waits."""
LISTENER_SET = "ListenerSet"
HTTPS = 443
HOSTNAME, STATUS = "hostname", "status"
"""Sources of a host: the route, and the Gateway's status."""


class Gateways:
    """The Gateways and ListenerSets that a job's routes lead to, sorted once for all routes."""

    def __init__(self, items: Sequence[Object], others: Sequence[Object]) -> None:
        """Sort the job's own objects and the others; Gateways that may not be read are missing."""
        self._sets = {_key(one): one for one in of_kind(items, LISTENER_SET)}
        self._gateways = {_key(one): one for one in of_kind(others, "Gateway")}
        self._listeners = {
            key: {listener.get("name"): listener for listener in listed(part(one, "spec"), "listeners")}
            for key, one in self._sets.items()
        }
        self._offered = {key: listed(part(one, "spec"), "listeners") for key, one in self._gateways.items()}
        self._closed = {key: closed_listeners(one) for key, one in self._gateways.items()}

    def parent(self, route: Object, ref: Mapping[str, Any]) -> Parent:
        """Return what a parentRef of a route leads to."""
        here = str(route["metadata"].get("namespace", ""))
        namespace, name = str(ref.get("namespace") or here), str(ref.get("name", ""))
        own: Object | None = None
        listeners: list[Mapping[str, Any]] = []
        section = ref.get("sectionName")
        if ref.get("kind") == LISTENER_SET:
            key = (namespace, name)
            own = self._sets.get(key)
            known = self._listeners.get(key, {})
            listeners = [known[section]] if section in known else [] if section else list(known.values())
            above = part(own, "spec", "parentRef") if own else {}
            namespace, name = str(above.get("namespace") or namespace), str(above.get("name", ""))
        gateway = self._gateways.get((namespace, name))
        if gateway and own is None:
            listeners = [
                one
                for one in self._offered[namespace, name]
                if section in (None, "", one.get("name")) and ref.get("port") in (None, one.get("port"))
            ]
        fitting = [one for one in listeners if _fits(route["kind"], one)]
        hosts = listed(part(route, "spec"), "hostnames")
        fitting = [one for one in fitting if _takes(str(one.get("hostname") or ""), hosts)]
        if own is None:
            # Where none would admit it, the route's own condition says so, and of which listener.
            fitting = [one for one in fitting if _admits(one, route["kind"], here == namespace)] or fitting
            closed = self._closed.get((namespace, name), {})
            working = [one for one in fitting if str(one.get("name")) not in closed]
            if fitting and not working:
                shut = [(one, closed[str(one.get("name"))]) for one in fitting]
                return Parent(ref, namespace, name, gateway, own, fitting, shut)
            fitting = working
        return Parent(ref, namespace, name, gateway, own, fitting)


def _key(item: Object) -> tuple[str, str]:
    return str(item["metadata"].get("namespace", "")), str(item["metadata"]["name"])


def _fits(kind: str, listener: Mapping[str, Any]) -> bool:
    """Tell whether a listener's protocol is for a kind of route; what passes TLS through is for TLS routes alone."""
    passes = part(listener, "tls").get("mode") == "Passthrough"
    return listener.get("protocol") in LISTENS[kind] and not (passes and kind == "TCPRoute")


def _admits(listener: Mapping[str, Any], kind: str, same_namespace: bool) -> bool:
    """Tell whether a listener's allowedRoutes let a route in, as far as can be known without the namespace's labels."""
    allowed = part(listener, "allowedRoutes")
    source = part(allowed, "namespaces").get("from") or "Same"
    kinds = [one.get("kind") for one in listed(allowed, "kinds")]
    return (same_namespace if source == "Same" else source != "None") and (not kinds or kind in kinds)


def _takes(pattern: str, hosts: Sequence[str]) -> bool:
    """Tell whether a listener with this host, empty or perhaps with a wildcard, takes one of a route's hosts."""
    if not pattern or not hosts:
        return True
    ends = pattern.removeprefix("*")
    return any(host == pattern or (ends != pattern and host.endswith(ends)) for host in hosts)


def addresses(items: Sequence[Object], view: View) -> Iterator[tuple[Object, Address]]:
    """Yield the addresses of a job's routes: one for each host, address of a Gateway, and listener."""
    gateways = Gateways(items, view.others)
    for route in items:
        if route["kind"] not in LISTENS:
            continue
        base = view.base(route)._replace(protocol="UDP" if route["kind"] == "UDPRoute" else "TCP")
        found: dict[Address, None] = {}
        for ref in listed(part(route, "spec"), "parentRefs"):
            found |= dict.fromkeys(_by_parent(route, gateways.parent(route, ref), base))
        for address in found:
            yield route, address


def _by_parent(route: Object, parent: Parent, base: Address) -> Iterator[Address]:
    """Yield the addresses of a route by one parentRef."""
    if base.state not in ("reserved", "failed") and (found := trouble(route, parent)):
        base = base._replace(state=found[0], reason=found[1])
    annotations = part(route, "metadata", "annotations")
    hosts, why_no_host = _hosts(route, parent, annotations.get(ADVERTISED_HOST, ""))
    ports, why_no_port = _ports(route, parent, number(annotations.get(ADVERTISED_PORT)))
    why = why_no_host or why_no_port or (_no_address(parent) if parent.waits else "")
    if why and base.state == "available":
        base = base._replace(state="pending", reason=why)
    for host, source in hosts or [("", "")]:
        leads_to = () if source == STATUS else parent.addresses
        for port, scheme in ports or [(0, "")]:
            whole = host_port(host, port) if host and port else ""
            yield base._replace(
                host=host,
                number=port,
                address=whole,
                url=f"{scheme}://{whole}" if whole and scheme else "",
                family=family(host) if host else "",
                source=source,
                leads_to=leads_to,
            )


def _hosts(route: Object, parent: Parent, advertised: str) -> tuple[list[tuple[str, str]], str]:
    """Return the hosts that clients connect to, each with its source, and why there are none."""
    if hostnames := listed(part(route, "spec"), "hostnames"):
        return [(str(host), HOSTNAME) for host in hostnames], ""
    if advertised:
        return [(advertised, "advertised")], ""
    if parent.gateway is None:
        return [], f"the address of {parent.shown} {UNKNOWN}; set gateway.advertisedHost"
    found = [(host, STATUS) for host in parent.addresses]
    if not found and part(parent.gateway, "status").get("addresses"):
        return [], f"the status of {parent.shown} names no IP address and no host; set gateway.advertisedHost"
    return found, "" if found else _no_address(parent)


def _no_address(parent: Parent) -> str:
    """Return why nobody reaches a Gateway that waits for its address."""
    return f"{parent.shown} has no address yet"


def _ports(route: Object, parent: Parent, advertised: int) -> tuple[list[tuple[int, str]], str]:
    """Return the ports that clients connect to, each with the scheme of its URL, and why there are none."""
    schemes = {number(one.get("port")): _scheme(route["kind"], one.get("protocol", "")) for one in parent.listeners}
    if port := advertised or number(parent.ref.get("port")):
        known = next(iter(schemes.values()), "") if len(set(schemes.values())) == 1 else ""
        return [(port, known or _guessed(route["kind"], port))], ""
    if schemes:
        return list(schemes.items()), ""
    if parent.gateway is None or parent.ref.get("kind") == LISTENER_SET:
        return [], f"the listener's port of {parent.shown} {UNKNOWN}; set gateway.advertisedPort"
    return [], f"{parent.shown} has no listener for this {route['kind']}; see gateway.parentRefs"


def _scheme(kind: str, protocol: str) -> str:
    """Return the scheme of a URL to a listener; empty for protocols of the worker's own."""
    if kind == "HTTPRoute":
        return "https" if protocol == "HTTPS" else "http"
    if kind == "GRPCRoute":
        return "grpcs" if protocol == "HTTPS" else "grpc"
    return "tls" if protocol == "TLS" else ""


def _guessed(kind: str, port: int) -> str:
    """Return the scheme of a URL to a listener that can't be read."""
    return _scheme(kind, "HTTPS" if port == HTTPS else "TLS" if kind == "TLSRoute" else "")
