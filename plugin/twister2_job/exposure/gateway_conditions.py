"""Says why a route to a Gateway doesn't work, from the conditions of the job's own objects and of the Gateway.

The job's own can be read with the rights of one namespace: a route's status names the parents that took it, and a
ListenerSet's what became of its listeners. A Gateway that may be read as well says that of its own listeners.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .workers import Object, listed, number, part

Condition = Mapping[str, Any]
FAILED, PENDING = "failed", "pending"
_TAKEN = "port {port} is taken by another listener of {gateway}; take another gateway.perWorker.listenerSet.portBase"
REASONS = {
    "NotAllowed": "{gateway} allows no ListenerSets of namespace {namespace}: its spec.allowedListeners has to",
    "ParentNotAccepted": "{gateway} itself is not accepted by its controller",
    "ProtocolConflict": _TAKEN,
    "HostnameConflict": _TAKEN,
    "ListenerConflict": _TAKEN,
    "PortUnavailable": "{gateway} can't open port {port}; take another gateway.perWorker.listenerSet.portBase",
    "UnsupportedProtocol": "the controller of {gateway} has no listeners of protocol {protocol}",
    "NotAllowedByListeners": "no listener of {gateway} takes {kind}s of namespace {namespace}: allowedRoutes have to",
    "NoMatchingParent": "{gateway} has no such listener{section}; see gateway.parentRefs and the ports' sectionName",
    "NoMatchingListenerHostname": "no listener of {gateway} takes the host {host}; take one of its domain",
    "InvalidCertificateRef": "the certificate of gateway.perWorker.listenerSet.tls can't be used",
    "RefNotPermitted": "a ReferenceGrant for it is missing",
    "BackendNotFound": "the Service {service} isn't there",
}
"""Reasons of conditions, and what they mean; placeholders are filled in from the route."""
_SHARED = "another listener of {gateway} has port {port}: its owner has to give one of them another"
OWNERS = {
    "ProtocolConflict": _SHARED,
    "HostnameConflict": _SHARED,
    "ListenerConflict": _SHARED,
    "PortUnavailable": "{gateway} can't open port {port}: its owner has to free it, or to give the listener another",
    "InvalidCertificateRef": "its certificate can't be used",
}
"""What reasons mean at a listener of the Gateway's own, which no value of the job changes."""
PASSES = ("Pending", "Unknown", "AddressNotAssigned")
"""Reasons of what passes by itself."""


class Parent(NamedTuple):
    """What one parentRef of a route leads to.

    Attributes:
        ref: The parentRef.
        namespace: Namespace of the Gateway.
        name: Name of the Gateway; empty if the ListenerSet between is not known.
        gateway: The Gateway; None if it was not read.
        listener_set: The job's own ListenerSet between route and Gateway, if any.
        listeners: The listeners that may take the route.
        closed: The Gateway's listeners that would take it, each with the condition that closes it, if none is open.
    """

    ref: Mapping[str, Any]
    namespace: str
    name: str
    gateway: Object | None
    listener_set: Object | None
    listeners: Sequence[Mapping[str, Any]]
    closed: Sequence[tuple[Mapping[str, Any], Condition]] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that the Gateway's status names; none if it was not read.

        Addresses of other types, such as NamedAddress, mean something to the Gateway's controller alone.
        """
        found = listed(part(self.gateway, "status"), "addresses") if self.gateway else []
        usable = [one for one in found if one.get("type") in (None, "IPAddress", "Hostname")]
        return tuple(str(one["value"]) for one in usable if one.get("value"))

    @property
    def waits(self) -> bool:
        """Tell whether the Gateway was read and has no address yet; one that says it works may do without."""
        if self.gateway is None or listed(part(self.gateway, "status"), "addresses"):
            return False
        generation = number(self.gateway["metadata"].get("generation"))
        return not _is(_current(part(self.gateway, "status"), generation), "Programmed", "True")

    @property
    def shown(self) -> str:
        """Return the Gateway as messages name it."""
        return f"the Gateway {self.namespace}/{self.name}" if self.name else "the Gateway"


def trouble(route: Object, parent: Parent) -> tuple[str, str] | None:
    """Return the state, failed or pending, of a route at one of its parents, and why; None if it works.

    Args:
        route: The route.
        parent: What its parentRef leads to.
    """
    if parent.listener_set:
        return _of_listener(route, parent, parent.listener_set) or _of_route(route, parent)
    return _of_gateway(route, parent) if parent.closed else _of_route(route, parent)


def closed_listeners(gateway: Object) -> dict[str, Condition]:
    """Return the listeners of a Gateway's own that are refused or not open, each with the condition that says so."""
    generation = number(gateway["metadata"].get("generation"))
    found = {}
    for one in listed(part(gateway, "status"), "listeners"):
        conditions = _current(one, generation)
        if _is(conditions, "Programmed", "True"):
            continue  # It serves what it can, even if it names a kind of routes or a certificate that isn't there.
        refusal = next((said for said in conditions.values() if _refuses(said)), None)
        if bad := refusal or (conditions["Programmed"] if _is(conditions, "Programmed", "False") else None):
            found[str(one.get("name"))] = bad
    return found


def _of_gateway(route: Object, parent: Parent) -> tuple[str, str]:
    """Return what closes the Gateway's listeners that would take the route: of one that may still open, if any."""
    listener, bad = min(parent.closed, key=lambda one: one[1].get("reason") not in PASSES)
    what = f"listener {listener.get('name')} of {parent.shown}"
    meaning = _meaning(bad, route, parent._replace(listeners=[listener]), OWNERS)
    if bad.get("reason") in PASSES:
        return PENDING, f"{what} is not open yet: {meaning}"
    return FAILED, f"{what} is refused: {meaning}"


def _of_listener(route: Object, parent: Parent, listener_set: Object) -> tuple[str, str] | None:
    """Return what is wrong with the listener of the job's own that the route attaches to."""
    name, section = parent.ref.get("name", ""), parent.ref.get("sectionName", "")
    what = f"listener {section} of ListenerSet {name}"
    status = part(listener_set, "status")
    generation = number(listener_set["metadata"].get("generation"))
    whole = _current(status, generation)
    mine: Mapping[str, Any] = next((one for one in listed(status, "listeners") if one.get("name") == section), {})
    own = _current(mine, generation)
    for conditions in (own, whole if not _is(own, "Programmed", "True") else {}):
        bad = next((one for one in conditions.values() if _refuses(one)), None)
        if bad:
            return FAILED, f"{what} is refused: {_meaning(bad, route, parent)}"
    if not any(one.get("status") in ("True", "False") for one in [*own.values(), *whole.values()]):
        return PENDING, f"no controller has taken ListenerSet {name}: that of {parent.shown} has to know ListenerSets"
    for one in (own.get("Programmed"), whole.get("Programmed")):
        if one and one.get("status") == "False":
            return PENDING, f"{what} is not open yet: {_meaning(one, route, parent)}"
        if one:
            return None
    return None


def _of_route(route: Object, parent: Parent) -> tuple[str, str] | None:
    """Return what the parent's controller says against the route."""
    kind, name = route["kind"], route["metadata"]["name"]
    here = route["metadata"].get("namespace", "")
    told = listed(part(route, "status"), "parents")
    ours = [one for one in told if _key(part(one, "parentRef"), here) == _key(parent.ref, here)]
    generation = number(route["metadata"].get("generation"))
    conditions = [_current(one, generation) for one in ours]
    if any(_is(one, "Accepted", "True") and not _is(one, "ResolvedRefs", "False") for one in conditions):
        return None
    for one in conditions:
        for bad in (one.get("Accepted"), one.get("ResolvedRefs")):
            if bad and bad.get("status") == "False":
                state = PENDING if bad.get("reason") == "Pending" else FAILED
                return state, f"{kind} {name} is refused: {_meaning(bad, route, parent)}"
    seen = "has looked at its last change yet" if ours else "has taken it"
    ask = f"is {parent.shown} there, and does its controller know {kind}s?"
    return PENDING, f"{kind} {name}: no controller {seen}; {ask}"


def _current(status: Mapping[str, Any], generation: int) -> dict[str, Condition]:
    """Return the conditions of a status, by type, that were set for the newest generation of their object."""
    return {
        str(one.get("type")): one
        for one in listed(status, "conditions")
        if number(one.get("observedGeneration"), generation) >= generation
    }


def _is(conditions: Mapping[str, Condition], kind: str, status: str) -> bool:
    return conditions.get(kind, {}).get("status") == status


def _refuses(condition: Condition) -> bool:
    """Tell whether a condition of a listener or ListenerSet is a refusal that doesn't pass by itself."""
    kind, status, reason = (condition.get(key) for key in ("type", "status", "reason"))
    if reason in ("Pending", "Unknown"):
        return False
    return (kind == "Conflicted" and status == "True") or (kind in ("Accepted", "ResolvedRefs") and status == "False")


def _meaning(condition: Condition, route: Object, parent: Parent, owners: Mapping[str, str] | None = None) -> str:
    """Return what a condition means, with its reason as the controller gives it; `owners` goes before `REASONS`."""
    reason, message = str(condition.get("reason") or ""), str(condition.get("message") or "").strip().rstrip(".")
    if reason not in REASONS:
        return f"{message} ({reason})" if message else reason
    listener = parent.listeners[0] if parent.listeners else {}
    section = parent.ref.get("sectionName")
    spec = part(route, "spec")
    backends = [ref for rule in listed(spec, "rules") for ref in listed(rule, "backendRefs")]
    text = {**REASONS, **(owners or {})}[reason].format(
        gateway=parent.shown,
        namespace=route["metadata"].get("namespace", ""),
        port=listener.get("port", ""),
        protocol=listener.get("protocol", ""),
        kind=route["kind"],
        section=f" {section}" if section else "",
        host=", ".join(listed(spec, "hostnames")),
        service=backends[0].get("name", "") if backends else "",
    )
    return f"{text} ({reason})"


def _key(ref: Mapping[str, Any], namespace: str) -> tuple[object, ...]:
    """Return what tells a parentRef from others; controllers write down what was left out."""
    parent = (ref.get("kind") or "Gateway", ref.get("namespace") or namespace, ref.get("name"))
    return (*parent, ref.get("sectionName") or "", number(ref.get("port")))
