"""Load balancers: why one has no address yet, and whether the workers that should share one do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from .model import Address
from .ways import WORKER
from .workers import Object, listed, number, of_kind, part

BALANCER = "loadBalancer"
"""Source of an address that a load balancer has, or will have."""
CLOSED = "twister2-job/closed"
"""In the selector of a worker's Service that is closed: no pod has such a label."""
SHARE = "twister2-job/share"
"""Annotation of Services that should share an address: the annotation by which their controller does it."""
UNSERVED = "the load balancer doesn't serve this port"
"""Beginning of the reason of an address whose port it refuses."""
DOCS = "docs/load-balancers.md"
_EXHAUSTED = re.compile(
    # MetalLB 0.15 asks itself for no address when a pool that was named has none, and refuses it.
    r"no available IP|<nil>\W*is not allowed|out[ _]of[ _]?(?:ip|addr)|exhaust|quota|limit ?exceeded|insufficient"
    r"|no (?:more |free )addr",
    re.IGNORECASE,
)
_COLLIDED = re.compile(r"in use by|already in use|already[ _]allocated|sharing[ _]key|port.* conflict", re.IGNORECASE)
_ENDPOINTS = re.compile(r"FailedTo[A-Z][a-z]+Endpoint")
_SECOND = len("2026-01-01T00:00:00")
_HEAD = re.compile(r'^(?:Failed to allocate IP for "[^"]*"|Error syncing load balancer): ', re.IGNORECASE)


def points(service: Object) -> Sequence[Mapping[str, object]]:
    """Return the points at which a load balancer is reached; none while it has no address."""
    status = part(service, "status", "loadBalancer")
    return [point for point in listed(status, "ingress") if point.get("hostname") or point.get("ip")]


def host_of(point: Mapping[str, object]) -> str:
    """Return the name or address of a point."""
    return str(point.get("hostname") or point.get("ip"))


def is_closed(service: Object) -> bool:
    """Tell whether the Service of a worker leads to nothing, because the values close it."""
    return CLOSED in part(service, "spec", "selector")


def waiting(objects: Iterable[Object]) -> list[Object]:
    """Return the Services whose load balancers have no address yet."""
    return [
        s for s in objects
        if s.get("kind") == "Service" and part(s, "spec").get("type") == "LoadBalancer" and not points(s)
    ]  # fmt: skip


def refusal(service: Object, objects: Sequence[Object]) -> str:
    """Return why a load balancer is refused, by the newest warning about its Service; empty if nothing says so.

    A warning counts until an event says that something goes on again; within one second nobody knows the order.

    Args:
        service: The Service.
        objects: What was read, with the events of Services if some load balancer is waiting.
    """
    said = ""
    for condition in listed(part(service, "status"), "conditions"):
        bad = "True" if str(condition.get("type", "")).endswith("Error") else "False"
        if condition.get("status") == bad:
            said = f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
    events = _events(service, objects)
    since = max((_time(e)[:_SECOND] for e in events if e.get("type") == "Normal"), default="")
    warnings = [e for e in events if e.get("type") == "Warning" and _time(e)[:_SECOND] >= since]
    if warnings:
        said = str(warnings[-1].get("message") or warnings[-1].get("reason", ""))
    said = _HEAD.sub("", said.strip().rstrip("."))
    if not said:
        return ""
    if _EXHAUSTED.search(said):
        return f"the cluster has no free address for it ({said}); free one, or ask for more of them"
    if _COLLIDED.search(said):
        return f"the address that it asks for is another Service's, or its port is taken there ({said})"
    return f"its controller refuses it: {said}"


def why_pending(service: Object, objects: Sequence[Object]) -> str:
    """Return why a load balancer has no address yet; the arguments are as for `refusal`."""
    if refused := refusal(service, objects):
        return refused
    if events := _events(service, objects):
        newest = events[-1]
        said = f"{newest.get('reason', '')}: {newest.get('message', '')}".strip(": .")
        return f"the load balancer has no address yet; its controller works on it ({said})"
    if name := part(service, "spec").get("loadBalancerClass"):
        return f"no controller has taken it; is there one of the class {name} in this cluster?"
    return "the load balancer has no address yet; is there a load-balancer controller in this cluster?"


def port_error(point: Mapping[str, object], port: Mapping[str, object]) -> str:
    """Return why a load balancer doesn't serve a port of its Service; empty if it does."""
    for one in listed(point, "ports"):
        if (one.get("port"), one.get("protocol", "TCP")) == (port.get("port"), port.get("protocol", "TCP")):
            return str(one.get("error") or "")
    return ""


def unserved(error: str) -> str:
    """Return why an address failed whose port the load balancer doesn't serve."""
    return f"{UNSERVED}: {error}"


def warnings(services: Sequence[Object]) -> list[str]:
    """Return warnings about workers that don't share an address as they should, or have one of the same number.

    They are about the load balancers themselves, whatever host the values advertise.
    """
    found = []
    shares = [str(s["metadata"]["annotations"][SHARE]) for s in services if SHARE in _annotations(s)]
    balanced = [s for s in services if part(s, "spec").get("type") == "LoadBalancer" and points(s)]
    pairs = [(number(s["metadata"]["labels"][WORKER]), s) for s in balanced if WORKER in s["metadata"]["labels"]]
    own = sorted(pairs, key=lambda pair: pair[0])
    if shares:
        by_host: dict[frozenset[str], list[int]] = {}
        for worker, service in own:
            by_host.setdefault(frozenset(map(host_of, points(service))), []).append(worker)
        if len(by_host) > 1:
            parts = "; ".join(f"{_named(ids)} {' and '.join(sorted(hosts))}" for hosts, ids in by_host.items())
            found.append(
                f"The workers share no address: {parts}. The cluster's controller doesn't share by {shares[0]}, or "
                f"could not; {DOCS} says which annotation which controller takes."
            )
    holders: dict[tuple[str, int, str], list[int]] = {}
    for worker, service in own:
        for port in listed(part(service, "spec"), "ports"):
            for point in points(service):
                at = (host_of(point), number(port.get("port")), str(port.get("protocol", "TCP")))
                holders.setdefault(at, []).append(worker)
    if doubles := {key: ids for key, ids in holders.items() if len(set(ids)) > 1}:
        (host, taken, _), ids = next(iter(doubles.items()))
        found.append(
            f"{_named(ids)} the same address {host} and number {taken}, so only one of them is reached there; "
            "perWorker.servicePortBase gives each worker a number of its own."
        )
    return found


def late(addresses: Iterable[Address]) -> list[Address]:
    """Return the addresses that wait for their load balancer, Gateway or Ingress controller, or that it refuses."""
    return [
        a for a in addresses
        if (a.state == "pending" and (a.source == BALANCER or a.via in ("gateway", "ingress")))
        or (a.state == "failed" and (a.via == "gateway" or a.reason.startswith(UNSERVED)))
    ]  # fmt: skip


def _annotations(service: Object) -> Mapping[str, str]:
    return part(service, "metadata", "annotations")


def _named(ids: Sequence[int]) -> str:
    """Return `worker 3 has` or `workers 0, 1, 2 and 5 more have`."""
    shown = ", ".join(map(str, ids[:3])) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
    return f"worker {shown} has" if len(ids) == 1 else f"workers {shown} have"


def _events(service: Object, objects: Sequence[Object]) -> list[Object]:
    """Return the events of a Service, the newest last; not those of an earlier Service of its name.

    The controllers of its endpoints report about the same object, and know nothing of load balancers.
    """
    uid, name = service["metadata"].get("uid"), service["metadata"]["name"]
    found = []
    for event in of_kind(objects, "Event"):
        about = part(event, "involvedObject")
        if about.get("name") == name and about.get("uid", uid) == uid and not _of_endpoints(event):
            found.append(event)
    return sorted(found, key=_time)


def _of_endpoints(event: Object) -> bool:
    """Tell whether a controller of endpoints or endpoint slices reported an event."""
    component = part(event, "source").get("component") or event.get("reportingComponent") or ""
    return str(component).startswith("endpoint") or bool(_ENDPOINTS.match(str(event.get("reason", ""))))


def _time(event: Object) -> str:
    """Return when an event was seen last, as text that sorts by time."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next(filter(None, times), event["metadata"].get("creationTimestamp", "")))
